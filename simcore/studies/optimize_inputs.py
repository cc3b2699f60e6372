"""Inputs of ``simcore optimize``: from words on a command line to numbers and names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from simcore.errors import InputError, did_you_mean, unknown_name
from simcore.files import read_bytes, sha256
from simcore.models.compute.operators import ProfiledTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.transformer import LayerTimes, constant_rate
from simcore.models.network.mapping import Groups, check_groups
from simcore.models.network.topology import Topology
from simcore.units import parse

_GIGABYTE = 1e9
Choice = TypeVar("Choice", bound=StrEnum)


LEAST_BUDGET = 1.0
"""Less than one byte per second is a slip of the pen, and below 1e-290 the arithmetic underflows [B/s]."""


def parse_budget(budget: float | str, place: str = "BUDGET") -> float:
    """Return the budget in B/s: a bare number in text is GB/s per NPU.

    Raises
    ------
    InputError
        If it is no finite bandwidth above 0, or so small that a network of it has no digits left to split.

    Examples
    --------
    >>> parse_budget("325"), parse_budget("325 GB/s"), parse_budget(325e9)
    (325000000000.0, 325000000000.0, 325000000000.0)
    """
    total = bandwidth(budget, place)
    if total <= 0:
        raise InputError(place, f"'{shown(budget)}'", "a bandwidth above 0, such as 325 (GB/s per NPU)")
    if total < LEAST_BUDGET:
        raise InputError(
            place, f"'{shown(budget)}'", f"at least {LEAST_BUDGET:g} B/s", "A bare number is GB/s per NPU."
        )
    return total


def bandwidth(value: float | str, place: str) -> float:
    """Return B/s of a number in B/s, of text with a unit, or of bare text in GB/s."""
    expected = "a bandwidth of at least 0, such as 325 (GB/s per NPU) or '325 GB/s'"
    if isinstance(value, str):
        try:
            number = float(value) * _GIGABYTE
        except ValueError:
            if "/" not in value:
                raise InputError(place, f"'{value}'", expected) from None
            number = parse(value, "bandwidth", place)
    else:
        number = float(value)
    if not math.isfinite(number) or number < 0 or number > 1e30:
        raise InputError(place, f"'{shown(value)}'", expected)
    return number


def shown(value: float | str) -> str:
    """Return a bandwidth as the user wrote it, or in GB/s."""
    return value if isinstance(value, str) else f"{value / _GIGABYTE:g} GB/s"


def dimension_index(key: str, topology: Topology, option: str) -> int:
    """Return the index (from 0) of a dimension given as ``1``, ``b1`` or the name of its level."""
    size = len(topology.dimensions)
    levels = [dimension.level for dimension in topology.dimensions]
    names = {str(i + 1): i for i in range(size)} | {f"b{i + 1}": i for i in range(size)}
    names |= {level.lower(): i for i, level in enumerate(levels) if level and levels.count(level) == 1}
    index = names.get(str(key).strip().lower())
    if index is None:
        unique = [level for level in levels if level and levels.count(level) == 1]
        raise unknown_name(option, str(key), [*(f"b{i + 1}" for i in range(size)), *unique])
    return index


def choice(place: str, value: str, kind: type[Choice]) -> Choice:
    """Return the member of an enumeration by its value, in any case; an `InputError` lists them."""
    for member in kind:
        if member.value.lower() == str(value).lower():
            return member
    raise unknown_name(place, str(value), [member.value for member in kind])


def explicit_groups(
    communicator: str | Path | None, topology: Topology, tp: int | None, dp: int | None
) -> Groups | None:
    """Read the explicit groups, if there are any."""
    from simcore.zoo.libra import read_communicators

    if communicator is None:
        return None
    if tp is not None or dp is not None:
        raise InputError("--communicator", "--tp or --dp beside it", "one or the other", "Leave one of them out.")
    explicit = read_communicators(Path(communicator))
    check_groups(topology, explicit, str(communicator))
    return explicit


def default_cost(topology: Topology) -> str:
    """Return the first cost model of the zoo that prices all levels of the network."""
    from simcore.zoo import names
    from simcore.zoo.load_costs import load_costs

    wanted = {dimension.level for dimension in topology.dimensions}
    for name in names("costs"):
        if wanted <= set(load_costs(name, "--cost").levels):
            return name
    raise InputError(
        f"network {topology.name}",
        f"levels {', '.join(sorted(wanted))}, which no cost model in the zoo prices together",
        "levels with prices",
        "Give a cost model with --cost FILE.",
    )


def hashes(
    network: str | Path, workload: str | Path, cost: str | Path, communicator: str | Path | None
) -> dict[str, str]:
    """Return the SHA-256 of each file that was read, by its role."""
    from simcore.zoo import find

    paths = {
        "network": find("networks", network, "NETWORK"),
        "workload": find("workloads", workload, "WORKLOAD"),
        "cost": find("costs", cost, "--cost"),
    }
    if communicator is not None:
        paths["communicator"] = Path(communicator)
    return {role: sha256(read_bytes(path, role)) for role, path in paths.items()}


def compute_times(
    profile: str | Path | KernelProfile | None, dtype: str | None
) -> tuple[KernelProfile | None, LayerTimes]:
    """Return the profile and the compute of layers on it, or no profile and the constant rate.

    Raises
    ------
    InputError
        If there is no such profile, or a number format is given without one.
    """
    from simcore.zoo.load_profiles import load_profile

    if profile is None:
        if dtype is not None:
            raise InputError("--dtype", f"'{dtype}' without a profile", "--profile beside it", "Add --profile.")
        return None, constant_rate
    loaded = profile if isinstance(profile, KernelProfile) else load_profile(profile)
    return loaded, ProfiledTimes(loaded, dtype)


def positional(
    arguments: Sequence[str], model: str | None, options: Iterable[str] = ()
) -> tuple[str, str, str, str, str]:
    """Return network, budget, workload, target and loop; with a model file the workload is left out.

    A budget below 0 looks like an option, so unknown options arrive here among the arguments and are refused by name.

    Raises
    ------
    InputError
        If there are too many or too few.
    """
    names = ["NETWORK", "BUDGET", "WORKLOAD", "TARGET", "LOOP"]
    given = list(arguments)
    refuse_options(given, options, "optimize")
    if model is not None:
        names.remove("WORKLOAD")
    if len(given) != len(names):
        remedy = "For example: simcore optimize 4D 325 1T Perf Overlap."
        if model is not None:
            remedy = f"With --model, WORKLOAD is left out: simcore optimize 4D 325 Perf Overlap --model {model}."
        raise InputError("arguments", f"{len(given)} ({' '.join(given)})", f"{len(names)}: {' '.join(names)}", remedy)
    if model is not None:
        given.insert(2, model)
    return given[0], given[1], given[2], given[3], given[4]


def refuse_options(arguments: Sequence[str], options: Iterable[str], command: str) -> None:
    """Refuse words among the arguments that look like options, but for numbers below 0, which are refused as such.

    Raises
    ------
    InputError
        With the closest option.
    """
    for word in arguments:
        if word.startswith("-") and word[1:2] not in {*"0123456789.", ""}:
            hint = did_you_mean(word, options)
            raise InputError("options", f"'{word}'", f"an option that simcore {command} --help lists", hint)


def limits(option: str, texts: Sequence[str]) -> dict[str, float | str]:
    """Return caps or minima by dimension, of texts ``DIM=BW``.

    Raises
    ------
    InputError
        If a text has no equals sign, or a dimension comes twice.

    Examples
    --------
    >>> limits("--cap", ["1=50", "Pod=100 GB/s"])
    {'1': '50', 'Pod': '100 GB/s'}
    """
    found: dict[str, float | str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise InputError(option, f"'{text}'", "DIM=BW, such as 4=100 (GB/s)")
        if key in found:
            raise InputError(option, f"'{key}' twice", "each dimension once", "Leave one of them out.")
        found[key] = value
    return found

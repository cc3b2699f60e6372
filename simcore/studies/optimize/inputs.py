"""Inputs of ``simcore optimize``: limits, workloads, groups and prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, unknown_name
from simcore.models.bandwidth.expressions import parse_constraint
from simcore.models.bandwidth.region import Constraint, cap, minimum
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.cost import CostModel, cost_coefficients
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Topology
from simcore.models.training.operators import ProfiledTimes
from simcore.models.training.transformer import LayerTimes, Variant, constant_rate
from simcore.models.training.workload import Workload
from simcore.readers.read import Read
from simcore.studies.inputs import Parallelism, bandwidth, shown

Limits = Mapping[str, float | str]


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


def read_limits(
    caps: Limits | None, minima: Limits | None, constraints: Sequence[str], topology: Topology
) -> list[Constraint]:
    """Return what the user demands of a split.

    Raises
    ------
    InputError
        If a limit cannot be read, or a dimension has two caps or two minima, by whatever names.
    """
    size = len(topology.dimensions)
    found: list[Constraint] = []
    for option, given, make in (("--cap", caps or {}, cap), ("--min", minima or {}, minimum)):
        keys: dict[int, str] = {}
        for key, value in given.items():
            index = dimension_index(key, topology, option)
            if index in keys:
                twice = f"'{keys[index]}' and '{key}', which both name dimension {index + 1}"
                raise InputError(option, twice, "each dimension once", "Leave one of them out.")
            keys[index] = key
            found.append(make(index, bandwidth(value, f"{option} {key}"), size, f"{option} {key}={shown(value)}"))
    for text in constraints:
        found += parse_constraint(text, size)
    return found


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


def compute_times(
    profile: str | Path | KernelProfile | None, dtype: str | None
) -> tuple[KernelProfile | None, LayerTimes]:
    """Return the profile and the compute of layers on it, or no profile and the constant rate.

    Raises
    ------
    InputError
        If there is no such profile, or a number format is given without one.
    """
    from simcore.readers.profiles import read_profile

    if profile is None:
        if dtype is not None:
            raise InputError("--dtype", f"'{dtype}' without a profile", "--profile beside it", "Add --profile.")
        return None, constant_rate
    loaded = profile if isinstance(profile, KernelProfile) else read_profile(profile, "--profile").value
    return loaded, ProfiledTimes(loaded, dtype)


def compute_source(times: LayerTimes) -> dict[str, str]:
    """Return the inputs that say where compute came from: profile and number format; nothing at a constant rate."""
    if not isinstance(times, ProfiledTimes):
        return {}
    return {"profile": times.profile.name, "dtype": ", ".join(times.formats)}


def place_workloads(
    workload: str | Path,
    topology: Topology,
    degrees: Parallelism,
    *,
    variant: Variant,
    sequence: int | None,
    batch: int | None,
    times: LayerTimes = constant_rate,
) -> tuple[Read[tuple[Workload, ...]], list[Groups]]:
    """Read a workload, or the members of a group, and say where on the network the groups of each sit."""
    from simcore.readers.workloads import read_workload, read_workloads

    shape = {**degrees.degrees, "npus": topology.npus}
    if sequence is None and batch is None:
        found = read_workloads(workload, "WORKLOAD", variant=variant, times=times, **shape)
    else:
        alone = read_workload(
            workload, "WORKLOAD", variant=variant, sequence=sequence, batch=batch, times=times, **shape
        )
        found = Read((alone.value,), alone.name, alone.sha256)
    return found, [degrees.place(topology, each) for each in found.value]


def price_dimensions(cost: Read[CostModel], topology: Topology) -> NDArray[np.float64]:
    """Return what a network costs per bandwidth [$ per B/s], one price per dimension.

    Raises
    ------
    InputError
        If it costs nothing at all.
    """
    prices = np.array(cost_coefficients(topology, cost.value))
    if not prices.any():
        raise InputError("--cost", f"'{cost.name}', where the whole network is free", "prices above 0")
    return prices


def default_cost(topology: Topology) -> Read[CostModel]:
    """Return the first cost model of the zoo that prices all levels of the network."""
    from simcore.readers.costs import read_costs
    from simcore.readers.zoo import names

    wanted = {dimension.level for dimension in topology.dimensions}
    for name in names("costs"):
        read = read_costs(name, "--cost")
        if wanted <= set(read.value.levels):
            return read
    raise InputError(
        f"network {topology.name}",
        f"levels {', '.join(sorted(wanted))}, which no cost model in the zoo prices together",
        "levels with prices",
        "Give a cost model with --cost FILE.",
    )

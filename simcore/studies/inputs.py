"""What commands on networks share: from words on a command line to numbers, names, networks and groups."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from simcore.errors import InputError, unknown_name
from simcore.files import sha256
from simcore.models.network.chunk_counts import AUTO, COUNTS, MOST_CHUNKS, is_settled
from simcore.models.network.conventions.base import Convention
from simcore.models.network.ports import is_plain, ports
from simcore.models.network.topology import Topology
from simcore.numerals import as_real
from simcore.readers.network_string import NetworkSpec, is_network_string, parse_network
from simcore.units import LARGEST, LEAST_BANDWIDTH, SMALLEST, bits_remedy, counted, format_si, parse

if TYPE_CHECKING:
    from simcore.models.compute.profile import KernelProfile
    from simcore.models.network.conventions import Convention
    from simcore.models.network.schedulers.base import Scheduler
    from simcore.readers.read import Read

_GIGABYTE = 1e9
_AMOUNT = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*(k|[KMGTP]i?)?B?\s*\Z")
Choice = TypeVar("Choice", bound=StrEnum)


LITTLE_LATENCY = 0.1
"""Share of the time from which latency is worth a word."""


def parse_budget(budget: float | str, place: str = "BUDGET") -> float:
    """Return the budget in B/s: a bare number in text is GB/s per NPU.

    Raises
    ------
    InputError
        If it is no finite bandwidth above 0, or below any link's.

    Examples
    --------
    >>> parse_budget("325"), parse_budget("325 GB/s"), parse_budget(325e9)
    (325000000000.0, 325000000000.0, 325000000000.0)
    """
    return bandwidth(budget, place, least="above 0")


def bandwidth(value: float | str, place: str, *, least: str = "of at least 0") -> float:
    """Return B/s of a number in B/s, of text with a unit, or of bare text in GB/s; `least` is the limit in words."""
    expected = f"a bandwidth {least}, such as 325 (GB/s per NPU) or '325 GB/s'"
    if isinstance(value, str):
        plain = as_real(value.strip())
        if plain is None and "/" not in value and not value.endswith("bps"):
            raise InputError(place, f"'{value}'", expected, _rate_for(value))
        number = parse(value, "bandwidth", place) if plain is None else plain * _GIGABYTE
    elif isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
    else:
        raise InputError(place, repr(value), expected)
    below = number <= 0 if least == "above 0" else number < 0
    if below or not math.isfinite(number):
        raise InputError(place, f"'{shown(value)}'", expected)
    if number and not SMALLEST <= number <= LARGEST:
        raise InputError(place, f"'{shown(value)}'", f"{expected}, from {SMALLEST:g} to {LARGEST:g} B/s")
    if 0 < number < LEAST_BANDWIDTH:
        raise _too_little(value, place)
    return number


def _too_little(value: float | str, place: str) -> InputError:
    """Return the error for a bandwidth that no link has: mostly a number of GB/s that stands for B/s."""
    found, remedy = f"'{value}'", "A bare number in text is GB/s per NPU."
    if not isinstance(value, str):
        found, remedy = f"{value:g}, a number of B/s", f"Write '{value:g} GB/s', or {value:g}e9."
    return InputError(place, found, f"at least {format_si(LEAST_BANDWIDTH, 'B/s')}", remedy)


def _rate_for(text: str) -> str:
    """Return the remedy where a bandwidth has the unit of a size, or none for other text."""
    bits = bits_remedy(text)
    if bits:
        return bits
    match = _AMOUNT.match(text)
    return f"A bandwidth is per second: write '{match[1]} {match[2] or 'G'}B/s'." if match else ""


def shown(value: float | str) -> str:
    """Return a bandwidth as the user wrote it, or in GB/s."""
    return value if isinstance(value, str) else f"{value / _GIGABYTE:g} GB/s"


def choice(place: str, value: str, members: Iterable[Choice]) -> Choice:
    """Return the member of an enumeration, or of part of one, by its value, in any case; an `InputError` lists them."""
    by_value = {member.value.lower(): member for member in members}
    if str(value).lower() in by_value:
        return by_value[str(value).lower()]
    raise unknown_name(place, str(value), [member.value for member in by_value.values()])


def check_chunks(place: str, chunks: int | str) -> None:
    """Refuse a text that is not ``auto``; a request has looked at numbers.

    Raises
    ------
    InputError
        Naming the option.

    Examples
    --------
    >>> check_chunks("--chunks", "auto")
    >>> check_chunks("--chunks", "8")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: --chunks: found '8', expected auto, or a whole number from 1 to 1,048,576.
    """
    if isinstance(chunks, str) and chunks != AUTO:
        raise InputError(place, f"'{chunks}'", f"{AUTO}, or a whole number from 1 to {MOST_CHUNKS:,}")


def chunks_words(count: int, *, tried: bool) -> str:
    """Say into how many chunks collectives were cut, and whether several numbers were tried.

    Examples
    --------
    >>> chunks_words(8, tried=False), chunks_words(1, tried=True)
    ('8 chunks', '1 chunk (auto: the fastest of 1, 2, 4, ... 64)')
    """
    return counted(count, "chunk") + (f" (auto: the fastest of 1, 2, 4, ... {COUNTS[-1]})" if tried else "")


def device_profile(profile: str | Path | KernelProfile, place: str) -> KernelProfile:
    """Return a kernel profile that is given itself, by its name in the zoo, or as a file.

    Raises
    ------
    InputError
        If nothing is given, or there is no such profile.
    """
    if not isinstance(profile, str | Path):
        return profile
    if not str(profile).strip():
        expected = "the name of a kernel profile, or the path of a file"
        raise InputError(place, "nothing", expected, f"For example: {place} v100-16gb, or one that you calibrated.")
    from simcore.readers.profiles import read_profile

    return read_profile(profile, place).value


def resolve_network(
    network: str | Path, place: str = "--network", gpus: int | None = None, *, more: str = ""
) -> tuple[NetworkSpec, dict[str, str]]:
    """Return a network that has its bandwidths, and the hash of the file it came from, if any.

    Parameters
    ----------
    network : str or Path
        A name of the zoo, a file, or a network written out.
    place : str
        The field that gave it, for messages.
    gpus : int, optional
        How many NPUs it is to have; networks whose nodes follow from them are refused without.
    more : str
        What else would give bandwidths, for messages.

    Raises
    ------
    InputError
        If a dimension has no bandwidth, or the network cannot be read.
    """
    if not str(network).strip():
        expected = "the name of a network that has bandwidths, the path of a file, or a network written out"
        raise InputError(place, "nothing", expected, f'For example: {place} "Ring(8)@100GB/s", or DGX-like.')
    written_out = isinstance(network, str) and is_network_string(network)
    if written_out and gpus is None:
        return parse_network(str(network), place), {}
    read = _read_network(network, place, gpus)
    topology, bandwidths = read.value.topology, read.value.bandwidths
    if bandwidths is None or min(bandwidths) <= 0:
        text = " x ".join(
            f"{each.block.value}({each.size})@BANDWIDTH,{each.latency * 1e9:g}ns" for each in topology.dimensions
        )
        found = f"network {topology.name}, which has dimensions without bandwidth"
        expected = "a network with the bandwidth of each dimension"
        remedy = f'Write bandwidths into its file, or write it out with them: {place} "{text}". {more}'.rstrip()
        raise InputError(place, found, expected, remedy)
    return read.value, {} if written_out else {"network": read.sha256}


def _read_network(network: str | Path, place: str, gpus: int | None) -> Read[NetworkSpec]:
    if gpus is not None:
        from simcore.readers.cluster_networks import network_for  # whose schemas no network string needs

        return network_for(network, gpus, place)
    from simcore.readers.networks import read_network

    return read_network(network, place)


def refuse_shared(topology: Topology, place: str) -> None:
    """Refuse a network whose levels share a port where each dimension is given a bandwidth of its own.

    Raises
    ------
    InputError
        Naming the ports, or the levels without rails.
    """
    if is_plain(topology):
        return
    shared = [port.name for port in ports(topology)]
    found = f"the shared port{'s' if len(shared) > 1 else ''} {', '.join(shared)} of {topology.name}"
    remedy = "Take the network without them, or simulate it with the bandwidths that it brings: leave the budget out."
    if not shared:
        found = f"{topology.name}, which has levels without rails"
    expected = "dimensions on rails that share no port, as a budget gives each a bandwidth of its own"
    raise InputError(place, found, expected, remedy)


def refuse_convention(topology: Topology, convention: Convention, place: str) -> None:
    """Refuse a convention of ASTRA-sim on a network of which it knows no counterpart.

    Raises
    ------
    InputError
        Naming the convention.
    """
    if not (convention.shares_links or is_plain(topology)):
        found = f"{convention} on {topology.name}, which has shared ports or levels without rails"
        raise InputError(place, found, "physical, as ASTRA-sim knows neither", f"Leave {place} out.")


def in_gigabytes(bandwidths: Sequence[float]) -> str:
    """Return bandwidths [B/s] in GB/s, with commas, as ``--split`` takes them.

    Examples
    --------
    >>> in_gigabytes((300e9, 6.25e9))
    '300,6.25'
    """
    return ",".join(f"{each / _GIGABYTE:.10g}" for each in bandwidths)


def latency_sentences(
    share: float, sends: float, *, fewer: bool, schedule: type[Scheduler], convention: Convention
) -> list[str]:
    """Say how much of the time in the limiting dimension is latency; nothing below `LITTLE_LATENCY`.

    Parameters
    ----------
    share : float
        Of latency in the time in which chunks are under way there.
    sends : float
        How long links send there [s].
    fewer : bool
        Whether fewer chunks have not been tried.
    schedule : type of Scheduler
        What ran.
    convention : Convention
        How time was counted.
    """
    if share < LITTLE_LATENCY:
        return []
    remedy = ""
    if fewer:
        automatic = not is_settled(AUTO, schedule, convention)
        aware = not convention.always_ascending and schedule.name != "latency-aware"
        options = [f"--chunks {AUTO}"] * automatic + ["--schedule latency-aware"] * aware
        remedy = "; fewer chunks pay it less often" + (f", {' or '.join(options)} tries them" if options else "")
    return [
        f"Latency is {share:.0%} of the time there: links send for {format_si(sends, 's')} only. "
        f"Each chunk pays it in each phase{remedy}."
    ]


def part_hash(name: str, path: Path | None) -> dict[str, str]:
    """Return the SHA-256 of a user's own Python file by the name of what it defines; nothing where there is none."""
    return {} if path is None else {name: sha256(path.read_bytes())}

"""Networks of clusters for a number of GPUs: nodes of a known size, as many of them as the GPUs fill.

A network file says ``size: nodes`` of its outermost dimension; the zoo's ``dgx-h100`` does. `network_for` fills the
dimensions from the inside out. Networks of a fixed size are taken where they have as many NPUs as there are GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simcore.errors import InputError, field
from simcore.files import sha256
from simcore.models.network.topology import Block, Dimension, peer_bandwidth
from simcore.readers.network_string import MOST_NPUS, NetworkSpec, is_network_string, parse_network
from simcore.readers.networks import OPEN, read_any_network
from simcore.readers.read import InputFile, Read


def network_for(name_or_path: str | Path | InputFile, gpus: int, place: str = "network") -> Read[NetworkSpec]:
    """Read a network by its name in the zoo, from a file or written out, with as many NPUs as there are GPUs.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        For example ``dgx-h100``, whose nodes follow from the GPUs, or ``Ring(4)@200GB/s``.
    gpus : int
        How many NPUs it is to have.
    place : str
        The field that gave the network, for messages.

    Returns
    -------
    Read of NetworkSpec
        Dimensions within one node alone where the GPUs fit into it. The hash of a network that is written out is that
        of its text.

    Raises
    ------
    InputError
        If GPUs would leave a node half full, with the nearest numbers that do not; if a network of a fixed size has
        another; or if the network cannot be read.

    Examples
    --------
    >>> [(each.size, str(each.block)) for each in network_for("dgx-h100", 64).value.topology.dimensions]
    [(8, 'Switch'), (8, 'Switch')]
    >>> network_for("dgx-h100", 4).value.bandwidths
    (450000000000.0,)
    >>> network_for("dgx-h100", 12)
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: gpus: found 12, expected at most 8, or a multiple of 8, for dgx-h100. Give 8 or 16.
    """
    if not 1 <= gpus <= MOST_NPUS:
        raise InputError(field("gpus"), str(gpus), f"a whole number from 1 to {MOST_NPUS:,}")
    read = _read(name_or_path, place)
    dimensions = read.value.topology.dimensions
    if any(each.size == OPEN for each in dimensions):
        return replace(read, value=_filled(read.value, gpus))
    if read.value.topology.npus != gpus:
        found = f"{read.name}, which has {read.value.topology.npus:,} NPUs"
        remedy = f"Give {field('gpus')} {read.value.topology.npus}, or a network of nodes such as dgx-a100."
        raise InputError(place, found, f"a network of {gpus:,}", remedy)
    return read


def _read(name_or_path: str | Path | InputFile, place: str) -> Read[NetworkSpec]:
    if isinstance(name_or_path, str) and is_network_string(name_or_path):
        return Read(parse_network(name_or_path, place), name_or_path, sha256(name_or_path.encode()))
    return read_any_network(name_or_path, place)


def _filled(spec: NetworkSpec, gpus: int) -> NetworkSpec:
    """Return a network with as many nodes as the GPUs fill."""
    topology, bandwidths = spec.topology, spec.bandwidths
    sizes = fill([each.size for each in topology.dimensions], gpus, topology.name)
    used = list(zip(topology.dimensions, sizes, strict=False))
    dimensions = tuple(replace(each, size=size) for each, size in used)
    if bandwidths is not None:
        bandwidths = tuple(_bandwidth(*one, bandwidth) for one, bandwidth in zip(used, bandwidths, strict=False))
    _check_rings(used, gpus, topology.name)
    return replace(spec, topology=replace(topology, dimensions=dimensions), bandwidths=bandwidths)


def fill(sizes: Sequence[int], gpus: int, name: str = "network") -> tuple[int, ...]:
    """Return how many NPUs GPUs take along each dimension, filling those from the inside out.

    Parameters
    ----------
    sizes : sequence of int
        NPUs along each dimension, innermost first; `OPEN` for as many as are needed.
    gpus : int
        How many there are.
    name : str
        Of the network, for messages.

    Raises
    ------
    InputError
        If they would leave a dimension half full below one that is used, with the nearest numbers that do not.

    Examples
    --------
    >>> fill([4, 8, OPEN], 4), fill([4, 8, OPEN], 12), fill([4, 8, OPEN], 96)
    ((4,), (4, 3), (4, 8, 3))
    """
    taken: list[int] = []
    unit = 1
    for size in sizes:
        if size == OPEN or gpus <= unit * size:
            if gpus % unit:
                raise _uneven(gpus, unit, name)
            return (*taken, gpus // unit)
        taken.append(size)
        unit *= size
    raise InputError(field("gpus"), str(gpus), f"at most {unit}, the NPUs of {name}")


def _uneven(gpus: int, unit: int, name: str) -> InputError:
    below = gpus // unit * unit
    expected = f"at most {unit}, or a multiple of {unit}, for {name}"
    return InputError(field("gpus"), str(gpus), expected, f"Give {below} or {below + unit}.")


def _bandwidth(dimension: Dimension, size: int, bandwidth: float) -> float:
    """Return what one NPU has into a dimension that is filled in part: of a mesh, the links to those that are there."""
    if dimension.block is Block.FULLY_CONNECTED and 1 < size < dimension.size:
        return peer_bandwidth(dimension, bandwidth) * (size - 1)
    return bandwidth


def _check_rings(used: Sequence[tuple[Dimension, int]], gpus: int, name: str) -> None:
    """Refuse part of a ring, which is a line."""
    unit = 1
    for dimension, size in used:
        if dimension.block is Block.RING and 1 < size < dimension.size:
            found = f"{gpus}, which {'are' if gpus > 1 else 'is'} {size} of the {dimension.size} NPUs of a Ring"
            remedy = f"Give {unit} or {unit * dimension.size}."
            raise InputError(field("gpus"), found, f"whole rings of {name}", remedy)
        unit *= size

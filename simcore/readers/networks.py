"""Networks from the zoo or a file: simcore's own YAML, or what `simcore.readers.foreign_networks` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers.collective_profiles import CollectivesSchema, profile_of, read_collective_profile
from simcore.readers.network_string import NetworkSpec, check_npus
from simcore.readers.other_files import refuse_other
from simcore.readers.quantities import Bandwidth, Entry, NotEmpty, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_foreign_network, json_or_yaml, top_fields

MOST_DIMENSIONS = 2
"""Dimensions of a network whose collectives were measured: within nodes, and between them."""

OPEN = 0
"""Size of a dimension whose file says ``nodes``: as many as the GPUs fill."""


def _or_nodes(value: object, whole: Callable[[object], Any]) -> Any:
    return OPEN if value == "nodes" else whole(value)


def _or_name(value: object, schema: Callable[[object], Any]) -> Any:
    return value if isinstance(value, str) else schema(value)


class _Dimension(Strict):
    block: Literal["Ring", "FullyConnected", "Switch"]
    size: Annotated[Whole, Field(ge=1), WrapValidator(_or_nodes)]
    level: str = ""
    latency: Time = 0.0
    bandwidth: Bandwidth | None = None


class _Network(Entry):
    dimensions: Annotated[list[_Dimension], NotEmpty]
    collectives: Annotated[CollectivesSchema, WrapValidator(_or_name)] | None = None


def read_network(name_or_path: str | Path | InputFile, place: str = "network") -> Read[NetworkSpec]:
    """Read a network by its name in the zoo, or from a file.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        For example ``4D``; what kind of file a path holds is told from its content.
    place : str
        The field that gave it, for messages.

    Returns
    -------
    Read of NetworkSpec
        The topology is named after the entry or the file.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field; also for a network whose nodes
        follow from a number of GPUs, which `simcore.readers.cluster_networks.network_for` takes.

    Examples
    --------
    >>> read_network("4D").value.topology.npus
    1024
    >>> read_network("DGX-like").value.bandwidths
    (300000000000.0, 25000000000.0)
    """
    read = read_any_network(name_or_path, place)
    if read.value.topology.dimensions[-1].size == OPEN:
        raise _without_size(read, place)
    return read


def _without_size(read: Read[NetworkSpec], place: str) -> InputError:
    dimensions = read.value.topology.dimensions
    known = read.value.bandwidths or (None,) * len(dimensions)
    parts = [
        f"{each.block}({each.size or 16})@{'BANDWIDTH' if one is None else f'{one / 1e9:.10g}GB/s'},"
        f"{each.latency * 1e9:.10g}ns"
        for each, one in zip(dimensions, known, strict=True)
    ]
    found = f"{read.name}, whose number of nodes follows from that of GPUs"
    remedy = f"Put a number in place of nodes into a file of it, or write it out, as for 16 nodes: {' x '.join(parts)}."
    return InputError(place, found, "a network of a fixed size", remedy)


def read_any_network(name_or_path: str | Path | InputFile, place: str = "network") -> Read[NetworkSpec]:
    """Read a network as `read_network` does; the outermost dimension may have the size `OPEN`."""
    file = read_entry("networks", name_or_path, place, "network")
    text = json_or_yaml(file, "network")
    fields = top_fields(text)
    refuse_other(file.path, text, fields, "network")
    if is_foreign_network(fields):
        from simcore.readers.foreign_networks import parse_foreign_network  # whose schemas no other network needs

        return file.of(parse_foreign_network(file.path, text, fields))
    data = read_yaml(file.path, _Network, "network", text)
    sizes = [entry.size for entry in data.dimensions]
    if OPEN in sizes[:-1]:
        place = f"{file.path}, field 'dimensions.{sizes.index(OPEN)}.size'"
        raise InputError(place, "'nodes'", "a whole number, as only the outermost dimension takes what nodes there are")
    check_npus(sizes, str(file.path))
    dimensions = (Dimension(Block(entry.block), entry.size, entry.level, entry.latency) for entry in data.dimensions)
    topology = Topology(file.path.stem, tuple(dimensions), data.source or str(file.path))
    fixed = [entry.bandwidth for entry in data.dimensions]
    known = tuple(bandwidth for bandwidth in fixed if bandwidth is not None)
    collectives = _collectives(file, data)
    return file.of(NetworkSpec(topology, known if len(known) == len(fixed) else None, collectives=collectives))


def _collectives(file: InputFile, data: _Network) -> CollectiveProfile | None:
    """Return the measured collectives of a network: its own, or those of an entry of the zoo."""
    place = f"{file.path}, field 'collectives'"
    if data.collectives is None:
        return None
    if len(data.dimensions) > MOST_DIMENSIONS:
        found = f"it on a network of {len(data.dimensions)} dimensions"
        raise InputError(place, found, "at most two dimensions, within nodes and between them", "Leave it out.")
    if isinstance(data.collectives, str):
        return read_collective_profile(data.collectives, place).value
    return profile_of(data.collectives, file.path.stem, place, file.sha256)

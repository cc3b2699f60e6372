"""Networks from the zoo or a file: simcore's own YAML, or what `simcore.readers.foreign_networks` reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator

from simcore.errors import InputError, unknown_name
from simcore.files import read_yaml
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.mesh import MOST_GPUS, Mesh
from simcore.models.network.topology import Block, Dimension, Port, Topology
from simcore.readers.collective_profiles import CollectivesSchema, profile_of, read_collective_profile
from simcore.readers.network_string import NetworkSpec, check_npus
from simcore.readers.other_files import refuse_other
from simcore.readers.quantities import Bandwidth, Entry, Flag, Measure, NotEmpty, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_foreign_network, json_or_yaml, top_fields

MOST_DIMENSIONS = 2
"""Dimensions of a network whose collectives were measured: within nodes, and between them."""

EXAMPLE = "dimensions: [{block: Ring, size: 8, latency: 500 ns, bandwidth: 50 GB/s}]"

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
    port: str | None = None
    oversubscription: Annotated[Measure, Field(ge=1)] = 1.0
    rails: Flag = True


class _Mesh(Strict):
    link: Annotated[Bandwidth, Field(gt=0)]
    links: Annotated[list[list[Annotated[Whole, Field(ge=0)]]], NotEmpty]


class _Network(Entry):
    dimensions: Annotated[list[_Dimension], NotEmpty]
    ports: dict[str, Annotated[Bandwidth, Field(gt=0)]] = Field(default_factory=dict)
    mesh: _Mesh | None = None
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
    data = read_yaml(file.path, _Network, "network", text, EXAMPLE)
    sizes = [entry.size for entry in data.dimensions]
    if OPEN in sizes[:-1]:
        place = f"{file.path}, field 'dimensions.{sizes.index(OPEN)}.size'"
        raise InputError(place, "'nodes'", "a whole number, as only the outermost dimension takes what nodes there are")
    check_npus(sizes, str(file.path))
    fixed = _bandwidths(file, data)
    dimensions = (_dimension(entry, data.ports) for entry in data.dimensions)
    topology = Topology(file.path.stem, tuple(dimensions), data.source or str(file.path))
    known = tuple(bandwidth for bandwidth in fixed if bandwidth is not None)
    bandwidths = known if len(known) == len(fixed) else None
    return file.of(NetworkSpec(topology, bandwidths, collectives=_collectives(file, data), mesh=_mesh(file, data)))


def _dimension(entry: _Dimension, ports: Mapping[str, float]) -> Dimension:
    port = None if entry.port is None else Port(entry.port, ports[entry.port])
    return Dimension(Block(entry.block), entry.size, entry.level, entry.latency, port, entry.rails)


def _bandwidths(file: InputFile, data: _Network) -> list[float | None]:
    """Return what one NPU has into each dimension: its own, or what is left of its port at that level of the tree."""
    left, bandwidths = dict(data.ports), list[float | None]()
    for index, entry in enumerate(data.dimensions):
        place = f"{file.path}, field 'dimensions.{index}"
        _check_level(place, index, entry)
        offered = entry.bandwidth
        if entry.port is not None:
            if entry.port not in left:
                raise unknown_name(f"{place}.port'", entry.port, left)
            offered = left[entry.port] = left[entry.port] / entry.oversubscription
        bandwidths.append(offered)
    idle = sorted(set(data.ports) - {entry.port for entry in data.dimensions})
    if idle:
        found, remedy = f"port {idle[0]}, which no dimension names", f"Write port: {idle[0]} in its dimensions."
        raise InputError(f"{file.path}, field 'ports'", found, "ports of dimensions", remedy)
    return bandwidths


def _check_level(place: str, index: int, entry: _Dimension) -> None:
    """Refuse what does not go together in one dimension."""
    if entry.port is not None and entry.bandwidth is not None:
        found, remedy = "it beside a port, whose bandwidth it has", "Leave it out, or give an oversubscription."
        raise InputError(f"{place}.bandwidth'", found, "one of the two", remedy)
    if entry.port is not None and entry.block != "Switch":
        found = f"a {entry.block} behind port {entry.port}"
        raise InputError(f"{place}.port'", found, "a Switch, a level of a fat tree", "Leave it out.")
    if entry.oversubscription != 1 and entry.port is None:
        found, remedy = f"{entry.oversubscription:g} without a port", "Name the port below it: port: nic."
        raise InputError(f"{place}.oversubscription'", found, "what the ports below offer", remedy)
    if not entry.rails and (index == 0 or entry.block != "Switch"):
        found = "false in the innermost dimension" if index == 0 else f"false of a {entry.block}"
        raise InputError(f"{place}.rails'", found, "a Switch outside others", "Leave it out.")


def _mesh(file: InputFile, data: _Network) -> Mesh | None:
    """Return the links between the GPUs of a node, if the file has them and they are a mesh of its nodes."""
    if data.mesh is None:
        return None
    place, links = f"{file.path}, field 'mesh.links'", data.mesh.links
    size = data.dimensions[0].size
    if not 2 <= size <= MOST_GPUS:
        found = f"it beside nodes of {size or 'any number of'} GPUs"
        raise InputError(place, found, f"nodes of 2 to {MOST_GPUS} GPUs", "Leave it out.")
    expected = f"{size} rows of {size} numbers, the links from each GPU of a node to each of them"
    if len(links) != size or any(len(row) != size for row in links):
        lengths = ", ".join(str(each) for each in sorted({len(row) for row in links}))
        raise InputError(place, f"{len(links)} rows of {lengths} numbers", expected)
    if not any(map(any, links)):
        raise InputError(place, "no link at all", "links that join GPUs of a node", "Leave the mesh out.")
    for a, b in combinations_with_replacement(range(size), 2):
        if a == b and links[a][a]:
            raise InputError(place, f"{links[a][a]} links from GPU {a} to itself", "0")
        if links[a][b] != links[b][a]:
            found = f"{links[a][b]} links from GPU {a} to GPU {b}, and {links[b][a]} back"
            raise InputError(place, found, "as many, as a link carries both directions")
    return Mesh(tuple(tuple(row) for row in links), data.mesh.link)


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

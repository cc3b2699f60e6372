"""Files of networks link by link: links written out, or a shape with its sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.network.graph import Node
from simcore.models.network.messages.fabric import Fabric, FabricLink
from simcore.models.network.messages.shapes import dragonfly, fat_tree, rail_optimised, torus
from simcore.numerals import as_whole
from simcore.readers.quantities import Bandwidth, Entry, Flag, Measure, Name, NotEmpty, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_path

MOST_NPUS, MOST_LINKS = 4096, 200_000
SHAPES = ("torus", "fat-tree", "rail-optimised", "dragonfly")
FIELDS = {"links", "shape"}
"""One of these tells such a file from a network of dimensions."""

_Count = Annotated[Whole, Field(ge=1, le=MOST_NPUS)]
_Positive = Annotated[Bandwidth, Field(gt=0)]


class _Link(Strict):
    start: Name = Field(alias="from")
    end: Name = Field(alias="to")
    bandwidth: _Positive
    latency: Time = 0.0
    cost: _Count = 1
    one_way: Flag = False


class _Links(Entry):
    npus: _Count
    links: Annotated[list[_Link], NotEmpty]


class _Torus(Entry):
    shape: Literal["torus"]
    sizes: Annotated[list[_Count], NotEmpty]
    wrap: Flag | list[Flag] = True
    bandwidth: _Positive
    latency: Time = 0.0


class _FatTree(Entry):
    shape: Literal["fat-tree"]
    leaves: _Count
    npus: _Count
    spines: _Count = 1
    bandwidth: _Positive
    latency: Time = 0.0
    oversubscription: Annotated[Measure, Field(ge=1)] = 1.0


class _Rails(Entry):
    shape: Literal["rail-optimised"]
    nodes: _Count
    gpus: _Count
    node_bandwidth: _Positive
    bandwidth: _Positive
    latency: Time = 0.0
    spines: Annotated[Whole, Field(ge=0, le=MOST_NPUS)] = 0
    oversubscription: Annotated[Measure, Field(ge=1)] = 1.0


class _Dragonfly(Entry):
    shape: Literal["dragonfly"]
    groups: _Count
    routers: _Count
    npus: _Count
    bandwidth: _Positive
    local: _Positive
    between: _Positive
    latency: Time = 0.0


class _Shape(Entry, extra="ignore"):
    shape: Literal["torus", "fat-tree", "rail-optimised", "dragonfly"]


def read_fabric(path: str | Path | InputFile) -> Read[Fabric]:
    """Read a network link by link.

    Parameters
    ----------
    path : str, Path or InputFile
        A YAML file with ``npus`` and ``links``, or with a ``shape`` of `SHAPES` and its sizes.

    Raises
    ------
    InputError
        Naming file, line and field; for a link to an NPU that there is not, or two links with the same ends, too.
    """
    file = path if isinstance(path, InputFile) else read_path(Path(path), "network", str(path))
    from simcore.readers.sniff import top_fields

    if "links" in top_fields(file.text):
        return file.of(_links(file, read_yaml(file.path, _Links, "network", file.text)))
    shape = read_yaml(file.path, _Shape, "network", file.text).shape
    return file.of(_MAKERS[shape](file))


def _check_npus(file: InputFile, npus: int) -> None:
    if not 2 <= npus <= MOST_NPUS:
        raise InputError(str(file.path), f"{npus:,} NPUs", f"2 to {MOST_NPUS:,}", "Make it smaller.")


def _check_links(file: InputFile, links: int) -> None:
    if links > MOST_LINKS:
        raise InputError(str(file.path), f"{links:,} links", f"{MOST_LINKS:,} at most", "Make it smaller.")


def _torus(file: InputFile) -> Fabric:
    data = read_yaml(file.path, _Torus, "network", file.text)
    wrap = data.wrap if isinstance(data.wrap, list) else [data.wrap] * len(data.sizes)
    if len(wrap) != len(data.sizes):
        place = f"{file.path}, field 'wrap'"
        raise InputError(place, f"{len(wrap)} entries", f"one, or one for each of {len(data.sizes)}", "Write true.")
    npus = 1
    for size in data.sizes:
        npus *= size
        _check_npus(file, max(npus, 2))
    _check_npus(file, npus)
    return torus(data.sizes, wrap, data.bandwidth, data.latency)


def _fat_tree(file: InputFile) -> Fabric:
    data = read_yaml(file.path, _FatTree, "network", file.text)
    _check_npus(file, data.leaves * data.npus)
    _check_links(file, 2 * data.leaves * (data.npus + data.spines))
    return fat_tree(data.leaves, data.npus, data.spines, data.bandwidth, data.latency, data.oversubscription)


def _rails(file: InputFile) -> Fabric:
    data = read_yaml(file.path, _Rails, "network", file.text)
    _check_npus(file, data.nodes * data.gpus)
    _check_links(file, 2 * data.gpus * (2 * data.nodes + data.spines))
    return rail_optimised(
        data.nodes, data.gpus, data.node_bandwidth, data.bandwidth, data.latency, data.spines, data.oversubscription
    )


def _dragonfly(file: InputFile) -> Fabric:
    data = read_yaml(file.path, _Dragonfly, "network", file.text)
    _check_npus(file, data.groups * data.routers * data.npus)
    within = data.routers * (2 * data.npus + data.routers - 1)
    _check_links(file, data.groups * (within + data.groups - 1))
    return dragonfly(
        data.groups, data.routers, data.npus, data.bandwidth, data.local, data.between, data.latency
    )  # fmt: skip


_MAKERS = {"torus": _torus, "fat-tree": _fat_tree, "rail-optimised": _rails, "dragonfly": _dragonfly}


def _links(file: InputFile, data: _Links) -> Fabric:
    _check_npus(file, data.npus)
    _check_links(file, len(data.links))
    links: dict[tuple[Node, Node], FabricLink] = {}
    for number, entry in enumerate(data.links):
        place = f"{file.path}, field 'links.{number}'"
        ends = (_node(entry.start, data.npus, place), _node(entry.end, data.npus, place))
        for start, end in (ends,) if entry.one_way else (ends, ends[::-1]):
            if start == end:
                raise InputError(place, f"a link of {start} to itself", "two ends", "Leave it out.")
            if (start, end) in links:
                found = f"a second link from {start} to {end}"
                raise InputError(place, found, "one of the sum of their bandwidths", "Leave one out, or one_way: true.")
            links[start, end] = FabricLink(start, end, entry.bandwidth, entry.latency, entry.cost)
    return Fabric(file.path.stem, data.npus, tuple(links.values()), source=data.source)


def _node(end: str, npus: int, place: str) -> Node:
    """Return an NPU, or the name of a switch."""
    number = as_whole(end)
    if number is None:
        return end
    if not 0 <= number < npus:
        raise InputError(place, f"NPU {number}", f"0 to {npus - 1}, or the name of a switch", "Count from 0.")
    return number

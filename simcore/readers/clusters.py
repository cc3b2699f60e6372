"""Cluster files: GPUs by type, or the nodes that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.cluster.cluster import Cluster, Node, cluster_of_nodes
from simcore.readers.node_lists import read_nodes
from simcore.readers.quantities import Bytes, Name, Real, Strict, Whole
from simcore.readers.read import InputFile, Read, read_entry

MOST = 10_000_000  # GPUs of a type: beyond any cluster, and little enough to count exactly in every table
MOST_TYPES = 1000  # tables have a column or two of each
MOST_NODES, MOST_OF_NODE = 1_000_000, 1024
EXAMPLE = "gpus: {v100: 8, t4: 4}"
RESERVED = {"policy", "time_s", "clock_s", "total"}  # columns that stand beside the GPU types' in allocation.csv


class _NodeEntry(Strict):
    """One entry of ``nodes``: so many equal nodes."""

    type: str = Field(min_length=1)
    gpus: Annotated[Whole, Field(ge=0, le=MOST_OF_NODE)]
    count: Annotated[Whole, Field(ge=1, le=MOST_NODES)] = 1
    vc: Name = ""
    rack: Name = ""
    cpus: Annotated[Real, Field(gt=0)] = 0.0
    memory: Annotated[Bytes, Field(gt=0)] = 0.0


class _ClusterFile(Strict):
    """What a cluster file holds: ``gpus`` maps each GPU type to its number, or ``nodes`` lists what holds them."""

    name: str = ""
    source: str = ""
    gpus: dict[Annotated[str, Field(min_length=1)], Annotated[Whole, Field(ge=0, le=MOST)]] = Field({})
    nodes: list[_NodeEntry] = Field([])
    vcs: dict[Name, Annotated[Whole, Field(ge=1, le=MOST)]] = Field({})


def read_cluster(name_or_path: str | Path | InputFile, place: str = "cluster") -> Read[Cluster]:
    """Read a cluster of the zoo or from a file.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name, the path of a YAML file, or of a public list of nodes, see `read_nodes`.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        If there is no such cluster, or it is malformed, or it has no GPUs.

    Examples
    --------
    >>> read_cluster("sc23").value.gpus
    64
    """
    file = read_entry("clusters", name_or_path, place, "cluster")
    listed = read_nodes(file)
    if listed is not None:
        return file.of(_checked(listed, str(file.path)))
    data = read_yaml(file.path, _ClusterFile, "cluster", file.text, EXAMPLE)
    where = f"{file.path}, field '{'nodes' if data.nodes else 'gpus'}'"
    name = data.name or file.path.stem
    if data.nodes:
        cluster = _with_nodes(name, data, str(file.path))
    else:
        cluster = Cluster(name, tuple(data.gpus), tuple(data.gpus.values()), data.source)
        if data.vcs:
            raise InputError(f"{file.path}, field 'vcs'", "quotas without nodes", "nodes too", "Write the nodes.")
    return file.of(_checked(cluster, where))


def _checked(cluster: Cluster, where: str) -> Cluster:
    """Return a cluster that has GPUs, of types that no table has a column of."""
    if not cluster.gpus:
        raise InputError(where, "no GPUs", "at least one GPU", "Give a type a number, such as 'v100: 8'.")
    if len(cluster.types) > MOST_TYPES:
        expected = f"at most {MOST_TYPES:,}"
        raise InputError(where, f"{len(cluster.types):,} GPU types", expected, "Give GPUs that are alike one name.")
    for gpu in sorted(RESERVED & set(cluster.types)):
        raise InputError(where, f"a GPU type '{gpu}'", "a name that is no column of a table", "Rename it.")
    return cluster


def _with_nodes(name: str, data: _ClusterFile, path: str) -> Cluster:
    """Return a cluster of nodes, after a look at its counts and quotas."""
    nodes = [
        Node(entry.type, entry.gpus, entry.vc, entry.rack, entry.cpus, entry.memory)
        for entry in data.nodes
        for _ in range(entry.count)
    ]
    cluster = cluster_of_nodes(name, nodes, source=data.source, quotas=list(data.vcs.items()))
    counted = dict(zip(cluster.types, cluster.counts, strict=True))
    if data.gpus and data.gpus != counted:
        expected = ", ".join(f"{gpu}: {number}" for gpu, number in counted.items())
        raise InputError(f"{path}, field 'gpus'", "other counts than the nodes have", expected, "Leave gpus out.")
    for vc, quota in data.vcs.items():
        there = sum(node.gpus for node in nodes if node.vc == vc or not cluster.divided)
        if quota > there:
            found = f"a quota of {quota} GPUs for '{vc}'"
            raise InputError(f"{path}, field 'vcs'", found, f"at most the {there} of its nodes", "Lower it.")
    return cluster

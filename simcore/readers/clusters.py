"""Cluster files: GPUs by type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.cluster.cluster import Cluster
from simcore.readers.quantities import Strict, Whole
from simcore.readers.read import InputFile, Read, read_entry

MOST = 10_000_000  # GPUs of a type: beyond any cluster, and little enough to count exactly in every table
RESERVED = {"policy", "time_s", "clock_s", "total"}  # columns that stand beside the GPU types' in allocation.csv


class _ClusterFile(Strict):
    """What a cluster file holds: ``gpus`` maps each GPU type to its number; the order is kept."""

    name: str = ""
    source: str = ""
    gpus: dict[Annotated[str, Field(min_length=1)], Annotated[Whole, Field(ge=0, le=MOST)]]


def read_cluster(name_or_path: str | Path | InputFile, place: str = "cluster") -> Read[Cluster]:
    """Read a cluster of the zoo or from a file.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name or the path of a YAML file.
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
    data = read_yaml(file.path, _ClusterFile, "cluster", file.text)
    where = f"{file.path}, field 'gpus'"
    if not sum(data.gpus.values()):
        raise InputError(where, "no GPUs", "at least one GPU", "Give a type a number, such as 'v100: 8'.")
    for name in sorted(RESERVED & data.gpus.keys()):
        raise InputError(where, f"a GPU type '{name}'", "a name that is no column of a table", "Rename it.")
    cluster = Cluster(data.name or file.path.stem, tuple(data.gpus), tuple(data.gpus.values()), data.source)
    return file.of(cluster)

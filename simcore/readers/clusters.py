"""Cluster files: GPUs by type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from simcore.errors import InputError
from simcore.files import read_text, read_yaml, sha256
from simcore.models.cluster.cluster import Cluster
from simcore.readers import zoo

MOST = 10_000_000  # GPUs of a type: beyond any cluster, and little enough to count exactly in every table
RESERVED = {"policy", "time_s", "clock_s", "total"}  # columns that stand beside the GPU types' in allocation.csv


class ClusterFile(BaseModel):
    """What a cluster file holds: ``gpus`` maps each GPU type to its number; the order is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = ""
    source: str = ""
    gpus: dict[Annotated[str, Field(min_length=1)], Annotated[int, Field(ge=0, le=MOST, strict=True)]]


def load_cluster(name_or_path: str | Path, place: str = "--cluster") -> tuple[Cluster, str]:
    """Load a cluster of the zoo or from a file.

    Parameters
    ----------
    name_or_path : str or Path
        A zoo name or the path of a YAML file.
    place : str
        The option that gave it, for messages.

    Returns
    -------
    Cluster, str
        The cluster and the file's SHA-256.

    Raises
    ------
    InputError
        If there is no such cluster, or it is malformed, or it has no GPUs.

    Examples
    --------
    >>> load_cluster("sc23")[0].gpus
    64
    """
    path = zoo.find("clusters", name_or_path, place)
    text = read_text(path, "cluster")
    data = read_yaml(path, ClusterFile, "cluster", text)
    if not sum(data.gpus.values()):
        raise InputError(
            f"{path}, field 'gpus'", "no GPUs", "at least one GPU", "Give a type a number, such as 'v100: 8'."
        )
    for name in sorted(RESERVED & data.gpus.keys()):
        raise InputError(
            f"{path}, field 'gpus'", f"a GPU type '{name}'", "a name that is no column of a table", "Rename it."
        )
    cluster = Cluster(data.name or path.stem, tuple(data.gpus), tuple(data.gpus.values()), data.source)
    return cluster, sha256(text.encode())

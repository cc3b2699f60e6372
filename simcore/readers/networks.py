"""Networks from the zoo or a file: simcore's own YAML, the artifact's JSON in both flavours, LIBRA's YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.files import read_yaml
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers import artifact_json
from simcore.readers.quantities import Bandwidth, Entry, NotEmpty, Strict, Time
from simcore.readers.sniff import read_source, top_fields
from simcore.readers.zoo import find


class _Dimension(Strict):
    block: Literal["Ring", "FullyConnected", "Switch"]
    size: Annotated[int, Field(ge=1)]
    level: str = ""
    latency: Time = 0.0
    bandwidth: Bandwidth | None = None


class _Network(Entry):
    dimensions: Annotated[list[_Dimension], NotEmpty]


def load_network(name_or_path: str | Path, place: str) -> Topology:
    """Load a network by its name in the zoo, or from a file.

    Parameters
    ----------
    name_or_path : str or Path
        For example ``4D``; what kind of file a path holds is told from its content.
    place : str
        The option or argument that gave it, for messages.

    Returns
    -------
    Topology
        Named after the entry or the file.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> load_network("4D", "NETWORK").npus
    1024
    """
    path = find("networks", name_or_path, place)
    text = read_source(path, "network")
    fields = top_fields(text)
    if artifact_json.is_network(fields):
        return artifact_json.read_network(path, text, fields)
    data = read_yaml(path, _Network, "network", text)
    dimensions = (Dimension(Block(entry.block), entry.size, entry.level, entry.latency) for entry in data.dimensions)
    return Topology(path.stem, tuple(dimensions), data.source or str(path))


def load_bandwidths(name_or_path: str | Path, place: str) -> tuple[float, ...] | None:
    """Return the bandwidths that a network comes with [B/s per NPU], or None where they are free to choose.

    Examples
    --------
    >>> load_bandwidths("DGX-like", "NETWORK")
    (300000000000.0, 25000000000.0)
    >>> load_bandwidths("4D", "NETWORK") is None
    True
    """
    path = find("networks", name_or_path, place)
    text = read_source(path, "network")
    if artifact_json.is_network(top_fields(text)):
        return None
    data = read_yaml(path, _Network, "network", text)
    fixed = [entry.bandwidth for entry in data.dimensions]
    known = [bandwidth for bandwidth in fixed if bandwidth is not None]
    return tuple(known) if len(known) == len(fixed) else None

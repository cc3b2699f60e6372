"""Networks from the zoo or a file: simcore's own YAML, or what `simcore.readers.libra` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.files import read_yaml
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers.network_string import NetworkSpec
from simcore.readers.quantities import Bandwidth, Entry, NotEmpty, Strict, Time
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_foreign_network, json_or_yaml, top_fields


class _Dimension(Strict):
    block: Literal["Ring", "FullyConnected", "Switch"]
    size: Annotated[int, Field(ge=1)]
    level: str = ""
    latency: Time = 0.0
    bandwidth: Bandwidth | None = None


class _Network(Entry):
    dimensions: Annotated[list[_Dimension], NotEmpty]


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
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> read_network("4D").value.topology.npus
    1024
    >>> read_network("DGX-like").value.bandwidths
    (300000000000.0, 25000000000.0)
    """
    file = read_entry("networks", name_or_path, place, "network")
    text = json_or_yaml(file, "network")
    fields = top_fields(text)
    if is_foreign_network(fields):
        from simcore.readers import libra  # whose schemas no other network needs

        return file.of(NetworkSpec(libra.parse_topology(file.path, text, fields)))
    data = read_yaml(file.path, _Network, "network", text)
    dimensions = (Dimension(Block(entry.block), entry.size, entry.level, entry.latency) for entry in data.dimensions)
    topology = Topology(file.path.stem, tuple(dimensions), data.source or str(file.path))
    fixed = [entry.bandwidth for entry in data.dimensions]
    known = tuple(bandwidth for bandwidth in fixed if bandwidth is not None)
    return file.of(NetworkSpec(topology, known if len(known) == len(fixed) else None))

"""The links of a network of dimensions: levels behind one port become the switches of a tree, whose uplinks are shared.

A dimension without a port has the links that `simcore.models.network.graph.link_graph` gives it. Dimensions behind one
port are levels of a fat tree. Let B be the port, ``b_1`` what an NPU has at the leaf, and ``b_k`` at level k. An NPU
has its port and a link of ``b_1`` to its leaf switch. A switch that N NPUs are below has a link of ``N b_k`` to the
switch above it. So a single NPU may take more of an oversubscribed uplink than its part while others are silent.
"""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.network.graph import Node, link_graph
from simcore.models.network.messages.fabric import Fabric, FabricLink, Routing, both_ways
from simcore.models.network.ports import ports
from simcore.models.network.topology import Port, Topology, coordinates


def fabric_of(
    topology: Topology, bandwidths: Sequence[float], routing: Routing = Routing.SPREAD, seed: int = 0
) -> Fabric:
    """Return the links of a network of dimensions.

    Parameters
    ----------
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    routing : Routing
        What becomes of several shortest routes.
    seed : int
        Of the hash.

    Examples
    --------
    Two leaf switches of 4 NPUs whose uplinks are 4 times oversubscribed:

    >>> from simcore.models.network.topology import Block, Dimension
    >>> nic = Port("nic", 50e9)
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 4, port=nic), Dimension(Block.SWITCH, 2, port=nic)))
    >>> fabric = fabric_of(tree, [50e9, 12.5e9])
    >>> [link.bandwidth for link in fabric.links if link.end == "nic level 2:0"]
    [50000000000.0, 50000000000.0]
    """
    links: list[FabricLink] = []
    behind = {d for dimensions in ports(topology).values() for d in dimensions}
    for start, end, edge in link_graph(topology, bandwidths).edges(data=True):
        dimension = edge["dimension"]
        if dimension < 0 or dimension in behind or not topology.dimensions[dimension].rails:
            continue
        links.append(FabricLink(start, end, edge["capacity"], topology.dimensions[dimension].latency))
    for index, each in enumerate(topology.dimensions):
        if each.port is None and not each.rails:
            links += _one_switch(topology, index, bandwidths[index])
    for port, dimensions in ports(topology).items():
        links += _tree(topology, port, dimensions, bandwidths)
    return Fabric(topology.name, topology.npus, tuple(links), routing, seed, topology.source)


def _one_switch(topology: Topology, dimension: int, bandwidth: float) -> list[FabricLink]:
    """Return the links of a switch that joins the NPUs of all places in the inner dimensions."""
    links: list[FabricLink] = []
    for npu in range(topology.npus):
        name = _switch(f"{dimension}", topology, npu, range(dimension + 1))
        links += both_ways(npu, name, bandwidth, topology.dimensions[dimension].latency)
    return links


def _switch(name: str, topology: Topology, npu: int, below: Sequence[int]) -> str:
    """Return the name of the switch above an NPU that joins all places in the dimensions `below`."""
    first, step = 0, 1
    for dimension, at in enumerate(coordinates(topology, npu)):
        first += 0 if dimension in below else at * step
        step *= topology.dimensions[dimension].size
    return f"{name}:{first}"


def _tree(topology: Topology, port: Port, dimensions: Sequence[int], bandwidths: Sequence[float]) -> list[FabricLink]:
    """Return the ports of all NPUs, and the links between the levels behind them."""
    levels = []
    below: set[int] = set()
    for dimension in dimensions:
        below.add(dimension)
        if not topology.dimensions[dimension].rails:
            below |= set(range(dimension))
        levels.append((dimension, sorted(below)))
    links: dict[tuple[Node, Node], FabricLink] = {}
    for npu in range(topology.npus):
        under: Node = f"{port.name}:{npu}"
        made = [*both_ways(npu, under, port.bandwidth, 0.0)]
        npus = 1
        for level, (dimension, joined) in enumerate(levels, 1):
            above = _switch(f"{port.name} level {level}", topology, npu, joined)
            made += both_ways(under, above, npus * bandwidths[dimension], topology.dimensions[dimension].latency)
            under, npus = above, _product(topology, joined)
        links |= {(link.start, link.end): link for link in made}
    return list(links.values())


def _product(topology: Topology, dimensions: Sequence[int]) -> int:
    npus = 1
    for dimension in dimensions:
        npus *= topology.dimensions[dimension].size
    return npus

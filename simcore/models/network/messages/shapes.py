"""Fabrics by shape: tori and meshes, fat trees, rail-optimised clusters, dragonflies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from simcore.models.network.graph import Node
from simcore.models.network.messages.fabric import Fabric, FabricLink, both_ways

BETWEEN_GROUPS = 3
"""Cost of a link between groups of a dragonfly: a route over two of them never is the shortest."""


def torus(sizes: Sequence[int], wrap: Sequence[bool], bandwidth: float, latency: float) -> Fabric:
    """Return a torus, or a mesh where a dimension does not wrap.

    Parameters
    ----------
    sizes : sequence of int
        NPUs along each dimension, innermost first.
    wrap : sequence of bool
        Whether the last NPU of each dimension is linked to the first.
    bandwidth, latency : float
        Of each link in one direction [B/s], [s].

    Examples
    --------
    >>> len(torus([4, 4], [True, True], 1e9, 0.0).links), len(torus([4, 4], [False, False], 1e9, 0.0).links)
    (64, 48)
    """
    steps = [prod(sizes[:d]) for d in range(len(sizes))]
    links: dict[tuple[Node, Node], FabricLink] = {}
    for place in product(*(range(size) for size in reversed(sizes))):
        at = place[::-1]
        here = sum(a * step for a, step in zip(at, steps, strict=True))
        for d, size in enumerate(sizes):
            if size == 1 or (at[d] == size - 1 and not wrap[d]):
                continue
            there = here + ((at[d] + 1) % size - at[d]) * steps[d]
            for link in both_ways(here, there, bandwidth, latency):
                links.setdefault((link.start, link.end), link)
    kind = "torus" if all(wrap) else "mesh" if not any(wrap) else "torus, partly open"
    return Fabric(f"{kind} {'x'.join(map(str, sizes))}", prod(sizes), tuple(links.values()))


def fat_tree(
    leaves: int, npus: int, spines: int, bandwidth: float, latency: float, oversubscription: float = 1.0
) -> Fabric:
    """Return a fat tree of two levels.

    Parameters
    ----------
    leaves, npus, spines : int
        Leaf switches, NPUs at each, and spine switches, which each leaf has a link to.
    bandwidth, latency : float
        Of an NPU's link in one direction [B/s], of each link [s].
    oversubscription : float
        What the NPUs of a leaf have over what its uplinks have.

    Examples
    --------
    >>> tree = fat_tree(2, 4, 2, 100.0, 0.0, oversubscription=2.0)
    >>> {link.bandwidth for link in tree.links if str(link.end).startswith("spine")}
    {100.0}
    """
    links: list[FabricLink] = []
    up = npus * bandwidth / (spines * oversubscription)
    for leaf in range(leaves):
        for npu in range(leaf * npus, (leaf + 1) * npus):
            links += both_ways(npu, f"leaf {leaf}", bandwidth, latency)
        for spine in range(spines):
            links += both_ways(f"leaf {leaf}", f"spine {spine}", up, latency)
    return Fabric(f"fat tree of {leaves} leaves x {npus}", leaves * npus, tuple(links))


def rail_optimised(
    nodes: int,
    gpus: int,
    node_bandwidth: float,
    bandwidth: float,
    latency: float,
    spines: int = 0,
    oversubscription: float = 1.0,
) -> Fabric:
    """Return nodes of GPUs behind a switch each, with a rail per GPU of a node.

    Parameters
    ----------
    nodes, gpus : int
        Nodes, and GPUs of each.
    node_bandwidth, bandwidth : float
        Of a GPU to the switch of its node, and to its rail, in one direction [B/s].
    latency : float
        Of each link [s].
    spines : int
        Switches that join the rails; with 0 rails meet in nodes alone.
    oversubscription : float
        What the GPUs of a rail have over what its uplinks have.

    Examples
    --------
    >>> rails = rail_optimised(2, 4, 300e9, 50e9, 1e-6)
    >>> rails.npus, len(rails.route(0, 5).shares)  # over the node first, or over the rail first
    (8, 8)
    """
    links: list[FabricLink] = []
    for node, gpu in product(range(nodes), range(gpus)):
        links += both_ways(node * gpus + gpu, f"node {node}", node_bandwidth, latency)
        links += both_ways(node * gpus + gpu, f"rail {gpu}", bandwidth, latency)
    for rail, spine in product(range(gpus), range(spines)):
        up = nodes * bandwidth / (spines * oversubscription)
        links += both_ways(f"rail {rail}", f"spine {spine}", up, latency)
    return Fabric(f"{gpus} rails of {nodes} nodes", nodes * gpus, tuple(links))


def dragonfly(
    groups: int, routers: int, npus: int, bandwidth: float, local: float, between: float, latency: float
) -> Fabric:
    """Return a dragonfly: routers of a group are joined each to each, and groups by one link per pair.

    Links between groups are dealt to the routers of a group in turn (Kim, Dally, Scott and Abts, ISCA 2008). Routes are
    minimal: over one link between groups, with no detour over a third one.

    Parameters
    ----------
    groups, routers, npus : int
        Groups, routers of each, NPUs of each router.
    bandwidth, local, between : float
        Of an NPU's link, of a link in a group, of a link between groups, in one direction [B/s].
    latency : float
        Of each link [s].

    Examples
    --------
    >>> fly = dragonfly(3, 2, 2, 50e9, 50e9, 25e9, 1e-6)
    >>> fly.npus, sum(link.bandwidth == 25e9 for link in fly.links)
    (12, 6)
    """
    links: list[FabricLink] = []
    for group in range(groups):
        for router in range(routers):
            here = f"router {group}.{router}"
            first = (group * routers + router) * npus
            for npu in range(first, first + npus):
                links += both_ways(npu, here, bandwidth, latency)
            for other in range(router + 1, routers):
                links += both_ways(here, f"router {group}.{other}", local, latency)
    for group, other in product(range(groups), repeat=2):
        if group < other:  # the k-th other group is at router k mod routers, on both sides
            ends = f"router {group}.{(other - 1) % routers}", f"router {other}.{group % routers}"
            links += both_ways(*ends, between, latency, BETWEEN_GROUPS)
    return Fabric(f"dragonfly of {groups} groups x {routers} x {npus}", groups * routers * npus, tuple(links))

"""A network as a graph: its links with their capacities, and the streams that a collective sends over them.

All NPUs of a symmetric network do the same. So the closed form and the chunk simulation need links for exchanges on
part of a ring only. Jobs that share a network break the symmetry: what they do to each other depends on the links that
both of them use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, product
from math import prod
from typing import TYPE_CHECKING

from simcore.models.network.collectives import Collective
from simcore.models.network.ports import ports
from simcore.models.network.topology import Block, Dimension, Port, Topology, peer_bandwidth, ring_crossings

if TYPE_CHECKING:
    from networkx import DiGraph

Node = int | str
Link = tuple[Node, Node]
SWITCH = -1
"""The position of a dimension's switch."""


def link_graph(topology: Topology, bandwidths: Sequence[float]) -> DiGraph:
    """Return the links of a network as a directed graph.

    NPUs are numbered with the innermost dimension fastest. Let b be the bandwidth of one NPU into a dimension of n
    NPUs. A ring has a link of b / 2 to each neighbour, or one of b where both neighbours are the same NPU. A full mesh
    has a link of b / (n - 1) to each peer. A switch has a link of b up and one of b down. A port that dimensions share
    is a pair of links more at each NPU, in front of those of its dimensions.

    Parameters
    ----------
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.

    Returns
    -------
    networkx.DiGraph
        Edges have ``capacity`` [B/s], ``dimension`` (from 0) and ``index``, a running number. Nodes of switches are
        named ``dimension:line``, ports ``port:NPU``; the links of ports have dimension -1.

    Examples
    --------
    >>> pod = Topology("pod", (Dimension(Block.RING, 4), Dimension(Block.SWITCH, 2)))
    >>> graph = link_graph(pod, [100e9, 50e9])
    >>> graph.number_of_edges(), graph.edges[0, 1]["capacity"], graph.edges[0, "1:0"]["capacity"]
    (32, 50000000000.0, 50000000000.0)
    """
    from networkx import DiGraph

    graph: DiGraph = DiGraph()
    graph.add_nodes_from(range(topology.npus))
    number = 0  # networkx counts its edges anew each time it is asked
    for index, (dimension, bandwidth) in enumerate(zip(topology.dimensions, bandwidths, strict=True)):
        hops = _capacities(dimension, bandwidth)
        for line in lines(topology, index, [range(each.size) for each in topology.dimensions]):
            for (start, end), capacity in hops.items():
                ends = node(line, index, start), node(line, index, end)
                graph.add_edge(*ends, capacity=capacity, dimension=index, index=number)
                number += 1
    for port in ports(topology):
        for npu in range(topology.npus):
            for ends in (port_link(port, npu, out=True), port_link(port, npu, out=False)):
                graph.add_edge(*ends, capacity=port.bandwidth, dimension=-1, index=number)
                number += 1
    return graph


def port_link(port: Port, npu: int, *, out: bool) -> Link:
    """Return the link of an NPU through a port that dimensions share, outwards or inwards."""
    name = f"{port.name}:{npu}"
    return (npu, name) if out else (name, npu)


def _capacities(dimension: Dimension, bandwidth: float) -> dict[tuple[int, int], float]:
    """Return the capacity of each link along one line of a dimension [B/s]."""
    size, capacities = dimension.size, dict[tuple[int, int], float]()
    if dimension.block is Block.SWITCH:
        for here in range(size):
            capacities[here, SWITCH] = capacities[SWITCH, here] = bandwidth
    elif dimension.block is Block.FULLY_CONNECTED:
        for here, there in product(range(size), repeat=2):
            if here != there:
                capacities[here, there] = peer_bandwidth(dimension, bandwidth)
    elif size > 1:
        for here in range(size):
            for step in (1, -1):
                hop = here, (here + step) % size
                capacities[hop] = capacities.get(hop, 0.0) + bandwidth / 2
    return capacities


def lines(topology: Topology, along: int, positions: Sequence[Iterable[int]]) -> Iterator[tuple[int, int]]:
    """Yield each line of NPUs along one dimension, at the given positions in the other dimensions.

    Yields
    ------
    tuple of int
        The NPU at position 0 of the line, and the step from one NPU of the line to the next.
    """
    sizes = [dimension.size for dimension in topology.dimensions]
    steps = [prod(sizes[:i]) for i in range(len(sizes))]
    others = [range(1) if i == along else each for i, each in enumerate(positions)]
    for place in product(*others[::-1]):
        yield sum(at * step for at, step in zip(place[::-1], steps, strict=True)), steps[along]


def node(line: tuple[int, int], dimension: int, position: int) -> Node:
    """Return the node at a position of a line: an NPU, or the line's switch."""
    first, step = line
    return f"{dimension}:{first}" if position == SWITCH else first + position * step


def streams(
    dimension: Dimension, group: Sequence[int], collective: Collective
) -> tuple[float, dict[tuple[int, int], float]]:
    """Return how a group along one dimension spreads its bytes over the links.

    On a ring, half the bytes go round the group in each direction, from neighbour to neighbour. An all-to-all sends to
    all others. Each message takes the shorter direction of the physical ring, or both where they are as long. On a full
    mesh an equal share goes to each peer of the group. On a switch all goes up, and as much comes down.

    Parameters
    ----------
    dimension : Dimension
        The dimension.
    group : sequence of int
        Positions of the group's NPUs along it, ascending.
    collective : Collective
        What runs.

    Returns
    -------
    share : float
        Part of an NPU's bytes that one stream carries.
    counts : dict
        Streams on each link (pair of positions).

    Examples
    --------
    Every second NPU of a ring: each stream takes two hops, and each link carries one stream.

    >>> share, counts = streams(Dimension(Block.RING, 8), [0, 2, 4, 6], Collective.ALL_REDUCE)
    >>> share, set(counts.values()), len(counts)
    (0.5, {1.0}, 16)
    """
    members, counts = len(group), dict[tuple[int, int], float]()
    if dimension.block is Block.SWITCH:
        for here in group:
            counts[here, SWITCH] = counts[SWITCH, here] = 1.0
        return 1.0, counts
    if dimension.block is Block.FULLY_CONNECTED:
        for here, there in product(group, repeat=2):
            if here != there:
                counts[here, there] = 1.0
        return 1.0 / (members - 1), counts
    if collective is Collective.ALL_TO_ALL:
        return 1.0 / (members - 1), _all_round_the_ring(group, dimension.size)
    return 0.5, _round_the_ring(_neighbours(group), dimension.size)


def _neighbours(group: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield who sends to whom in a ring of a group's own, in both directions."""
    for i, here in enumerate(group):
        yield group[i - 1], here
        yield here, group[i - 1]


def _most_round_the_ring(pairs: Iterable[tuple[int, int]], size: int) -> float:
    """Return the most streams on a link in one direction, as `_round_the_ring` counts them.

    Only positions where streams start or end are looked at, so that the ring itself may be of any size.
    """
    up, down = (
        defaultdict[int, float](float),
        defaultdict[int, float](float),
    )  # how many more streams there are from each position on
    for here, there in pairs:
        ahead = (there - here) % size
        share = 0.5 if 2 * ahead == size else 1.0
        if 2 * ahead <= size:
            _add_stream(up, here, ahead, size, share)
        if 2 * ahead >= size:
            _add_stream(down, -here % size, size - ahead, size, share)
    return max(max(accumulate(more[at] for at in sorted(more)), default=0.0) for more in (up, down))


def _add_stream(more: dict[int, float], start: int, length: int, size: int, share: float) -> None:
    """Add a stream over `length` links from `start` on, round a ring's end where it goes there."""
    more[start] += share
    if start + length > size:
        more[0] += share
    if start + length != size:
        more[(start + length) % size] -= share


def _round_the_ring(pairs: Iterable[tuple[int, int]], size: int) -> dict[tuple[int, int], float]:
    """Return the streams on each link of a ring, each in the shorter direction; half in both where these are equal."""
    # how many more streams there are from each position on, upwards and, positions mirrored, downwards: a pair costs
    # four numbers then, however many links lie between
    up, down = [0.0] * (2 * size), [0.0] * (2 * size)
    for here, there in pairs:
        ahead = (there - here) % size
        share = 0.5 if 2 * ahead == size else 1.0
        if 2 * ahead <= size:
            up[here] += share
            up[here + ahead] -= share
        if 2 * ahead >= size:
            mirrored = -here % size
            down[mirrored] += share
            down[mirrored + size - ahead] -= share
    counts: dict[tuple[int, int], float] = {}
    for more, direction in ((up, 1), (down, -1)):
        streams_on = list(accumulate(more))
        for i in range(size):
            number = streams_on[i] + streams_on[i + size]
            hop = direction * i % size, direction * (i + 1) % size
            if number:
                counts[hop] = counts.get(hop, 0.0) + number
    return counts


def _all_round_the_ring(group: Sequence[int], size: int) -> dict[tuple[int, int], float]:
    """Return the streams on each link where all pairs of a group send, as `_round_the_ring` counts them.

    Let h be half the ring. A link from i to i + 1 carries the streams from each member s in (i - h, i] to the members
    in (i, s + h]. Sums from position 0 on give all of these counts at once, in time that grows with the ring alone.
    """
    half, members = size // 2, set(group)
    here = [1.0 if position % size in members else 0.0 for position in range(3 * size)]
    until = [0.0, *accumulate(here)]  # members before a position
    reached = [is_here * until[position + half + 1] for position, is_here in enumerate(here[: 2 * size])]
    if 2 * half == size:  # opposite members send half in each direction
        for position in range(2 * size):
            reached[position] -= here[position] * here[position + half] / 2
    reach = [0.0, *accumulate(reached)]
    counts: dict[tuple[int, int], float] = {}
    for i in range(size, 2 * size):
        senders = until[i + 1] - until[i - half + 1]
        number = reach[i + 1] - reach[i - half + 1] - senders * until[i + 1]
        if number:  # as many in the other direction, from those to these
            for hop in ((i % size, (i + 1) % size), ((i + 1) % size, i % size)):
                counts[hop] = counts.get(hop, 0.0) + number
    return counts


def sharing(dimension: Dimension, groups: Sequence[Sequence[int]], collective: Collective) -> float:
    """Return how many times as long groups that run at once take on the links as with the whole bandwidth each.

    Parameters
    ----------
    dimension : Dimension
        The dimension.
    groups : sequence of sequence of int
        Positions of the NPUs of each group along it, ascending.
    collective : Collective
        What all of them run.

    Examples
    --------
    Half of a ring is a line, whose route back takes the same links. Two groups of every second NPU share all links:

    >>> ring = Dimension(Block.RING, 8)
    >>> sharing(ring, [range(4), range(4, 8)], Collective.ALL_REDUCE)
    2.0
    >>> sharing(ring, [range(0, 8, 2), range(1, 8, 2)], Collective.ALL_REDUCE)
    2.0
    """
    if dimension.block is Block.RING and dimension.size > 2 and collective is not Collective.ALL_TO_ALL:
        pairs = (pair for group in groups for pair in _neighbours(group))
        return _most_round_the_ring(pairs, dimension.size)
    load: dict[tuple[int, int], float] = {}
    for group in groups:
        share, counts = streams(dimension, group, collective)
        for hop, count in counts.items():
            load[hop] = load.get(hop, 0.0) + share * count
    capacities = _capacities(dimension, 1.0)
    return max(carried / capacities[hop] for hop, carried in load.items())


def exchange_load(dimension: Dimension, members: Sequence[int]) -> tuple[float, float]:
    """Return the messages that links carry when each member of a group sends one to each other.

    Parameters
    ----------
    dimension : Dimension
        The dimension.
    members : sequence of int
        Positions of the group's NPUs along it, ascending.

    Returns
    -------
    most : float
        On the busiest links, as a share of what one NPU has: the exchange takes so many messages over its bandwidth.
    mean : float
        On the links of one NPU, in the mean over all NPUs of a ring, since those between members forward too.

    Examples
    --------
    Half of a ring is a line whose middle carries most; round a whole ring all links carry the same:

    >>> ring = Dimension(Block.RING, 8)
    >>> switch = Dimension(Block.SWITCH, 8)
    >>> exchange_load(ring, range(4)), exchange_load(ring, range(8)), exchange_load(switch, range(4))
    ((8.0, 2.5), (16.0, 16.0), (3.0, 3.0))
    """
    others = float(len(members) - 1)
    if dimension.block is not Block.RING:
        return others, others
    if len(members) == dimension.size:
        return (float(ring_crossings(dimension.size)),) * 2
    counts, capacities = _all_round_the_ring(members, dimension.size), _capacities(dimension, 1.0)
    return max(count / capacities[hop] for hop, count in counts.items()), sum(counts.values()) / dimension.size


def ring_sharing(size: int, step: int, npus: int) -> int:
    """Return `sharing` of an all-reduce among equal groups that take a whole ring, in closed form.

    Groups of `size` NPUs that are `step` apart lie `step` at a time beside each other. Where they go round the whole
    ring, each link carries a stream of each of them. Where several such sets share the ring, the way back of each group
    takes its own links once more.

    Parameters
    ----------
    size : int
        NPUs of a group, at least 2.
    step : int
        From one NPU of a group to the next.
    npus : int
        NPUs of the ring, a multiple of size x step.

    Examples
    --------
    >>> ring_sharing(4, 1, 8), ring_sharing(4, 2, 8), ring_sharing(2, 2, 2**31)
    (2, 2, 4)
    """
    return step if size * step == npus else 2 * step

"""What no schedule can beat: bounds on the time of a collective.

Let N be the NPUs of the group, b_d what one of them has into dimension d [B/s] and S the size [B].

Levels behind a shared port count once in the sum: an NPU sends into them no more than the port carries. In what follows
an all-to-all takes each message over one level of a port, see `simcore.models.network.ports`.

- Bandwidth: an all-reduce takes ``2 (N - 1) / N S / sum b_d``, a reduce-scatter half of it, an all-gather of a shard S
  ``(N - 1) S / sum b_d``. In an all-to-all every byte for an NPU with another coordinate in d crosses d. So each
  dimension is a bound of its own: ``max_d S / p_d (p_d - 1) / b_d``. On a ring it is
  ``max_d S / p_d floor(p_d**2 / 4) / b_d``: the bytes between two halves of the group, over the two links that join
  these in each direction.
- Latency: a byte of every NPU reaches every other, the farthest pair too: ``sum_d hops_d L_d``, hops on the real ring.
- Alpha-beta: the last byte leaves no sooner than the bandwidth allows, and crosses one link at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from simcore.models.network.collectives import Collective, traffic
from simcore.models.network.distances import farthest, nearest
from simcore.models.network.graph import exchange_load
from simcore.models.network.ports import exchanged, send_rate, through_ports
from simcore.models.network.topology import Block, Dimension, Topology, peer_bandwidth, ring_crossings


@dataclass(frozen=True)
class Bounds:
    """Times that no schedule can beat.

    Attributes
    ----------
    bandwidth : float
        All links of the group busy all the time [s].
    latency : float
        The route to the farthest NPU of the group [s].
    alpha_beta : float
        Both together [s]: the largest bound, what results are held against.
    hierarchical : float
        What the ascending schedule takes at best, its slowest dimension or shared port [s]: no bound on other
        schedules.
    limiting : int
        Its slowest dimension, from 0.
    """

    bandwidth: float
    latency: float
    alpha_beta: float
    hierarchical: float
    limiting: int


def usable_bandwidth(dimension: Dimension, bandwidth: float, group: int) -> float:
    """Return what one NPU has into a dimension towards its group [B/s].

    A group that covers part of a fully connected dimension has its links to these peers only.

    Examples
    --------
    >>> usable_bandwidth(Dimension(Block.FULLY_CONNECTED, 8), 140e9, 4)
    60000000000.0
    """
    if dimension.block is Block.FULLY_CONNECTED:
        return (group - 1) * peer_bandwidth(dimension, bandwidth)
    return bandwidth


def bounds(
    collective: Collective,
    size: float,
    topology: Topology,
    bandwidths: Sequence[float],
    groups: Sequence[int],
    positions: Sequence[Sequence[int]] | None = None,
) -> Bounds:
    """Return the bounds of a collective.

    Parameters
    ----------
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    topology : Topology
        Dimensions with their link latencies.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s].
    groups : sequence of int
        NPUs of the group along each dimension.
    positions : sequence of sequence of int, optional
        Where they sit along each, by default neighbours: on a ring farther ones are more hops apart.

    Examples
    --------
    >>> ring = Topology("ring", (Dimension(Block.RING, 8, latency=500e-9),))
    >>> least = bounds(Collective.ALL_REDUCE, 8e6, ring, [100e9], [8])
    >>> round(least.bandwidth * 1e6, 6), round(least.latency * 1e6, 6), round(least.alpha_beta * 1e6, 6)
    (140.0, 2.0, 140.5)
    """
    at = [range(p) for p in groups] if positions is None else positions
    usable = [
        usable_bandwidth(dimension, bandwidth, len(members)) if len(members) > 1 else 0.0
        for dimension, bandwidth, members in zip(topology.dimensions, bandwidths, at, strict=True)
    ]
    used = [(each, members) for each, members in zip(topology.dimensions, at, strict=True) if len(members) > 1]
    if not used or size <= 0:
        return Bounds(0.0, 0.0, 0.0, 0.0, 0)
    npus = prod(groups)
    if collective is Collective.ALL_TO_ALL:
        bandwidth = _exchange(size, topology, usable, at)
    else:
        volume = {
            Collective.ALL_REDUCE: 2 * (npus - 1) / npus * size,
            Collective.REDUCE_SCATTER: (npus - 1) / npus * size,
            Collective.ALL_GATHER: (npus - 1) * size,
        }[collective]
        bandwidth = volume / send_rate(topology, usable)
    latency = sum(farthest(dimension, members) * dimension.latency for dimension, members in used)
    one_link = min(nearest(dimension, members) * dimension.latency for dimension, members in used)
    slowest = per_dimension(collective, size, topology, bandwidths, groups, at)
    shared = per_port(collective, size, topology, groups, at)
    limiting = max(range(len(groups)), key=slowest.__getitem__)
    hierarchical = max(slowest[limiting], *shared, 0.0)
    return Bounds(bandwidth, latency, max(latency, bandwidth + one_link), hierarchical, limiting)


def _exchange(size: float, topology: Topology, usable: Sequence[float], at: Sequence[Sequence[int]]) -> float:
    """Return the bound of an all-to-all: its bytes over the links of each dimension, and through each shared port."""
    sizes = [len(members) for members in at]
    crossing = [
        size * part / n * _crossing(dimension.block, n) if n > 1 else 0.0
        for dimension, n, part in zip(topology.dimensions, sizes, exchanged(topology, sizes), strict=True)
    ]
    each = [volume / b for volume, b in zip(crossing, usable, strict=True) if volume]
    return max(*each, *through_ports(topology, crossing), 0.0)


def per_dimension(
    collective: Collective,
    size: float,
    topology: Topology,
    bandwidths: Sequence[float],
    groups: Sequence[int],
    positions: Sequence[Sequence[int]] | None = None,
) -> tuple[float, ...]:
    """Return how long the ascending schedule occupies each dimension, latency apart [s].

    It is the closed form of `simcore.models.network.collectives` with two things that links add. A ring forwards an
    all-to-all, each message in the shorter direction. A group that covers part of a fully connected dimension has part
    of its links.
    """
    at = [range(p) for p in groups] if positions is None else positions
    seconds = []
    volumes = _volumes(collective, size, topology, groups, at)
    for dimension, bandwidth, members, volume in zip(topology.dimensions, bandwidths, at, volumes, strict=True):
        group = len(members)
        seconds.append(volume / usable_bandwidth(dimension, bandwidth, group) if group > 1 else 0.0)
    return tuple(seconds)


def per_port(
    collective: Collective,
    size: float,
    topology: Topology,
    groups: Sequence[int],
    positions: Sequence[Sequence[int]] | None = None,
) -> tuple[float, ...]:
    """Return how long the bytes of the ascending schedule take through each shared port [s].

    Parameters are those of `bounds`; the order is that of `simcore.models.network.ports.ports`.

    Examples
    --------
    >>> from simcore.models.network.topology import Port
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 16, port=Port("nic", 50e9)),) * 2)
    >>> [round(seconds, 5) for seconds in per_port(Collective.ALL_REDUCE, 17e9, tree, [16, 16])]
    [0.67734]
    """
    at = [range(p) for p in groups] if positions is None else positions
    return through_ports(topology, _volumes(collective, size, topology, groups, at))


def _volumes(
    collective: Collective, size: float, topology: Topology, groups: Sequence[int], at: Sequence[Sequence[int]]
) -> list[float]:
    """Return what one NPU sends into each dimension [B], what it forwards on a ring included."""
    parts = exchanged(topology, groups)
    volumes = list(traffic(collective, size, groups, parts))
    if collective is Collective.ALL_TO_ALL:
        for d, (dimension, members) in enumerate(zip(topology.dimensions, at, strict=True)):
            if len(members) > 1:
                volumes[d] = size * parts[d] / len(members) * exchange_load(dimension, members)[0]
    return volumes


def _crossing(block: Block, p: int) -> int:
    """Return the messages that limit an exchange among p NPUs, over the bandwidth of one."""
    return ring_crossings(p) if block is Block.RING else p - 1

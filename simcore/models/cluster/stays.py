"""Who is on which node from when to when, and on which of its GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from operator import attrgetter

from simcore.models.cluster.cluster import Node
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.pools import PARTS
from simcore.models.cluster.shared_pool import as_list

Parts = list[tuple[int, int]]
"""Stretches of a node's GPUs, in 1/1000 of a GPU from 0."""


@dataclass(frozen=True)
class Stay:
    """A job on a node, while neither changes.

    Attributes
    ----------
    row : int
        The job's, in the trace.
    node : int
        From 0, in the order of the cluster.
    gpus : int or float
        How many it holds there.
    start, end : float
        From, and until its GPUs are free again [s].
    slots : int
        Which GPUs of the node, as bits; 0 where it is not known.
    """

    row: int
    node: int
    gpus: float
    start: float
    end: float
    slots: int = 0


def stays(log: PlacementLog) -> list[Stay]:
    """Return all stays of a simulation, by time; none where the cluster has no nodes.

    A placement that another one replaces at the same instant was never held.

    Examples
    --------
    >>> log = PlacementLog(nodes=[((0, 2, 0),), ((1, 2, 0),)], release=[9.0])
    >>> log.time.extend([1.0, 5.0]), log.row.extend([0, 0])
    (None, None)
    >>> [(stay.node, stay.start, stay.end) for stay in stays(log)]
    [(0, 1.0, 5.0), (1, 5.0, 9.0)]
    """
    if not log.nodes:
        return []
    found: list[Stay] = []
    held: dict[int, int] = {}
    for entry, row in enumerate(log.row):
        if row in held:
            found += _until(log, held[row], log.time[entry])
        held[row] = entry
    for row, entry in held.items():
        found += _until(log, entry, log.release[row])
    return sorted(found, key=attrgetter("start", "row", "node"))


def _until(log: PlacementLog, entry: int, end: float) -> Iterator[Stay]:
    start = log.time[entry]
    if end > start:
        for node, gpus, slots in log.nodes[entry] or ():
            yield Stay(log.row[entry], node, gpus, start, end, slots)


def on_gpus(found: Sequence[Stay], nodes: Sequence[Node]) -> list[tuple[Stay, list[tuple[float, float]]]]:
    """Return which part of its node each stay has: GPUs as stretches from 0 to those of the node, the lowest free ones.

    The simulation knows how many GPUs of a node a job holds, and of most placements not which. A share lies within its
    GPU, in pieces where what is free there is.

    Examples
    --------
    >>> two = [Stay(0, 0, 1, 0.0, 4.0), Stay(1, 0, 1, 1.0, 2.0), Stay(2, 0, 1, 3.0, 5.0)]
    >>> [parts for _, parts in on_gpus(two, [Node("v100", 2)])]
    [[(0.0, 1.0)], [(1.0, 2.0)], [(1.0, 2.0)]]
    """
    free: list[Parts] = [[(0, PARTS * node.gpus)] for node in nodes]
    ends: list[tuple[float, int, int]] = []
    placed: list[tuple[Stay, Parts]] = []
    for number, stay in enumerate(found):
        while ends and ends[0][0] <= stay.start:
            _, node, gone = heappop(ends)
            free[node] = _joined([*free[node], *placed[gone][1]])
        mine = as_list(stay.slots) or range(nodes[stay.node].gpus)
        parts, free[stay.node] = _lowest(free[stay.node], round(PARTS * stay.gpus), mine)
        heappush(ends, (stay.end, stay.node, number))
        placed.append((stay, parts))
    return [(stay, [(low / PARTS, high / PARTS) for low, high in parts]) for stay, parts in placed]


def _lowest(free: Parts, wanted: int, gpus: Sequence[int]) -> tuple[Parts, Parts]:
    """Take so many parts of some GPUs from the lowest stretches; return what is taken and what is left."""
    taken: Parts = []
    for gpu in gpus:
        for low, high in free:
            first = max(low, PARTS * gpu)
            last = min(high, PARTS * (gpu + 1), first + wanted)
            if last > first:
                taken.append((first, last))
                wanted -= last - first
    return _joined(taken), _without(free, taken)


def _without(free: Parts, taken: Parts) -> Parts:
    """Return stretches without others that lie in them, both in order."""
    left: Parts = []
    for low, high in free:
        for first, last in taken:
            if low <= first < high:
                left.append((low, first))
                low = last
        left.append((low, high))
    return [(low, high) for low, high in left if low < high]


def _joined(parts: Parts) -> Parts:
    """Return stretches in order, those that touch as one."""
    joined: Parts = []
    for low, high in sorted(parts):
        if joined and joined[-1][1] == low:
            joined[-1] = joined[-1][0], high
        else:
            joined.append((low, high))
    return joined

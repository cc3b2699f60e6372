"""A collective of very many chunks that has an idle network for itself: a loop of its own, and no log.

It serves phases in the same order and at the same times as `simcore.models.network.simulation.servers` does. Chunks are
not told apart, so a phase costs one number in a queue, and what the phases took is summed up while they run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from simcore.models.network.collectives import Collective
from simcore.models.network.simulation.log import Ledger
from simcore.models.network.simulation.servers import ServedPhase

MANY = 4096
"""Chunks from which on a collective runs in this loop."""
Journey = tuple[tuple[ServedPhase, ...], int]
"""The phases of equal chunks that follow each other, and how many these are."""
Kind = tuple[int, Collective, float]
"""A dimension, an operation and its input [B]."""


@dataclass(frozen=True)
class Totals:
    """What a collective took, without its single phases.

    Attributes
    ----------
    end : float
        When its last chunk was done [s].
    kinds : dict of Kind to int
        How often each phase was served.
    occupied : tuple of float
        How long at least one chunk was under way in each dimension [s].
    """

    end: float
    kinds: dict[Kind, int]
    occupied: tuple[float, ...]


class _Line:
    """Phases by number, with what the loop needs of each."""

    def __init__(self, journeys: Sequence[Journey]) -> None:
        self.phases: list[ServedPhase] = []
        self.following: list[int] = []
        self.first: list[tuple[int, int]] = []
        for phases, count in journeys:
            start = len(self.phases)
            self.first.append((start, count))
            self.phases += phases
            self.following += [*range(start + 1, len(self.phases)), -1]


def run_alone(
    journeys: Sequence[Journey], dimensions: int, in_flight: int, ledger: Ledger, count: Callable[[], None] | None
) -> Totals:
    """Run all chunks on idle links that they share, and write down what they took.

    Parameters
    ----------
    journeys : sequence of Journey
        The chunks in the order in which they start.
    dimensions : int
        How many the network has.
    in_flight : int
        Chunk phases under way in a dimension at once.
    ledger : Ledger
        Where it is written down.
    count : callable, optional
        Told of each chunk that is done.
    """
    line = _Line(journeys)
    where = [phase.server.dimension for phase in line.phases]
    work, late = [phase.cost.work for phase in line.phases], [phase.cost.latency for phase in line.phases]
    served, queues = [0] * len(where), [deque[int]() for _ in range(dimensions)]
    under_way, free = [0] * dimensions, [0.0] * dimensions
    occupied, until = [0.0] * dimensions, [0.0] * dimensions
    events: list[tuple[float, int, int]] = []
    now, number = 0.0, 0

    def serve(phase: int, d: int) -> None:
        nonlocal number
        under_way[d] += 1
        served[phase] += 1
        start = free[d] if free[d] > now else now
        free[d] = start + work[phase]
        end = free[d] + late[phase]
        if end > until[d]:
            occupied[d] += end - (start if start > until[d] else until[d])
            until[d] = end
        number += 1
        heappush(events, (end, number, phase))

    for phase, chunks in line.first:
        d = where[phase]
        for _ in range(chunks):
            if under_way[d] < in_flight and not queues[d]:
                serve(phase, d)
            else:
                queues[d].append(phase)
    following = line.following
    while events:
        now, _, phase = heappop(events)
        d, after = where[phase], following[phase]
        if after >= 0:
            target = where[after]
            if under_way[target] < in_flight and not queues[target]:
                serve(after, target)
            else:
                queues[target].append(after)
        elif count is not None:
            count()
        under_way[d] -= 1
        if queues[d]:
            serve(queues[d].popleft(), d)
    _write(line.phases, served, ledger)
    kinds: dict[Kind, int] = {}
    for each, times in zip(line.phases, served, strict=True):
        kind = each.server.dimension, each.operation, each.size
        kinds[kind] = kinds.get(kind, 0) + times
    return Totals(now, kinds, tuple(occupied))


def _write(phases: Sequence[ServedPhase], served: Sequence[int], ledger: Ledger) -> None:
    """Write down what phases took that were served so often."""
    for each, times in zip(phases, served, strict=True):
        d, cost = each.server.dimension, each.cost
        ledger.busy[d] += times * cost.work
        ledger.sent[d] += times * cost.sent
        ledger.served[d] += times * (cost.work + cost.latency)
        ledger.latency[d] += times * each.latency
        ledger.phases += times
        ledger.events += times

"""What replicas send as some dimensions of the network see it: how late it is, and what it leaves free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from simcore.models.network.mapping import Axis
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.buckets import Piece, gathered_late, summed_late
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.orders import Kind
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.shared_weights import Run, gathers, gradient_bytes, sums
from simcore.models.training.parallel.stage import BlockTimes


class Queue(NamedTuple):
    """What a model chunk sends once an iteration, as some dimensions see it.

    Attributes
    ----------
    gathered, gathers : float
        When its first forward pass can start, after its first bucket starts to be gathered, see `gathered_late`, and
        what all its buckets take [s].
    summed, sums : float
        When its last sum ends, after the last turn that makes gradients, see `summed_late`, and what all of them
        take [s].
    forward, backward : float
        For how long collectives that compute waits for use the same links, in a turn of each kind [s]. Weight
        gradients have none.
    message : float
        For how long a message to the next stage uses them [s].
    """

    gathered: float
    gathers: float
    summed: float
    sums: float
    forward: float
    backward: float
    message: float


class View:
    """What replicas send as some dimensions see it.

    Parameters
    ----------
    dimensions : tuple of int
        Dimensions, from 0, and shared ports behind them: of `Placement.resources`.
    busy : bool
        Whether collectives of other groups take time of their links.

    Attributes
    ----------
    busy : bool
        As given.
    on : callable
        What collectives take there, one after the other [s].
    gathers, sums : list of float
        What those of a repetition of each section take [s].
    message : float
        For how long a message to the next stage uses the links [s].
    """

    def __init__(
        self, layout: Layout, placement: Placement, costs: Sequence[SectionCost], times: Sequence[BlockTimes],
        message: float, dimensions: tuple[int, ...], *, busy: bool,
    ) -> None:  # fmt: skip
        self.busy, self._seconds = busy, dict[tuple[bool, Kind], list[tuple[float, float]]]()

        def seconds(sent: Iterable[Communication]) -> float:
            return placement.seconds_on(dimensions, sent)

        self.on = seconds

        def used(one: PassCost) -> float:
            return seconds((*one.blocking, *(each for sent, _ in one.hidden for each in sent))) if busy else 0.0

        self._sizes = [gradient_bytes(layout, one) for one in costs]
        self.sums = [seconds(sums(layout, one)) for one in costs]
        self.gathers = [seconds(gathers(layout, one)) if layout.zero else 0.0 for one in costs]
        self._times = times
        own = [d for d in dimensions if any(placement.uses(axis)[d] for axis in (Axis.DATA, Axis.EXPERT_DATA))]
        self.message = placement.message_work(own, message) if layout.pp > 1 and layout.overlap else 0.0
        self._used = [(used(one.forward), used(one.input_gradient), used(one.core), used(one.again)) for one in costs]

    def seconds(self, layout: Layout, kind: Kind) -> Sequence[tuple[float, float]]:
        """Return for how long a repetition of each section leaves the links free [s], and the same recomputed."""
        key = layout.recompute is Recompute.FULL, kind
        if key not in self._seconds:
            self._seconds[key] = [
                _free(time, used, kind, full=key[0]) for time, used in zip(self._times, self._used, strict=True)
            ]
        return self._seconds[key]

    def queue(self, layout: Layout, chunk: Sequence[Run], *, apart: bool) -> Queue:
        """As of `Replicas`."""
        gathers = sum([times * self.gathers[section] for section, times, _ in chunk]) if layout.zero else 0.0
        sums = sum([times * self.sums[section] for section, times, _ in chunk])
        if not layout.overlap:
            return Queue(gathers, gathers, sums, sums, 0.0, 0.0, 0.0)
        gathered = -math.inf
        if layout.zero:
            free = self.seconds(layout, Kind.FORWARD)
            gathered = gathered_late([self._piece(one, free, self.gathers) for one in chunk], layout.bucket)
        free = self.seconds(layout, Kind.WEIGHT_GRADIENT if apart else Kind.BACKWARD)
        back = [self._piece(one, free, self.sums) for one in reversed(chunk)]
        forward, backward = self._of_others(layout, chunk) if self.busy else (0.0, 0.0)
        return Queue(gathered, gathers, summed_late(back, layout.bucket), sums, forward, backward, self.message)

    def _of_others(self, layout: Layout, chunk: Sequence[Run]) -> tuple[float, float]:
        """Return for how long turns use these links forward and backward [s]."""
        full, forward, backward = layout.recompute is Recompute.FULL, 0.0, 0.0
        for section, times, again in chunk:
            used = self._used[section]
            forward += times * used[0]
            backward += times * (used[1] + (used[2 + full] if again else 0.0))
        return forward, backward

    def _piece(self, one: Run, seconds: Sequence[tuple[float, float]], sent: Sequence[float]) -> Piece:
        return Piece(one.times, seconds[one.section][one.again], self._sizes[one.section], sent[one.section])


def _free(time: BlockTimes, used: Sequence[float], kind: Kind, *, full: bool) -> tuple[float, float]:
    """Return for how long a turn's repetition leaves links free [s], and the same where it is recomputed."""
    if kind is Kind.FORWARD:
        return (max(0.0, time.forward.total - used[0]),) * 2
    weights = time.backward.weight_gradient
    if kind is Kind.WEIGHT_GRADIENT:
        return weights, weights
    given = max(0.0, time.backward.total - (0.0 if kind is Kind.BACKWARD else weights) - used[1])
    again = time.full if full else time.selective
    return given, given + max(0.0, again.total - used[2 + full])

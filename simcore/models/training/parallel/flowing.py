"""What replicas send beside other collectives, as fluids on the dimensions that both use: turns, and what follows them.

A dimension by itself says the least that replicas add. It cannot say what one dimension waits for another one, or for
collectives that compute waits for. Here the passes of repetitions leave dimensions free for as long as they do, and
bytes go from one dimension to the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.counted import GRADIENTS
from simcore.models.training.parallel.fluid import Flow, Fluid, Leg, Window
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.orders import Kind
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.replica_views import View
from simcore.models.training.parallel.shared_weights import Run, gathers, gradient_bytes, sums

Ways = dict[Axis, list[Leg]]
"""By group, the way of what is sent there."""

SETTLED = 1e-6
"""Repetitions that differ by less than this share of their time are followed by equal ones."""


class FirstTurn(NamedTuple):
    """The first forward pass of a model chunk, which waits for its weights.

    Attributes
    ----------
    chunk : sequence of Run
        Its repetitions.
    before : Window
        The turns between that of the chunk before it and this one.
    """

    chunk: Sequence[Run]
    before: Window


class LastTurn(NamedTuple):
    """The last turn that makes gradients of a model chunk, and what comes before the next chunk's.

    Attributes
    ----------
    chunk : sequence of Run
        Its repetitions, in the order of the model.
    kind : Kind
        What it computes.
    after : Window
        What follows it.
    """

    chunk: Sequence[Run]
    kind: Kind
    after: Window


class Flowing:
    """What replicas of a layout send, as fluids; a queue of `Replicas` is a dimension here.

    Parameters
    ----------
    layout : Layout
        How the iteration is spread.
    placement : Placement
        Where its groups lie.
    costs : sequence of SectionCost
        Of the whole model.
    views : sequence of View
        The dimensions, innermost first.
    """

    def __init__(
        self, layout: Layout, placement: Placement, costs: Sequence[SectionCost], views: Sequence[View]
    ) -> None:  # fmt: skip
        self._placement, self._costs, self._views = placement, costs, views
        self._gathers = [self._ways(gathers(layout, cost)) if layout.zero else {} for cost in costs]
        self._sums = [self._ways(sums(layout, cost)) for cost in costs]
        self._sizes = [gradient_bytes(layout, cost) for cost in costs]
        self._windows: dict[tuple[int, bool, bool, Kind], tuple[Window, ...]] = {}

    def waits(self, layout: Layout, chunk: Sequence[Run], kind: Kind) -> float:
        """Return what a turn waits for gathers that start a repetition ahead, and for scatters after them [s].

        Parameters
        ----------
        layout : Layout
            What is recomputed.
        chunk : sequence of Run
            In the order of the turn.
        kind : Kind
            What it computes.
        """
        fluid, lost, scatters = Fluid(len(self._views)), 0.0, kind in GRADIENTS
        gathered = self._gathered(fluid, chunk[0].section, kind)
        for count, one, following in ahead(chunk):
            windows = self._of(layout, one, kind)
            settled, known = SETTLED * sum([window.seconds for window in windows]), [math.inf]
            for at in range(count):
                late = fluid.finish(gathered)
                lost += late
                gathered = self._gathered(fluid, following, kind)
                for window in windows:
                    fluid.run(window)
                if scatters and self._costs[one.section].path:
                    for legs in self._sums[one.section].values():
                        fluid.issue(legs)
                state = [late, *fluid.waiting()]
                if len(known) == len(state) and all(abs(a - b) <= settled for a, b in zip(state, known, strict=True)):
                    lost += (count - 1 - at) * late
                    break
                known = state
        if scatters:
            for one in chunk:
                for legs in self._sums[one.section].values() if not self._costs[one.section].path else ():
                    fluid.issue(legs)
        return lost + fluid.finish()

    def left(self, layout: Layout, turns: Sequence[LastTurn], messages: Sequence[float]) -> float:
        """Return when the last sum of a rank ends, after its last turn [s].

        Parameters
        ----------
        layout : Layout
            What is recomputed, and what fills a bucket.
        turns : sequence of LastTurn
            In the order of time.
        messages : sequence of float
            For how long the message after the last one takes each dimension [s].
        """
        fluid, sent = Fluid(len(self._views)), list[Flow]()
        for turn in turns:
            back = turn.chunk[::-1]
            full = self._buckets(layout, back, self._sums)
            for at, one in enumerate(_each(back)):
                for window in self._of(layout, one, turn.kind):
                    fluid.run(window)
                if at in full:
                    sent += map(fluid.issue, full[at][1].values())
            fluid.run(turn.after)
        for at, seconds in enumerate(messages):
            fluid.issue([Leg(at, seconds)], first=True)
        return fluid.finish(sent)

    def ready(self, layout: Layout, turns: Sequence[FirstTurn]) -> list[float]:
        """Return when the first forward pass of each of a rank's chunks can start, so that it waits no more [s].

        All weights are gathered from the start, in the order of the model.

        Parameters
        ----------
        layout : Layout
            What fills a bucket.
        turns : sequence of FirstTurn
            In the order of time and of the model.
        """
        fluid, gathered = Fluid(len(self._views)), list[dict[int, list[Flow]]]()
        for turn in turns:
            full = self._buckets(layout, turn.chunk, self._gathers)
            gathered.append({first: list(map(fluid.issue, ways.values())) for first, ways in full.values()})
        now, found = 0.0, list[float]()
        for turn, flows in zip(turns, gathered, strict=True):
            fluid.run(turn.before)
            now += turn.before.seconds
            for at, one in enumerate(_each(turn.chunk)):
                now += fluid.finish(flows.get(at, ()))
                for window in self._of(layout, one, Kind.FORWARD):
                    fluid.run(window)
            found.append(now)
            now += self.seconds(layout, turn.chunk, Kind.FORWARD)
        return found

    def _buckets(self, layout: Layout, chunk: Sequence[Run], ways: Sequence[Ways]) -> dict[int, tuple[int, Ways]]:
        """Return by the last repetition in each bucket the first one, and the ways of its bytes."""
        found, bucket, filled, first = dict[int, tuple[int, Ways]](), Ways(), 0.0, 0
        for at, one in enumerate(_each(chunk)):
            for axis, legs in ways[one.section].items():
                bucket[axis] = _longer(bucket.get(axis), legs)
            filled += self._sizes[one.section]
            if filled >= layout.bucket:
                found[at] = first, bucket
                bucket, filled, first = Ways(), 0.0, at + 1
        if bucket:
            found[sum([one.times for one in chunk]) - 1] = first, bucket
        return found

    def seconds(self, layout: Layout, turn: Sequence[Run], kind: Kind) -> float:
        """Return what a turn takes without what replicas send [s]."""
        return sum([one.times * sum([each.seconds for each in self._of(layout, one, kind)]) for one in turn])

    def _gathered(self, fluid: Fluid, section: int | None, kind: Kind) -> list[Flow]:
        if kind is Kind.WEIGHT_GRADIENT or section is None or not self._costs[section].path:
            return []
        return list(map(fluid.issue, self._gathers[section].values()))

    def _ways(self, sent: Iterable[Communication]) -> Ways:
        return {one.axis: self._legs(one) for one in sent}

    def _legs(self, sent: Communication) -> list[Leg]:
        """Return the way of a collective: sums go outwards, gathered weights come inwards, an all-reduce does both."""
        legs = [Leg(at, view.on((sent,))) for at, view in enumerate(self._views)]
        legs = [leg for leg in legs if leg.seconds > 0]
        if sent.collective is Collective.ALL_GATHER:
            return legs[::-1]
        if sent.collective is Collective.REDUCE_SCATTER:
            return legs
        half = [Leg(at, seconds / 2) for at, seconds in legs[:-1]]
        return [*half, *legs[-1:], *half[::-1]]

    def _of(self, layout: Layout, one: Run, kind: Kind) -> tuple[Window, ...]:
        """Return the parts of a repetition."""
        full = layout.recompute is Recompute.FULL
        key = one.section, one.again, full, kind
        if key not in self._windows:
            cost, passes = self._costs[one.section], list[PassCost]()
            if kind is Kind.FORWARD:
                passes.append(cost.forward)
            elif kind is not Kind.WEIGHT_GRADIENT:
                passes += [cost.again if full else cost.core] if one.again else []
                passes.append(cost.input_gradient)
            if kind in GRADIENTS:
                passes.append(cost.weight_gradient)
            self._windows[key] = tuple(_joined(window for each in passes for window in self._of_pass(each)))
        return self._windows[key]

    def _of_pass(self, cost: PassCost) -> Iterator[Window]:
        left, whole = cost.kernels, (1.0,) * len(self._views)
        for sent, kernels in cost.hidden:
            spent, beside = sum(map(self._placement.seconds, sent)), min(left, kernels)
            yield Window(spent, self._free(sent, spent))
            yield Window(beside - spent, whole)
            left -= beside
        yield Window(left, whole)
        for each in cost.blocking:
            spent = self._placement.seconds(each)
            yield Window(spent, self._free((each,), spent))

    def _free(self, sent: Iterable[Communication], seconds: float) -> tuple[float, ...]:
        """Return the share of each dimension that collectives leave free, which take so long together [s]."""
        each = tuple(sent)
        return tuple(max(0.0, 1 - view.on(each) / seconds) if view.busy and seconds else 1.0 for view in self._views)


def ahead(chunk: Sequence[Run]) -> Iterator[tuple[int, Run, int | None]]:
    """Yield runs of one repetition or of many, with the section whose gather is issued as each of them starts.

    Examples
    --------
    >>> [(count, following) for count, _, following in ahead([Run(0, 1, False), Run(1, 4, False)])]
    [(1, 1), (3, 1), (1, None)]
    """
    for at, one in enumerate(chunk):
        if one.times > 1:
            yield one.times - 1, one, one.section
        yield 1, one, chunk[at + 1].section if at + 1 < len(chunk) else None


def _joined(windows: Iterable[Window]) -> Iterator[Window]:
    """Yield windows, equal ones that follow each other as one, and none that takes no time."""
    seconds, free = 0.0, tuple[float, ...]()
    for window in windows:
        if window.seconds <= 0:
            continue
        if window.free != free and seconds > 0:
            yield Window(seconds, free)
            seconds = 0.0
        seconds, free = seconds + window.seconds, window.free
    if seconds > 0:
        yield Window(seconds, free)


def _each(chunk: Sequence[Run]) -> Iterator[Run]:
    """Yield the run of each repetition."""
    return (one for one in chunk for _ in range(one.times))


def _longer(known: list[Leg] | None, legs: list[Leg]) -> list[Leg]:
    if known is None:
        return legs
    return [Leg(a.dimension, a.seconds + b.seconds) for a, b in zip(known, legs, strict=True)]

"""What GPUs that hold the same weights send each other: sums of gradients, gathered weights, and what of it is exposed.

Without ZeRO-3 gradients are summed bucket by bucket while the last micro-batch goes back: a bucket leaves when the
repetition that fills it has gone back. ZeRO-1 and 2 gather the updated weights in the same buckets while the first
micro-batch of the next iteration goes forward, and a bucket's repetitions wait for it. ZeRO-3 gathers the weights of
each repetition one ahead in both passes of every micro-batch, and reduce-scatters its gradients when it has gone back;
what stands around the blocks is gathered before a forward pass and stays until its backward pass ends, as FSDP2 keeps
its root.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import NamedTuple

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.orders import FOLDED
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.stage import BlockTimes, Held, Seconds, recomputed

SHARDED = 3
"""Stage of ZeRO that shards weights."""


class Run(NamedTuple):
    """Equal repetitions of a section in a model chunk.

    Attributes
    ----------
    section : int
        Index in the model's list.
    times : int
        Repetitions.
    again : bool
        Whether they are recomputed.
    """

    section: int
    times: int
    again: bool


def runs_of(layout: Layout, chunk: Sequence[Held], sections: Sequence[SectionCost]) -> Iterator[Run]:
    """Yield the repetitions of a chunk in the order of the model, those that are recomputed apart."""
    for held, again in recomputed(layout, chunk, sections):
        if again:
            yield Run(held.section, again, True)
        if held.count > again:
            yield Run(held.section, held.count - again, False)


def sums(layout: Layout, cost: SectionCost) -> tuple[Communication, ...]:
    """Return what sums the gradients of one repetition over the GPUs that hold the same weights.

    Examples
    --------
    >>> from simcore.models.training.parallel.costs import PassCost
    >>> idle = PassCost()
    >>> block = SectionCost("block", 1, idle, idle, idle, idle, dense=1e6, experts=0.0)
    >>> [(one.collective.value, one.size) for one in sums(Layout(dp=4), block)]
    [('all-reduce', 4000000.0)]
    """
    collective = Collective.REDUCE_SCATTER if layout.zero else Collective.ALL_REDUCE
    size = layout.number_format.gradient
    return tuple(Communication(collective, size * parameters, axis) for axis, parameters, _ in _owned(layout, cost))


def gathers(layout: Layout, cost: SectionCost) -> tuple[Communication, ...]:
    """Return what gathers the weights of one repetition from their shards."""
    size = layout.number_format.element
    return tuple(
        Communication(Collective.ALL_GATHER, size * parameters / group, axis)
        for axis, parameters, group in _owned(layout, cost)
    )


def _owned(layout: Layout, cost: SectionCost) -> Iterator[tuple[Axis, float, int]]:
    """Yield the groups that sum gradients, with the parameters that they share and their sizes."""
    dense, experts = (cost.dense, cost.experts) if layout.ep > 1 else (cost.dense + cost.experts, 0.0)
    for axis, parameters, group in (
        (Axis.DATA, dense, layout.replicas), (Axis.EXPERT_DATA, experts, layout.replicas // layout.ep),
    ):  # fmt: skip
        if parameters and group > 1:
            yield axis, parameters, group


def gradient_bytes(layout: Layout, cost: SectionCost) -> float:
    """Return the gradients of one repetition [B]: they fill buckets."""
    return layout.number_format.gradient * (cost.dense + cost.experts)


class Piece(NamedTuple):
    """Equal repetitions, each with what it sends.

    Attributes
    ----------
    times : int
        Repetitions.
    seconds : float
        What one takes in its pass [s].
    size : float
        Its gradients [B].
    sent : float
        What its collective takes [s].
    """

    times: int
    seconds: float
    size: float
    sent: float


def summed_late(pieces: Sequence[Piece], bucket: float) -> float:
    """Return what sums of gradients add to a backward pass [s]: when the last one ends, after the pass.

    Parameters
    ----------
    pieces : sequence of Piece
        In the order of the backward pass.
    bucket : float
        A bucket leaves when it holds so many bytes [B].

    Examples
    --------
    >>> summed_late([Piece(4, 2.0, 10.0, 1.0)], 10.0), summed_late([Piece(4, 2.0, 10.0, 3.0)], 10.0)
    (1.0, 6.0)
    >>> summed_late([Piece(4, 2.0, 10.0, 1.0)], 20.0)
    2.0
    """
    now = free = filled = waiting = 0.0
    for count, seconds, size, sent in pieces:
        if size >= bucket and not filled:  # each repetition is a bucket: the first or the last one decides
            steady = max(seconds + count * sent, count * seconds + sent)
            free = max(free + count * sent, now + steady)
            now += count * seconds
            continue
        for _ in range(count):
            now += seconds
            filled += size
            waiting += sent
            if filled >= bucket:
                free = max(free, now) + waiting
                filled = waiting = 0.0
    if waiting:
        free = max(free, now) + waiting
    return max(0.0, free - now)


def gathered_late(pieces: Sequence[Piece], bucket: float) -> float:
    """Return what gathering weights adds to a forward pass before which all of it starts [s].

    Parameters
    ----------
    pieces : sequence of Piece
        In the order of the forward pass.
    bucket : float
        A bucket is full with the gradients of so many bytes [B].

    Examples
    --------
    >>> gathered_late([Piece(4, 2.0, 10.0, 1.0)], 10.0), gathered_late([Piece(4, 2.0, 10.0, 3.0)], 10.0)
    (1.0, 6.0)
    """
    now = start = sent_by_now = filled = late = 0.0
    for count, seconds, size, sent in pieces:
        if size >= bucket and not filled:
            late = max(late, sent_by_now + sent - now, sent_by_now + count * sent - now - (count - 1) * seconds)
            sent_by_now += count * sent
            now += count * seconds
            start = now
            continue
        for _ in range(count):
            filled += size
            sent_by_now += sent
            now += seconds
            if filled >= bucket:
                late, start, filled = max(late, sent_by_now - start), now, 0.0
    return max(late, sent_by_now - start) if filled else late


class Exposed(NamedTuple):
    """What replicas add to an iteration or to a pass: to its forward part, and to its backward part [s]."""

    forward: float
    backward: float


SPLIT = frozenset({"zero-bubble", *FOLDED})
"""Orders whose weight gradients are turns of their own, in which sums of gradients start."""


def turns_between(layout: Layout) -> int:
    """Return the turns of a rank between the last of one chunk and that of the next one, where all are of one kind.

    Examples
    --------
    >>> turns_between(Layout(pp=4, vp=2, micro_batches=8, order="interleaved"))
    3
    """
    if layout.order == "looped":
        return layout.micro_batches - 1
    return layout.micro_batches // layout.pipelined.rounds - 1 if layout.order == "interleaved" else 0


class Replicas:
    """What replicas of a layout send, in seconds on its network.

    Collectives that compute waits for go first on links that both use. Each dimension that they share is looked at by
    itself, and all others together; the one that is late decides.

    Parameters
    ----------
    layout : Layout
        How the iteration is spread.
    placement : Placement
        Where its groups lie.
    costs : sequence of SectionCost
        Of the whole model.
    times : sequence of BlockTimes
        What repetitions take without what replicas send.
    """

    def __init__(
        self, layout: Layout, placement: Placement, costs: Sequence[SectionCost], times: Sequence[BlockTimes]
    ) -> None:
        others = (
            (Axis.TENSOR, layout.tp), (Axis.CONTEXT, layout.cp), (Axis.EXPERT, layout.ep),
        )  # fmt: skip
        self._layout = layout
        axes = (Axis.DATA, Axis.EXPERT_DATA) if layout.ep > 1 else (Axis.DATA,)
        shared = placement.shared(axes, [axis for axis, degree in others if degree > 1]) if layout.overlap else ()
        apart = range(len(placement.bandwidths)) if layout.ep > 1 else shared  # two groups may lie in two dimensions
        alone = tuple(d for d in range(len(placement.bandwidths)) if d not in apart)
        self._views = [_View(layout, placement, costs, times, (d,), busy=d in shared) for d in apart]
        if alone:
            self._views.append(_View(layout, placement, costs, times, alone, busy=False))

    def on(self, layout: Layout) -> Replicas:
        """Return the replicas of another layout that sends as much on the same links: its orders may differ."""
        other = copy(self)
        other._layout = layout
        return other

    def of_iteration(self, chunks: Sequence[Sequence[Run]]) -> Exposed:
        """Return what a rank waits for once an iteration, without ZeRO-3 [s].

        Parameters
        ----------
        chunks : sequence of sequence of Run
            The repetitions of its model chunks, in the order of the model.
        """
        return _latest([view.of_iteration(self._layout, chunks) for view in self._views])

    def of_pass(self, chunk: Sequence[Run]) -> Exposed:
        """Return what the passes of a chunk on each micro-batch wait for, with ZeRO-3 [s].

        With gathers of 3 s and forward passes of 2 s, four repetitions wait for 3 + 3 (3 - 2) s. Backward a repetition
        hides the next one's gather and the scatter of the one before it.
        """
        return _latest([view.of_pass(self._layout, chunk) for view in self._views])


def _latest(views: Sequence[Exposed]) -> Exposed:
    return Exposed(*map(max, zip(*views, strict=True))) if len(views) > 1 else views[0]


class _View:
    """What replicas send as some dimensions see it; parameters as of `Replicas`.

    Parameters
    ----------
    dimensions : tuple of int
        Dimensions, from 0.
    busy : bool
        Whether collectives of other groups take time of their links.
    """

    def __init__(
        self, layout: Layout, placement: Placement, costs: Sequence[SectionCost], times: Sequence[BlockTimes],
        dimensions: tuple[int, ...], *, busy: bool,
    ) -> None:  # fmt: skip
        self.costs = costs
        split = layout.pp > 1 and layout.order in SPLIT and layout.zero < SHARDED

        def seconds(sent: Iterable[Communication]) -> float:
            return placement.seconds_on(dimensions, sent)

        def free(pass_seconds: float, one: PassCost) -> float:
            if not busy:
                return pass_seconds
            hidden = (each for sent, _ in one.hidden for each in sent)
            return max(0.0, pass_seconds - seconds((*one.blocking, *hidden)))

        self._sizes = [gradient_bytes(layout, one) for one in costs]
        self._sums = [seconds(sums(layout, one)) for one in costs]
        self._gathers = [seconds(gathers(layout, one)) if layout.zero else 0.0 for one in costs]
        self._there = [free(time.forward.total, cost.forward) for time, cost in zip(times, costs, strict=True)]
        back = [
            time.backward.weight_gradient if split else free(time.backward.total, cost.input_gradient)
            for time, cost in zip(times, costs, strict=True)
        ]

        def slowed(again: Iterable[Seconds], passed: Iterable[PassCost]) -> list[tuple[float, float]]:
            each = zip(back, again, passed, strict=True)
            return [(one, one if split else one + free(time.total, cost)) for one, time, cost in each]

        self._selective = slowed((one.selective for one in times), (one.core for one in costs))
        self._full = slowed((one.full for one in times), (one.again for one in costs))

    def of_iteration(self, layout: Layout, chunks: Sequence[Sequence[Run]]) -> Exposed:
        """As of `Replicas`."""
        if not layout.overlap:
            count = [(one.times, one.section) for chunk in chunks for one in chunk]
            return Exposed(*(math.fsum(n * of[i] for n, i in count) for of in (self._gathers, self._sums)))
        there, back = list[Piece](), list[Piece]()
        between, slow = turns_between(layout), self._backward(layout)
        for chunk in chunks if layout.zero else ():
            here = [self._piece(one, self._there[one.section], self._gathers) for one in chunk]
            there += [*here, *_silent(between, here)]
        for chunk in reversed(chunks):
            here = [self._piece(one, slow[one.section][one.again], self._sums) for one in reversed(chunk)]
            back += [*(_silent(between, here) if back else ()), *here]
        return Exposed(gathered_late(there, layout.bucket), summed_late(back, layout.bucket))

    def of_pass(self, layout: Layout, chunk: Sequence[Run]) -> Exposed:
        """As of `Replicas`."""
        around = [one for one in chunk if not self.costs[one.section].path]
        root_gather, root_sum = (
            math.fsum(one.times * of[one.section] for one in around) for of in (self._gathers, self._sums)
        )
        blocks = [one for one in chunk if self.costs[one.section].path]
        if not layout.overlap:
            gather, scatter = (
                math.fsum(one.times * of[one.section] for one in blocks) for of in (self._gathers, self._sums)
            )
            return Exposed(root_gather + gather, gather + scatter + root_sum)
        slow = self._backward(layout)
        there = [(*each, self._there[each[1].section], 0.0) for each in self._ahead(chunk)]
        back = [(*each, slow[each[1].section][each[1].again], self._sums[each[1].section])
                for each in self._ahead(chunk[::-1])]  # fmt: skip
        return Exposed(root_gather + self._walked(there), self._walked(back) + root_sum)

    def _ahead(self, chunk: Sequence[Run]) -> Iterator[tuple[int, Run, float]]:
        """Yield runs of one repetition or of many with the gather that is issued as each of them starts [s]."""
        gathers = [self._gathers[one.section] if self.costs[one.section].path else 0.0 for one in chunk]
        for at, (one, gather) in enumerate(zip(chunk, gathers, strict=True)):
            if one.times > 1:
                yield one.times - 1, one, gather
            yield 1, one, gathers[at + 1] if at + 1 < len(chunk) else 0.0

    def _walked(self, chunk: Sequence[tuple[int, Run, float, float, float]]) -> float:
        """Return what a pass waits for gathers that start a repetition ahead, and for scatters after them [s]."""
        first = chunk[0][1].section
        lost = self._gathers[first] if self.costs[first].path else 0.0
        queued = 0.0  # what is left of scatters when a repetition starts
        for count, one, gather, seconds, sent in chunk:
            scatter = sent if self.costs[one.section].path else 0.0
            for at in range(min(count, 2)):
                times = count - 1 if at else 1
                late = max(0.0, queued + gather - seconds) if gather else 0.0
                queued = (0.0 if gather else max(0.0, queued - seconds)) + scatter
                lost += times * late
        return lost + queued

    def _piece(self, one: Run, seconds: float, sent: Sequence[float]) -> Piece:
        return Piece(one.times, seconds, self._sizes[one.section], sent[one.section])

    def _backward(self, layout: Layout) -> Sequence[tuple[float, float]]:
        """Return the backward pass of each section, and the same with what is recomputed."""
        return self._full if layout.recompute is Recompute.FULL else self._selective


def _silent(times: int, pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Yield the same turns on other micro-batches, in which nothing is sent."""
    if times:
        yield Piece(1, times * sum(one.times * one.seconds for one in pieces), 0.0, 0.0)

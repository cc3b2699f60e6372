"""What GPUs that hold the same weights send each other: sums of gradients, gathered weights, and what of it is exposed.

Without ZeRO-3 gradients are summed bucket by bucket while the last micro-batch goes back: a bucket leaves when the
repetition that fills it has gone back. Each model chunk has buckets of its own. ZeRO-1 and 2 gather the updated weights
in the same buckets while the first micro-batch of the next iteration goes forward, and a bucket's repetitions wait for
it. ZeRO-3 gathers the weights of each repetition one ahead in both passes of every micro-batch, and reduce-scatters its
gradients when it has gone back; what stands around the blocks is gathered before a forward pass and stays until its
backward pass ends, as FSDP2 keeps its root.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from simcore.models.network.mapping import Axis
from simcore.models.training.parallel.buckets import left_after
from simcore.models.training.parallel.costs import SectionCost
from simcore.models.training.parallel.counted import GRADIENTS
from simcore.models.training.parallel.flowing import Flowing, ahead
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.orders import FOLDED, Kind
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.replica_views import Queue, View
from simcore.models.training.parallel.shared_weights import Run
from simcore.models.training.parallel.stage import BlockTimes


class Waits(NamedTuple):
    """What the turns of a model chunk wait for replicas with ZeRO-3, on each micro-batch [s].

    Attributes
    ----------
    forward, input_gradient, weight_gradient, backward : float
        Of each kind of turn; the last is of one that makes both gradients.
    alone : tuple of float
        How late their first collectives may start where messages use their links, see
        `simcore.models.training.parallel.stages.StageTimes`. Empty where messages use others.
    """

    forward: float
    input_gradient: float
    weight_gradient: float
    backward: float
    alone: tuple[float, float, float, float] | tuple[()] = ()


SPLIT = frozenset({"zero-bubble", *FOLDED})
"""Orders whose weight gradients are turns of their own, in which sums of gradients start."""


class Replicas:
    """What replicas of a layout send, in seconds on its network.

    Collectives that compute waits for go first on links that both use. Each dimension that they share is a queue of its
    own, and so are all others together; a repetition waits for the one that is late. Bytes that fill buckets are those
    of one model chunk.

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
    message : float
        What a GPU hands to the next stage [B].
    """

    def __init__(
        self, layout: Layout, placement: Placement, costs: Sequence[SectionCost], times: Sequence[BlockTimes],
        message: float,
    ) -> None:  # fmt: skip
        others = (
            (Axis.TENSOR, layout.tp), (Axis.CONTEXT, layout.cp), (Axis.EXPERT, layout.ep),
        )  # fmt: skip
        self._costs, self._times = costs, times
        axes = (Axis.DATA, Axis.EXPERT_DATA) if layout.ep > 1 else (Axis.DATA,)
        self._beside = layout.pp > 1 and not placement.beside_messages.isdisjoint(axes)
        shared = placement.shared(axes, [axis for axis, degree in others if degree > 1]) if layout.overlap else ()
        apart = placement.resources if layout.ep > 1 else shared  # two groups may lie in two dimensions
        alone = tuple(d for d in placement.resources if d not in apart)
        self._views = [View(layout, placement, costs, times, message, (d,), busy=d in shared) for d in apart]
        if alone:
            self._views.append(View(layout, placement, costs, times, message, alone, busy=False))
        self.flowing = Flowing(layout, placement, costs, self._views) if len(self._views) > 1 else None
        self._queues: dict[tuple[int, float, Recompute, bool, bool], tuple[Queue, ...]] = {}
        self._waits: dict[tuple[int, Recompute, bool, bool], Waits] = {}

    def queues(self, layout: Layout, chunk: Sequence[Run], *, apart: bool) -> tuple[Queue, ...]:
        """Return what a model chunk sends once an iteration, without ZeRO-3, as each queue sees it.

        Parameters
        ----------
        layout : Layout
            One that sends as much on the same links; its orders may differ.
        chunk : sequence of Run
            Its repetitions, which must be kept as long as this object.
        apart : bool
            Whether the last turn that makes gradients makes those of weights alone.
        """
        key = id(chunk), layout.bucket, layout.recompute, layout.overlap, apart
        if key not in self._queues:
            self._queues[key] = tuple(view.queue(layout, chunk, apart=apart) for view in self._views)
        return self._queues[key]

    def of_pass(self, layout: Layout, chunk: Sequence[Run]) -> Waits:
        """Return what the turns of a chunk on each micro-batch wait for, with ZeRO-3 [s]; parameters as of `queues`.

        With gathers of 3 s and forward passes of 2 s, four repetitions wait for 3 + 3 (3 - 2) s. Backward a repetition
        hides the next one's gather and the scatter of the one before it. A turn of weight gradients hides scatters
        alone.
        """
        split = layout.pp > 1 and layout.order in SPLIT
        key = id(chunk), layout.recompute, layout.overlap, split
        if key not in self._waits:
            self._waits[key] = self._of_pass(layout, chunk, split=split)
        return self._waits[key]

    def _of_pass(self, layout: Layout, chunk: Sequence[Run], *, split: bool) -> Waits:
        around = [one for one in chunk if not self._costs[one.section].path]
        root = max(math.fsum(one.times * view.gathers[one.section] for one in around) for view in self._views)
        there = root + self._walked(layout, chunk, Kind.FORWARD)
        back = chunk[::-1]
        together = self._walked(layout, back, Kind.BACKWARD)
        given = weights = 0.0
        if split:
            given, weights = (self._walked(layout, back, kind) for kind in (Kind.INPUT_GRADIENT, Kind.WEIGHT_GRADIENT))
        return Waits(there, given, weights, together, self._alone(layout, back, weights) if self._beside else ())

    def _walked(self, layout: Layout, chunk: Sequence[Run], kind: Kind) -> float:
        """Return what a turn waits for gathers that start a repetition ahead, and for scatters after them [s].

        Parameters
        ----------
        layout : Layout
            What is recomputed, and whether anything overlaps.
        chunk : sequence of Run
            In the order of the turn.
        kind : Kind
            What it computes.
        """
        if not layout.overlap:
            return self._one_by_one(chunk, kind)
        if self.flowing is not None:
            return self.flowing.waits(layout, chunk, kind)
        (view,), scatters = self._views, kind in GRADIENTS
        lost = self._first_gather(chunk) if kind is not Kind.WEIGHT_GRADIENT else 0.0
        seconds, queued = view.seconds(layout, kind), 0.0  # what is left of scatters when a repetition starts
        for count, one, following in ahead(chunk):
            sent = view.sums[one.section] if scatters and self._costs[one.section].path else 0.0
            spent = seconds[one.section][one.again]
            if kind is Kind.WEIGHT_GRADIENT or following is None or not self._costs[following].path:
                queued = left_after(queued, sent, spent, count)
                continue
            gathered = view.gathers[following]
            lost += max(0.0, queued + gathered - spent) + (count - 1) * max(0.0, sent + gathered - spent)
            queued = sent
        around = [one for one in chunk if scatters and not self._costs[one.section].path]
        return lost + queued + math.fsum(one.times * view.sums[one.section] for one in around)

    def _alone(self, layout: Layout, back: Sequence[Run], waited: float) -> tuple[float, float, float, float]:
        """Return how late the first collective of each turn may start, as of `Waits` [s].

        A forward pass starts with a gather. A backward pass does so but for what stands around the blocks, behind which
        it gathers the first block's weights. Scatters of a turn of weight gradients, which `waited` for them, may start
        so late that the links of messages are busy with them up to its end.
        """
        turn = waited + math.fsum(one.times * self._times[one.section].backward.weight_gradient for one in back)
        sums = max(
            [math.fsum(one.times * view.sums[one.section] for one in back) for view in self._views if view.message],
            default=-math.inf,
        )
        scattered = max(0.0, turn - sums)
        first = next((at for at, one in enumerate(back) if self._costs[one.section].path), None)
        if first is None:
            return 0.0, math.inf, math.inf, scattered
        gather = self._first_gather(back[first:]) if layout.overlap else 0.0
        times = [(one.times, self._times[one.section].backward) for one in back[:first]]
        both = math.fsum(count * each.total for count, each in times)
        given = both - math.fsum(count * each.weight_gradient for count, each in times)
        return 0.0, max(0.0, given - gather), max(0.0, both - gather), scattered

    def _one_by_one(self, chunk: Sequence[Run], kind: Kind) -> float:
        """Return what a turn waits for where nothing overlaps [s]."""
        gathers, scatters = kind is not Kind.WEIGHT_GRADIENT, kind in GRADIENTS
        return max(
            math.fsum(
                times * (view.gathers[section] * (gathers and bool(self._costs[section].path))
                         + view.sums[section] * scatters)
                for section, times, _ in chunk
            )
            for view in self._views
        )  # fmt: skip

    def _first_gather(self, chunk: Sequence[Run]) -> float:
        """Return what the first repetition waits for its weights, which nothing hides [s]."""
        first = chunk[0].section
        return max(view.gathers[first] for view in self._views) if self._costs[first].path else 0.0

"""A layout's iteration as a function of the bandwidths, for the bandwidth optimiser: convex, and without latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.network.transfers import transfer_legs
from simcore.models.training.closed_form import StepModel, Streams
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, messages
from simcore.models.training.parallel.layout import Layout, Recompute, total_blocks
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.stage import chunks_of, chunks_of_ranks, recomputed
from simcore.models.training.workload import Pass, Phase


def step_model(evaluator: Evaluator, layout: Layout) -> StepModel:
    """Return the iteration time of a layout as a function of the bandwidths.

    It is what `Evaluator.evaluate` gives on links without latency, with two differences that keep it convex. Sums of
    gradients hide behind kernels alone, not behind the collectives between them; so it is never below. The busiest
    pipeline rank is that of the bandwidths that the evaluator's machine has.

    Parameters
    ----------
    evaluator : Evaluator
        Of the model on a network.
    layout : Layout
        How the iteration is spread; its order must have a closed form.

    Raises
    ------
    InputError
        As `Evaluator.evaluate`.
    """
    return _Compiling(evaluator, layout).run()


class _Compiling:
    """The terms of a step model while they are gathered."""

    def __init__(self, evaluator: Evaluator, layout: Layout) -> None:
        self.evaluator, self.layout = evaluator, layout
        self.evaluation: Evaluation = evaluator.evaluate(layout)
        self.placement: Placement = evaluator.placement(layout)
        self.costs: Sequence[SectionCost] = evaluator.costs(layout)
        self.streams = Streams(self.placement.groups)
        self.fixed = self.compute = 0.0
        self.sent: list[tuple[int, int, float]] = []
        self.terms: dict[tuple[int, float, float, int, float], float] = {}

    def run(self) -> StepModel:
        """Gather all terms."""
        for section, (passed, again) in self._times().items():
            self._section(self.costs[section], passed, again)
        self._gradients()
        self._spend(self.evaluation.parts["optimizer"])
        self._messages()
        finished = self.streams.finished()
        blocking = np.zeros((3, len(finished)))
        for row, stream, volume in self.sent:
            blocking[row, stream] += volume
        terms = list(self.terms)
        return StepModel(
            streams=finished,
            shapes=np.array([one.shape for one in finished]).reshape(len(finished), len(self.placement.groups.tp)),
            compute=self.compute,
            fixed=self.fixed,
            blocking=blocking,
            input_volume=np.array([term[1] for term in terms]),
            weight_compute=np.array([term[2] for term in terms]),
            weight_volume=np.array([term[4] for term in terms]),
            count=np.array([self.terms[term] for term in terms], dtype=float),
            input_stream=np.array([term[0] for term in terms], dtype=np.intp),
            weight_stream=np.array([term[3] for term in terms], dtype=np.intp),
        )

    def _times(self) -> Mapping[int, tuple[float, float]]:
        """Return how often an iteration runs a repetition of each section, and recomputes it.

        The busiest rank does so for each micro-batch. What the others do for one of them is the bubble.
        """
        layout = self.layout
        cut = chunks_of(self.costs, layout.chunk_layers(total_blocks(self.evaluator.model)))
        ranks = chunks_of_ranks(layout)
        spent = [
            sum(self.evaluation.chunks[chunk].forward.total + self.evaluation.chunks[chunk].backward.total
                for chunk in own)
            for own in ranks
        ]  # fmt: skip
        busiest = max(range(len(spent)), key=spent.__getitem__)
        times: dict[int, tuple[float, float]] = {}
        for rank, own in enumerate(ranks):
            weight = layout.micro_batches if rank == busiest else 1.0 / layout.vp
            for chunk in own:
                for held, again in recomputed(layout, cut[chunk], self.costs):
                    passed, repeated = times.get(held.section, (0.0, 0.0))
                    times[held.section] = passed + weight * held.count, repeated + weight * again
        return times

    def _section(self, cost: SectionCost, passed: float, again: float) -> None:
        """Add a section: its kernels, and its collectives in both passes."""
        full = self.layout.recompute is Recompute.FULL
        repeated = cost.forward.kernels if full else cost.core.kernels
        self._spend(passed * (cost.forward.kernels + cost.input_gradient.kernels + cost.weight_gradient.kernels))
        self._spend(again * repeated)
        self._send(0, cost.forward, passed + (again if full else 0.0))
        self._send(1, cost.input_gradient, passed)

    def _spend(self, seconds: float) -> None:
        self.fixed += seconds
        self.compute += seconds

    def _send(self, row: int, cost: PassCost, times: float) -> None:
        """Add the collectives of a pass, which runs so many times."""
        for sent in cost.blocking:
            stream, volume = self._stream(sent)
            if volume and times:
                self.streams.volumes[stream] += (times - 1) * volume
                self.sent.append((row, stream, times * volume))
        beside: dict[tuple[int, float], float] = {}
        for sent, kernels in cost.hidden:
            stream, volume = self._stream(sent)
            if volume and times:
                self.streams.volumes[stream] += (times - 1) * volume
                beside[stream, kernels] = beside.get((stream, kernels), 0.0) + volume
        for (stream, kernels), volume in beside.items():
            self._overlap(stream, volume, kernels, 0.0, times)

    def _stream(self, sent: Communication) -> tuple[int, float]:
        return self.streams.add(Phase(0.0, sent.collective, sent.size, sent.axis), Pass.FORWARD)

    def _overlap(self, stream: int, volume: float, kernels: float, rest: float, times: float) -> None:
        """Add ``times max(volume r, kernels + rest r)``, the kernels of which are spent already."""
        key = stream, volume, kernels, stream, rest
        self.terms[key] = self.terms.get(key, 0.0) + times
        self.fixed -= times * kernels

    def _gradients(self) -> None:
        """Add sums of gradients and gathered weights, as `simcore.models.training.parallel.evaluation` counts them."""
        layout, form = self.layout, self.layout.number_format
        rank = max(self.evaluation.memory, key=lambda one: one.parameters)
        if layout.replicas == 1:
            return
        own = chunks_of_ranks(layout)[rank.rank]
        cut = chunks_of(self.costs, layout.chunk_layers(total_blocks(self.evaluator.model)))
        dense = math.fsum(self.costs[one.section].dense * one.count for chunk in own for one in cut[chunk])
        experts = rank.parameters - dense
        sums = [(Axis.DATA, dense), (Axis.EXPERT_DATA, experts)] if layout.ep > 1 else [(Axis.DATA, dense + experts)]
        kernels = [self._kernels(own, name) for name in ("forward", "backward")]
        for axis, parameters in sums:
            if not parameters:
                continue
            share = parameters / rank.parameters
            shard = form.element * parameters / self.placement.groups.degree(axis)
            gather = Communication(Collective.ALL_GATHER, shard, axis)
            scatter = Communication(Collective.REDUCE_SCATTER, form.gradient * parameters, axis)
            blocks = max(1, sum(self.evaluation.chunks[chunk].blocks for chunk in own))
            if layout.zero >= 3:
                self._hidden([gather], share * kernels[0], blocks, layout.micro_batches)
                self._hidden([gather, scatter], share * kernels[1], blocks, layout.micro_batches)
                continue
            buckets = max(1.0, form.gradient * rank.parameters / layout.bucket)
            reduce = scatter if layout.zero else Communication(Collective.ALL_REDUCE, scatter.size, axis)
            self._hidden([reduce], share * kernels[1], buckets, 1)
            if layout.zero:
                self._hidden([gather], share * kernels[0], buckets, 1, window=1.0)

    def _kernels(self, own: Sequence[int], name: str) -> float:
        """Return the kernels of one pass of a rank's chunks for a micro-batch [s]."""
        return math.fsum(
            one.forward + one.input_gradient + one.weight_gradient + one.recompute
            for chunk in own
            for one in (getattr(self.evaluation.chunks[chunk], name),)
        )

    def _hidden(
        self, collectives: Sequence[Communication], kernels: float, parts: float, times: float,
        window: float | None = None,
    ) -> None:  # fmt: skip
        """Add collectives in so many parts, the last of which nothing hides, and the others kernels as far as they can.

        Exposed is ``max(volume r / parts, volume r - window kernels)``.
        """
        window = (1 - 1 / parts) if window is None else window
        if not self.layout.overlap:
            window, parts = 0.0, 1.0
        volume, stream = 0.0, 0
        for sent in collectives:
            stream, size = self._stream(sent)
            self.streams.volumes[stream] += (times - 1) * size
            volume += size
        if volume:
            self._overlap(stream, volume, window * kernels, volume / parts, times)

    def _messages(self) -> None:
        """Add the messages between stages, on the route that takes longest."""
        layout, size = self.layout, self.evaluator.message_bytes(self.layout)
        if layout.pp == 1:
            return
        ones = [1.0] * len(self.placement.bandwidths)
        stages = range(layout.pp - 1)
        routes = [
            transfer_legs(self.placement.whole, ones, self.placement.stages, stage, stage + 1, 1.0) for stage in stages
        ]
        longest = max(routes, key=lambda legs: sum(leg.duration for leg in legs))
        times = messages(layout, 1.0)
        for leg in longest:
            shape = tuple(leg.duration if d == leg.dimension else 0.0 for d in range(len(ones)))
            stream = self.streams.of_shape(Axis.PIPELINE, shape, "messages", times * size)
            self.sent.append((1, stream, times * size))

"""A layout's iteration as a function of the bandwidths, for the bandwidth optimiser: convex, and without latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from simcore.models.network.collectives import Collective, pattern
from simcore.models.network.mapping import Axis
from simcore.models.network.transfers import transfer_legs
from simcore.models.training.closed_form import StepModel, Streams
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.parallel.layout import Layout, Recompute, total_blocks
from simcore.models.training.parallel.pipelining import messages
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.replicas import SPLIT
from simcore.models.training.parallel.shared_weights import SHARDED, Run, gathers, gradient_bytes, runs_of, sums
from simcore.models.training.parallel.stage import chunks_of, chunks_of_ranks, recomputed
from simcore.models.training.workload import Pass, Phase


def step_model(evaluator: Evaluator, layout: Layout) -> StepModel:
    """Return the iteration time of a layout as a function of the bandwidths.

    It is what `Evaluator.evaluate` gives on links without latency, with differences that keep it convex. What replicas
    send hides behind kernels alone, not behind the collectives between them, and no later pipeline rank has more time
    for it. Messages in 1F1B take what they take between even stages. So it is never below, as long as no iteration is
    played turn by turn, see `simcore.models.training.parallel.pipelining.is_played`, and as long as one rank is slowest
    in both passes, which matters to GPipe. It is equal on one stage without
    replicas. The busiest pipeline rank is that of the bandwidths that the evaluator's machine has.

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
        self.busiest = 0
        self.fixed = self.compute = 0.0
        self.sent: list[tuple[int, int, float]] = []
        self.terms: dict[tuple[int, float, float, int, float], float] = {}

    def run(self) -> StepModel:
        """Gather all terms."""
        for section, (passed, again) in self._times().items():
            self._section(self.costs[section], passed, again)
        self._gradients()
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
        self.busiest = max(range(len(spent)), key=spent.__getitem__)
        times: dict[int, tuple[float, float]] = {}
        for rank, own in enumerate(ranks):
            weight = layout.micro_batches if rank == self.busiest else 1.0 / layout.vp
            for chunk in own:
                for held, again in recomputed(layout, cut[chunk], self.costs):
                    passed, repeated = times.get(held.section, (0.0, 0.0))
                    times[held.section] = passed + weight * held.count, repeated + weight * again
        return times

    def _section(self, cost: SectionCost, passed: float, again: float) -> None:
        """Add a section: its kernels, and its collectives in both passes."""
        repeated = cost.again if self.layout.recompute is Recompute.FULL else cost.core
        self._spend(passed * (cost.forward.kernels + cost.input_gradient.kernels + cost.weight_gradient.kernels))
        self._spend(again * repeated.kernels)
        self._send(0, cost.forward, passed)
        self._send(1, cost.input_gradient, passed)
        self._send(0, repeated, again)

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
        for together, kernels in cost.hidden:
            beside: dict[int, float] = {}
            for sent in together:
                stream, volume = self._stream(sent)
                if volume and times:
                    self.streams.volumes[stream] += (times - 1) * volume
                    beside[stream] = beside.get(stream, 0.0) + volume
            for stream, volume in beside.items():
                self._overlap(stream, volume, kernels, 0.0, times)

    def _stream(self, sent: Communication) -> tuple[int, float]:
        return self.streams.add(Phase(0.0, sent.collective, sent.size, sent.axis), Pass.FORWARD)

    def _overlap(self, stream: int, volume: float, kernels: float, rest: float, times: float) -> None:
        """Add ``times max(volume r, kernels + rest r)``, the kernels of which are spent already."""
        key = stream, volume, kernels, stream, rest
        self.terms[key] = self.terms.get(key, 0.0) + times
        self.fixed -= times * kernels

    def _gradients(self) -> None:
        """Add what replicas send, as `simcore.models.training.parallel.shared_weights` counts it."""
        layout = self.layout
        cut = chunks_of(self.costs, layout.chunk_layers(total_blocks(self.evaluator.model)))
        chunks = [list(runs_of(layout, chunk, self.costs)) for chunk in cut]
        own = chunks_of_ranks(layout)
        if layout.replicas == 1:
            self._spend(self.evaluation.parts["optimizer"])
            return
        largest = max(one.parameters for one in self.evaluation.memory)
        self._spend(self.evaluator.seconds_of_update(layout, largest))
        for axis in (Axis.DATA, Axis.EXPERT_DATA):
            if layout.zero >= SHARDED:
                for rank, of_rank in enumerate(own):
                    times = layout.micro_batches if rank == self.busiest else 1.0 / layout.vp
                    for chunk in of_rank:
                        self._ahead(axis, chunks[chunk], times)
            else:
                self._in_buckets(axis, [[chunks[chunk] for chunk in of_rank] for of_rank in own])

    def _sent(self, axis: Axis, one: Run, of: Callable[[Layout, SectionCost], Sequence[Communication]]) -> float:
        """Return what one repetition sends in a group [B], over all links."""
        groups = self.placement.groups.sizes(axis)
        sent = [each for each in of(self.layout, self.costs[one.section]) if each.axis is axis]
        return sum(pattern(each.collective, groups)[0] * each.size for each in sent)

    def _share(self, axis: Axis, one: Run) -> float:
        """Return the share of a repetition's kernels that a group's collectives may hide behind."""
        cost = self.costs[one.section]
        experts = cost.experts / (cost.dense + cost.experts) if self.layout.ep > 1 and cost.experts else 0.0
        return experts if axis is Axis.EXPERT_DATA else 1.0 - experts

    def _free(self, axis: Axis, one: Run, *, forward: bool) -> float:
        """Return the kernels of a repetition that its own collectives do not hide behind [s]."""
        cost = self.costs[one.section]
        passes = [cost.forward] if forward else [cost.weight_gradient]
        if not forward and not (self.layout.pp > 1 and self.layout.order in SPLIT and self.layout.zero < SHARDED):
            passes.append(cost.input_gradient)
            if one.again:
                passes.append(cost.again if self.layout.recompute is Recompute.FULL else cost.core)
        free = sum(max(0.0, each.kernels - sum(beside for _, beside in each.hidden)) for each in passes)
        return self._share(axis, one) * free if self.layout.overlap else 0.0

    def _in_buckets(self, axis: Axis, ranks: Sequence[Sequence[Sequence[Run]]]) -> None:
        """Add sums of gradients and gathered weights of an iteration: those of the rank that is latest."""
        for of, forward in ((sums, False), (gathers, True)):
            lines = []
            for own in ranks if self.layout.zero or not forward else ():
                order = own if forward else [chunk[::-1] for chunk in reversed(own)]
                lines += self._lines(axis, order, of, forward=forward)
            volume, tail = max((line[0] for line in lines), default=0.0), 0.0
            if volume:
                tail = max((sent for sent, left in lines if not left), default=0.0)
                slack = [left * (volume - tail) / (sent - tail) for sent, left in lines if sent > tail]
                self._late(axis, volume, min(slack, default=0.0), tail, 1.0)

    def _lines(
        self, axis: Axis, chunks: Sequence[Sequence[Run]],
        of: Callable[[Layout, SectionCost], Sequence[Communication]], *, forward: bool,
    ) -> list[tuple[float, float]]:  # fmt: skip
        """Return what buckets must have sent by some time, and the kernels that hide it: exposed is the most of any.

        Of sums that is all from a bucket on, and the kernels after it; of gathers all up to a bucket, and those before.
        """
        buckets: list[tuple[float, float]] = []
        for chunk in chunks:
            filled = sent = spent = 0.0
            for one in (run for run in chunk for _ in range(run.times)):
                filled += gradient_bytes(self.layout, self.costs[one.section])
                sent += self._sent(axis, one, of)
                spent += self._free(axis, one, forward=forward)
                if filled >= self.layout.bucket:
                    buckets.append((sent, spent))
                    filled = sent = spent = 0.0
            buckets.append((sent, spent))
        lines, whole, before = [], 0.0, 0.0
        for sent, spent in buckets if forward else buckets[::-1]:
            whole += sent
            lines.append((whole, before))
            before += spent
        return lines

    def _ahead(self, axis: Axis, runs: Sequence[Run], times: float) -> None:
        """Add gathers and scatters of ZeRO-3 for the passes of a chunk, each of which runs so many times."""
        blocks = [one for one in runs if self.costs[one.section].path]
        if not self.layout.overlap:
            for one in runs:
                both = 2 if self.costs[one.section].path else 1
                volume = both * self._sent(axis, one, gathers) + self._sent(axis, one, sums)
                self._late(axis, one.times * volume, 0.0, 0.0, times)
            return
        gather = max((self._sent(axis, one, gathers) for one in blocks), default=0.0)
        scatter = max((self._sent(axis, one, sums) for one in blocks), default=0.0)
        around = (one for one in runs if not self.costs[one.section].path)
        first = 2 * gather + scatter
        for one in around:
            first += one.times * (self._sent(axis, one, gathers) + self._sent(axis, one, sums))
        self._late(axis, first, 0.0, 0.0, times)
        for one in runs:
            self._late(axis, gather, self._free(axis, one, forward=True), 0.0, times * one.times)
            self._late(axis, gather + scatter, self._free(axis, one, forward=False), 0.0, times * one.times)

    def _late(self, axis: Axis, volume: float, window: float, tail: float, times: float) -> None:
        """Add ``times max(volume r - window, tail r)``, what a group sends over all links and kernels do not hide."""
        if volume and times:
            _, shape = pattern(Collective.ALL_GATHER, self.placement.groups.sizes(axis))
            what = "gathers and sums" if self.layout.zero else "sums"
            stream = self.streams.of_shape(axis, shape, what, times * volume)
            self._overlap(stream, volume, window, tail, times)

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

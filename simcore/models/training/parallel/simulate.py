"""A layout's iteration on the chunk simulator: the program that `evaluation` has a closed form for, run on a network.

One GPU stands for all of a pipeline rank. It takes the turns of its order; each turn is a program over the repetitions
of a model chunk: kernels, collectives that they wait for, collectives beside them, and what replicas send. Collectives
of all groups share the links of the dimensions that they use, and so do messages between stages.

With 1,024 chunks and without latency it takes what the closed form says within 1 %. What replicas send keeps the order
in which it is issued, as on one communicator of NCCL. What compute waits for interrupts it, so that the length of its
chunks does not matter. Each model chunk has buckets of its own, as in frameworks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.network.transfers import transfer_legs
from simcore.models.training.execute import Log, Runner, finish
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.evaluation import Evaluator
from simcore.models.training.parallel.layout import Layout, Recompute, check_layout, total_blocks
from simcore.models.training.parallel.orders import FOLDED, Kind, Pipelined, Turn, turns_of
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.shared_weights import SHARDED, Run, gathers, gradient_bytes, runs_of, sums
from simcore.models.training.parallel.stage import chunks_of, chunks_of_ranks
from simcore.models.training.program import Compute, Issue, Step, Wait
from simcore.models.training.simulated import ChunkFabric, Settings, make_network
from simcore.models.training.workload import Pass
from simcore.progress import counter

UPDATE = -1
"""Layer of the optimizer's update in a log."""


@dataclass(frozen=True)
class Simulated:
    """A simulated iteration.

    Attributes
    ----------
    time : float
        The iteration [s].
    logs : tuple of Log
        What one GPU of each pipeline rank did.
    """

    time: float
    logs: tuple[Log, ...]


def simulate(evaluator: Evaluator, layout: Layout, settings: Settings | None = None) -> Simulated:
    """Simulate an iteration of a layout.

    Parameters
    ----------
    evaluator : Evaluator
        Of the model on its machine: kernels take what they take there.
    layout : Layout
        How the iteration is spread.
    settings : Settings, optional
        How collectives are simulated; by default in 1,024 chunks.

    Raises
    ------
    InputError
        As `Evaluator.evaluate`.
    """
    check_layout(layout, evaluator.model, evaluator.sequence)
    settings = settings or Settings(chunks=1024)
    clock, placement = Clock(), evaluator.placement(layout)
    order, size = (layout.order, layout.pipelined) if layout.pp > 1 else ("1F1B", Pipelined(1, layout.micro_batches))
    costs = evaluator.costs(layout)
    cut = chunks_of(costs, layout.chunk_layers(total_blocks(evaluator.model)))
    logs, ranks = [], [list(turns) for turns in turns_of(order, size)]
    count = counter("turns of ranks", sum(map(len, ranks)))
    running = _Running(clock, layout, placement, evaluator.message_bytes(layout), count)
    for rank, (own, turns) in enumerate(zip(chunks_of_ranks(layout), ranks, strict=True)):
        network = make_network(clock, placement.topology, placement.bandwidths, settings, interrupts=True)
        fabric = ChunkFabric(network, placement.groups, settings.chunks, in_order=True)
        log = Log(f"rank {rank}")
        runs = [list(runs_of(layout, cut[chunk], costs)) for chunk in own]
        weights = sum(
            one.times * (costs[one.section].dense + costs[one.section].experts) for chunk in runs for one in chunk
        )
        writer = Writer(layout, costs, runs, evaluator.seconds_of_update(layout, weights))
        clock.process(running.program(rank, turns, writer, Runner(clock, fabric, log), fabric))
        logs.append(log)
    finish(clock, logs)
    return Simulated(max(log.end for log in logs if log.end is not None), tuple(logs))


@dataclass(frozen=True)
class _Repetition:
    """One repetition of a section: its number in the chunk, and the section's costs."""

    number: int
    cost: SectionCost
    again: bool


class Writer:
    """Writes the programs of one rank's turns.

    Parameters
    ----------
    layout : Layout
        How the iteration is spread.
    costs : sequence of SectionCost
        Of the whole model.
    chunks : sequence of sequence of Run
        Repetitions of the rank's model chunks.
    update : float
        The optimizer's update [s].
    """

    def __init__(
        self, layout: Layout, costs: Sequence[SectionCost], chunks: Sequence[Sequence[Run]], update: float
    ) -> None:
        self.layout, self.update = layout, update
        numbers = count()
        self.chunks = [
            [_Repetition(next(numbers), costs[run.section], run.again) for run in chunk for _ in range(run.times)]
            for chunk in chunks
        ]
        self._keys = count()
        self._open: list[int] = []
        self._weights: dict[int, list[int]] = {}
        self._filled = 0.0
        self._bucket: dict[tuple[Collective, Axis], float] = {}
        self._sharded = layout.zero >= SHARDED

    def start(self) -> Iterator[Step]:
        """Gather the weights that the last iteration has updated, in buckets, where ZeRO-1 or 2 has cut the update."""
        if not self.layout.zero or self._sharded:
            return
        for chunk in self.chunks:
            first: int | None = None
            for one in chunk:
                first = one.number if first is None else first
                if self._fill(one, gathers(self.layout, one.cost)):
                    yield from self._gather_bucket(first)
                    first = None
            if first is not None:
                yield from self._gather_bucket(first)
        if not self.layout.overlap:
            for keys in self._weights.values():
                yield from _waits(keys)
            self._weights.clear()

    def turn(self, turn: Turn, *, last: bool) -> Iterator[Step]:
        """Write a turn; the last one that makes gradients of its chunk sums them."""
        chunk = self.chunks[turn.chunk]
        if turn.kind is Kind.FORWARD:
            yield from self._forward(chunk)
        else:
            yield from self._backward(chunk, turn.kind, last=last)

    def end(self) -> Iterator[Step]:
        """Sum the gradients that have not left yet, wait for all sums, and update the weights."""
        yield from self._leave(self._open, Pass.WEIGHT_GRADIENT, 0)
        yield from _waits(self._open)
        if self.update:
            yield Compute(self.update, UPDATE, Pass.WEIGHT_GRADIENT)

    def _forward(self, chunk: Sequence[_Repetition]) -> Iterator[Step]:
        ahead = self._ahead(chunk, Pass.FORWARD)
        yield from ahead.root()
        for at, one in enumerate(chunk):
            yield from _waits(self._weights.pop(one.number, []))
            yield from ahead.needed(at)
            yield from self._passed(one.cost.forward, one, Pass.FORWARD)

    def _backward(self, chunk: Sequence[_Repetition], kind: Kind, *, last: bool) -> Iterator[Step]:
        back = list(reversed(chunk))
        ahead = self._ahead(back, Pass.INPUT_GRADIENT)
        scattered: list[int] = []
        for at, one in enumerate(back):
            if kind is not Kind.WEIGHT_GRADIENT:
                yield from ahead.needed(at)
                yield from self._again(one)
                yield from self._passed(one.cost.input_gradient, one, Pass.INPUT_GRADIENT)
            if kind is not Kind.INPUT_GRADIENT:
                yield from self._passed(one.cost.weight_gradient, one, Pass.WEIGHT_GRADIENT)
                if self._sharded and one.cost.path:
                    yield from self._scatter(one, scattered)
                elif last and not self._sharded:
                    yield from self._sum(one)
        if self._sharded and kind is not Kind.INPUT_GRADIENT:
            for one in back:
                if not one.cost.path:
                    yield from self._scatter(one, scattered)
        elif last and self.layout.overlap:  # each model chunk has buckets of its own
            yield from self._leave(self._open, Pass.WEIGHT_GRADIENT, back[-1].number)
        yield from _waits(scattered)

    def _ahead(self, chunk: Sequence[_Repetition], part: Pass) -> _Ahead:
        return _Ahead(self, chunk if self._sharded else (), part)

    def _again(self, one: _Repetition) -> Iterator[Step]:
        """Recompute what was not kept of a repetition."""
        if one.again:
            full = self.layout.recompute is Recompute.FULL
            yield from self._passed(one.cost.again if full else one.cost.core, one, Pass.RECOMPUTE)

    def _passed(self, cost: PassCost, one: _Repetition, part: Pass) -> Iterator[Step]:
        """Write a pass: kernels with the collectives beside them, other kernels, and what these wait for."""
        left = cost.kernels
        for together, kernels in cost.hidden:
            keys: list[int] = []
            yield from self.issue(together, keys, one.number, part, urgent=True)
            beside = min(left, kernels)
            if beside:
                yield Compute(beside, one.number, part)
            left -= beside
            yield from _waits(keys)
        if left > 0:
            yield Compute(left, one.number, part)
        for sent in cost.blocking:
            keys = []
            yield from self.issue((sent,), keys, one.number, part, urgent=True)
            yield from _waits(keys)

    def issue(
        self, sent: Sequence[Communication], keys: list[int], layer: int, part: Pass, *, urgent: bool
    ) -> Iterator[Issue]:
        """Start collectives, and note their keys."""
        for one in sent:
            if one.size > 0:
                keys.append(next(self._keys))
                yield Issue(keys[-1], one.collective, one.size, one.axis, urgent, layer, part)

    def _gather_bucket(self, first: int) -> Iterator[Step]:
        """Gather the weights in the bucket, which a repetition and those after it wait for."""
        keys = self._weights[first] = []
        yield from self._leave(keys, Pass.FORWARD, first)

    def _scatter(self, one: _Repetition, scattered: list[int]) -> Iterator[Step]:
        part = Pass.WEIGHT_GRADIENT
        yield from self.issue(sums(self.layout, one.cost), scattered, one.number, part, urgent=False)
        if not self.layout.overlap:
            yield from _waits(scattered)

    def _sum(self, one: _Repetition) -> Iterator[Step]:
        if self._fill(one, sums(self.layout, one.cost)) and self.layout.overlap:
            yield from self._leave(self._open, Pass.WEIGHT_GRADIENT, one.number)

    def _fill(self, one: _Repetition, sent: Sequence[Communication]) -> bool:
        """Put what a repetition sends into the bucket; say whether it is full."""
        for each in sent:
            key = each.collective, each.axis
            self._bucket[key] = self._bucket.get(key, 0.0) + each.size
        self._filled += gradient_bytes(self.layout, one.cost)
        return self._filled >= self.layout.bucket

    def _leave(self, keys: list[int], part: Pass, layer: int) -> Iterator[Step]:
        """Send what is in the bucket."""
        sent = [Communication(collective, size, axis) for (collective, axis), size in self._bucket.items()]
        self._bucket, self._filled = {}, 0.0
        yield from self.issue(sent, keys, layer, part, urgent=False)


class _Ahead:
    """Gathers the weights of ZeRO-3 a repetition ahead; none where there are no repetitions."""

    def __init__(self, writer: Writer, chunk: Sequence[_Repetition], part: Pass) -> None:
        self._writer, self._chunk, self._part = writer, chunk, part
        self._keys: dict[int, list[int]] = {}

    def root(self) -> Iterator[Step]:
        """Gather what stands around the blocks, and wait for it."""
        keys: list[int] = []
        for one in self._chunk:
            if not one.cost.path:
                sent = gathers(self._writer.layout, one.cost)
                yield from self._writer.issue(sent, keys, one.number, self._part, urgent=False)
        yield from _waits(keys)

    def needed(self, at: int) -> Iterator[Step]:
        """Wait for the weights of a repetition, and start to gather those of the next one."""
        if not self._chunk:
            return
        if at not in self._keys:
            yield from self._gather(at)
        yield from _waits(self._keys.pop(at))
        if self._writer.layout.overlap:
            yield from self._gather(at + 1)

    def _gather(self, at: int) -> Iterator[Step]:
        keys = self._keys[at] = []
        if at < len(self._chunk) and self._chunk[at].cost.path:
            sent = gathers(self._writer.layout, self._chunk[at].cost)
            yield from self._writer.issue(sent, keys, self._chunk[at].number, self._part, urgent=False)


def _waits(keys: list[int]) -> Iterator[Step]:
    """Wait for collectives, and forget them."""
    yield from map(Wait, keys)
    keys.clear()


class _Running:
    """A pipeline while it runs: a mailbox for each message from a stage to the next one.

    Parameters
    ----------
    clock : Clock
        The simulation's clock.
    layout : Layout
        How the iteration is spread.
    placement : Placement
        Where stages lie.
    message : float
        What a GPU hands to the next stage [B].
    count : callable or None
        Told of each turn that a rank has taken.
    """

    def __init__(
        self, clock: Clock, layout: Layout, placement: Placement, message: float, count: Callable[[], None] | None
    ) -> None:
        self.count = count
        self.clock, self.layout, self.placement, self.message = clock, layout, placement, message
        self._boxes: dict[tuple[bool, int, int], Event] = {}

    def program(
        self, rank: int, turns: Sequence[Turn], writer: Writer, runner: Runner, fabric: ChunkFabric
    ) -> Generator[Event, Any, None]:
        """Take the turns of a rank."""
        ends = {turn.chunk: at for at, turn in enumerate(turns) if turn.kind in {Kind.BACKWARD, Kind.WEIGHT_GRADIENT}}
        yield from runner.run(writer.start())
        at = 0
        while at < len(turns):
            group = [turns[at]]
            while group[-1].overlapped:
                group.append(turns[at + len(group)])
            for turn in group:
                yield from self._receive(rank, turn, runner)
            for place, turn in enumerate(group, at):
                yield from runner.run(writer.turn(turn, last=ends.get(turn.chunk) == place))
                if self.count is not None:
                    self.count()
            for turn in group:
                self._send(rank, turn, fabric)
            at += len(group)
        yield from runner.whole(writer.end())

    def _stage(self, rank: int, chunk: int) -> int:
        if self.layout.order in FOLDED and chunk:
            return 2 * self.layout.pp - 1 - rank
        return chunk * self.layout.pp + rank

    def _rank(self, stage: int) -> int:
        p = self.layout.pp
        return 2 * p - 1 - stage if self.layout.order in FOLDED and stage >= p else stage % p

    def _box(self, forward: bool, stage: int, micro_batch: int) -> Event:
        """Return the mailbox of what a stage waits for."""
        return self._boxes.setdefault((forward, stage, micro_batch), self.clock.event())

    def _receive(self, rank: int, turn: Turn, runner: Runner) -> Generator[Event, Any, None]:
        stage, forward = self._stage(rank, turn.chunk), turn.kind is Kind.FORWARD
        if turn.kind is Kind.WEIGHT_GRADIENT or stage == (0 if forward else self.layout.chunks - 1):
            return
        what = f"{'activations' if forward else 'gradient'} of micro-batch {turn.micro_batch + 1} for stage {stage + 1}"
        part = Pass.FORWARD if forward else Pass.INPUT_GRADIENT
        yield from runner.receive(self._box(forward, stage, turn.micro_batch), what, 0, part)

    def _send(self, rank: int, turn: Turn, fabric: ChunkFabric) -> None:
        forward = turn.kind is Kind.FORWARD
        there = self._stage(rank, turn.chunk) + (1 if forward else -1)
        if turn.kind is Kind.WEIGHT_GRADIENT or not 0 <= there < self.layout.chunks:
            return
        target = self._rank(there)
        whole, bandwidths, stages = self.placement.whole, self.placement.bandwidths, self.placement.stages
        legs = () if target == rank else transfer_legs(whole, bandwidths, stages, rank, target, self.message)
        what = f"{'activations' if forward else 'gradient'} of micro-batch {turn.micro_batch + 1} to stage {there + 1}"
        fabric.send(legs, f"to rank {target}", what, self._box(forward, there, turn.micro_batch))

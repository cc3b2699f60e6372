"""Pipeline parallelism: layers in stages, micro-batches through the stages, in the order of GPipe or of 1F1B.

With p equal stages and m micro-batches, and transfers that take no time, an iteration takes (m + p - 1) / m of its
work: the bubble is (p - 1) / m of the work, in both orders. What 1F1B saves is memory: a stage holds the activations of
at most p micro-batches, where GPipe holds those of all m.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simpy.events import Event

from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.network.transfers import TransferLeg
from simcore.models.training.execute import Log, Runner, Span, finish
from simcore.models.training.parallel.orders import Kind, Pipelined, turns_of
from simcore.models.training.program import Loop, PipelineOrder, Step, Writer, backward_order
from simcore.models.training.repeated import BACK, ONWARDS, Lane, Repeated
from simcore.models.training.simulated import ChunkFabric
from simcore.models.training.stage_cut import boundary_sizes, stage_layers
from simcore.models.training.workload import Pass, StagePipeline, Workload
from simcore.progress import counter


@dataclass(frozen=True)
class Pipeline:
    """How a workload is cut into stages and micro-batches.

    Attributes
    ----------
    stages : int
        Stages p.
    micro_batches : int
        Micro-batches m of an iteration.
    order : PipelineOrder
        Who comes when.
    chunks : int
        Model chunks v of each stage, which take turns; more than one in the order 1F1B only. Chunk c of stage s is
        part c p + s of the model.
    blocks : tuple of int
        Blocks of each part of the model; empty for as many in each.
    """

    stages: int
    micro_batches: int
    order: PipelineOrder = PipelineOrder.ONE_F_ONE_B
    chunks: int = 1
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = (("stages", self.stages), ("micro-batches", self.micro_batches), ("chunks", self.chunks))
        for name, value in counts:
            if value < 1:
                raise InputError(f"pipeline, {name}", str(value), "a whole number of at least 1")
        if self.chunks > 1 and self.order is not PipelineOrder.ONE_F_ONE_B:
            found = f"{self.chunks} in the order {self.order.value}"
            raise InputError("pipeline, chunks", found, "one, or the order 1F1B", "Leave one of them out.")

    @property
    def words(self) -> str:
        """For reports."""
        if self.chunks > 1:
            return f"{self.order.value} interleaved, {self.chunks} model chunks a stage"
        return self.order.value


def bubble(stages: int, micro_batches: int, interleaved: int = 1) -> float:
    """Return the bubble of a pipeline of equal stages as a share of the work: (p - 1) / (m v).

    Parameters
    ----------
    stages, micro_batches : int
        Stages p and micro-batches m.
    interleaved : int
        Model chunks v of a stage, which take turns.

    References
    ----------
    Narayanan et al., Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM, SC 2021,
    section 2.2.

    Examples
    --------
    >>> bubble(4, 8), bubble(4, 8, 2)
    (0.375, 0.1875)
    """
    return (stages - 1) / (micro_batches * interleaved)


@dataclass(frozen=True)
class StageExtras:
    """What an iteration takes beyond the layers of one stage.

    Attributes
    ----------
    bubble : float
        Fill and drain of the pipeline [s].
    transfers : float
        Messages to and from the neighbour stages [s].
    """

    bubble: float
    transfers: float

    @property
    def total(self) -> float:
        """Both [s]."""
        return self.bubble + self.transfers


def stage_extras(pipeline: StagePipeline, spans: Sequence[Span], transfer: float) -> StageExtras:
    """Return what comes on top of the layers of one stage, all micro-batches of which were simulated.

    The bubble is a share of the work on micro-batches: compute, and what waits for collectives of the forward and the
    input-gradient pass. An activation goes on and a gradient comes back per micro-batch and model chunk: 2 m v
    transfers, which overlap with nothing.

    Parameters
    ----------
    pipeline : StagePipeline
        What the layers are one stage of.
    spans : sequence of Span
        What an NPU of the stage did.
    transfer : float
        One message to a neighbour [s].

    References
    ----------
    SimAI's analytical mode counts both so, github.com/aliyun/SimAI, astra-sim/workload/Layer.cc.

    Examples
    --------
    >>> extras = stage_extras(StagePipeline(4, 8), [Span(0.0, 8.0, 0, Pass.FORWARD)], 0.25)
    >>> extras.bubble, extras.transfers
    (3.0, 4.0)
    """
    work = sum(span.seconds for span in spans if span.axis is None or span.part is not Pass.WEIGHT_GRADIENT)
    batches, chunks = pipeline.micro_batches, pipeline.interleaved
    return StageExtras(bubble(pipeline.stages, batches, chunks) * work, 2 * batches * chunks * transfer)


def turns(pipeline: Pipeline, stage: int) -> Iterator[tuple[bool, int]]:
    """Yield what a stage does: (forward or backward, micro-batch).

    Examples
    --------
    >>> "".join(f"{'F' if forward else 'B'}{i}" for forward, i in turns(Pipeline(3, 4), stage=1))
    'F0F1B0F2B1F3B2B3'
    """
    m = pipeline.micro_batches
    ahead = m if pipeline.order is PipelineOrder.GPIPE else min(pipeline.stages - stage - 1, m)
    yield from ((True, i) for i in range(ahead))
    for i in range(ahead, m):
        yield True, i
        yield False, i - ahead
    yield from ((False, i) for i in range(m - ahead, m))


def chunk_turns(pipeline: Pipeline, stage: int) -> Iterator[tuple[bool, int, int]]:
    """Yield what a stage does: (forward or backward, micro-batch, model chunk of the stage).

    Examples
    --------
    >>> found = chunk_turns(Pipeline(2, 2, chunks=2), 1)
    >>> "".join(f"{'F' if forward else 'B'}{chunk}{i}" for forward, i, chunk in found)
    'F00F01F10B10F11B11B00B01'
    """
    if pipeline.chunks == 1:
        for forward, i in turns(pipeline, stage):
            yield forward, i, 0
        return
    size = Pipelined(pipeline.stages, pipeline.micro_batches, pipeline.chunks)
    for turn in turns_of("interleaved", size)[stage]:
        yield turn.kind is Kind.FORWARD, turn.micro_batch, turn.chunk


@dataclass(frozen=True)
class PipelineRun:
    """A simulated iteration of a pipeline.

    Attributes
    ----------
    time : float
        The iteration [s].
    logs : tuple of Log
        What an NPU of each stage did.
    in_flight : tuple of int
        Most micro-batches whose activations each stage held at once, in each model chunk counted by itself.
    """

    time: float
    logs: tuple[Log, ...]
    in_flight: tuple[int, ...]


@dataclass
class _Stage:
    """One stage, with a mailbox for each model chunk and micro-batch from either side."""

    index: int
    parts: tuple[range, ...]
    runner: Runner
    fabric: ChunkFabric
    activations: list[list[Event]] = field(default_factory=list)
    gradients: list[list[Event]] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0


def run_pipeline(
    clock: Clock,
    workload: Workload,
    pipeline: Pipeline,
    fabrics: Sequence[ChunkFabric],
    route: Callable[[int, int, float], Sequence[TransferLeg]],
    *,
    loop: Loop = Loop.SIMULATE,
    recompute: bool = True,
    compute_scale: float = 1.0,
    order: Callable[[Pipeline, int], Iterator[tuple[bool, int, int]]] = chunk_turns,
) -> PipelineRun:
    """Simulate one iteration of a pipeline, one NPU per stage.

    A micro-batch takes 1 / m of each layer's compute and of the bytes of its activations. Weight gradients are summed
    over the data-parallel group once, in the last backward turn of a stage. Transfers between stages overlap with
    compute, and share the links of the sender's dimensions with each other and with its collectives. A stage that waits
    for a message that has left is held up by the transfer (a span of `Axis.PIPELINE`); before that it is idle.

    Parameters
    ----------
    clock : Clock
        The simulation's clock.
    workload : Workload
        All layers.
    pipeline : Pipeline
        How they are cut.
    fabrics : sequence of Fabric
        The network of an NPU of each stage.
    route : callable
        The legs of a message, given two stages (from 0) and bytes [B]; none where it takes no time.
    loop, recompute, compute_scale
        As in `simcore.models.training.program.iteration`.
    order : callable
        Turns of a stage, in place of those of `pipeline`.

    Raises
    ------
    InputError
        If the stages cannot be cut evenly, or nobody knows what goes from one to the next.
    RunError
        If the turns lead to a deadlock.
    """
    parts = stage_layers(workload, pipeline.stages * pipeline.chunks, pipeline.blocks, pipeline.chunks)
    stages = [
        _Stage(i, tuple(parts[i :: pipeline.stages]), Runner(clock, fabric, Log(f"stage {i + 1}")), fabric)
        for i, fabric in zip(range(pipeline.stages), fabrics, strict=True)
    ]
    sizes = boundary_sizes(workload, parts)
    turns = [list(order(pipeline, stage.index)) for stage in stages]
    count = counter("turns of stages", sum(map(len, turns)))
    running = _Running(clock, workload, pipeline, stages, sizes, route, loop, recompute, compute_scale, count)
    logs = tuple(stage.runner.log for stage in stages)
    repeated = Repeated([running.lane(*each) for each in zip(stages, turns, strict=True)], count)
    if pipeline.chunks == 1 and repeated.applies() and repeated.run():
        for stage, state in zip(stages, repeated.states, strict=True):
            stage.most, stage.fabric.network.ledger.events = state.most, repeated.events
    else:
        for stage in stages:
            for boxes in (stage.activations, stage.gradients):
                boxes += [[clock.event() for _ in range(pipeline.micro_batches)] for _ in stage.parts]
        for stage, own in zip(stages, turns, strict=True):
            clock.process(running.program(stage, own))
        finish(clock, logs)
    ends = [log.end for log in logs if log.end is not None]
    return PipelineRun(max(ends), logs, tuple(stage.most for stage in stages))


@dataclass(frozen=True)
class _Running:
    """A pipeline while it runs; attributes as the parameters of `run_pipeline`, and bytes from stage to stage."""

    clock: Clock
    workload: Workload
    pipeline: Pipeline
    stages: Sequence[_Stage]
    sizes: Sequence[float]
    route: Callable[[int, int, float], Sequence[TransferLeg]]
    loop: Loop
    recompute: bool
    compute_scale: float
    count: Callable[[], None] | None

    def program(self, stage: _Stage, order: Sequence[tuple[bool, int, int]]) -> Generator[Event, Any, None]:
        """Take the turns of a stage."""
        m = self.pipeline.micro_batches
        writer = Writer(self.workload, self.loop, self.compute_scale / m, 1.0 / m)
        last = {chunk: number for number, (forward, _, chunk) in enumerate(order) if not forward}
        for number, (forward, i, chunk) in enumerate(order):
            part = chunk * self.pipeline.stages + stage.index
            if forward:
                yield from self._activations(stage, part, i)
                stage.in_flight += 1
                stage.most = max(stage.most, stage.in_flight)
                yield from stage.runner.run(step for layer in stage.parts[chunk] for step in writer.forward(layer))
                self._send(stage, part, 1, i)
            else:
                yield from self._gradient(stage, part, i)
                summed = number == last[chunk]
                yield from stage.runner.run(self._backward(writer, stage.parts[chunk], summed=summed))
                stage.in_flight -= 1
                self._send(stage, part, -1, i)
            if self.count is not None:
                self.count()
        yield from stage.runner.whole(writer.end())

    def lane(self, stage: _Stage, order: Sequence[tuple[bool, int, int]]) -> Lane:
        """Return a stage of one model chunk as turns that repeat."""
        m, layers = self.pipeline.micro_batches, stage.parts[0]
        scales = self.loop, self.compute_scale / m, 1.0 / m

        def steps(forward: bool) -> Iterator[Step]:
            writer = Writer(self.workload, *scales)
            if forward:
                return (step for layer in layers for step in writer.forward(layer))
            return self._backward(writer, layers, summed=False)

        def last() -> tuple[Iterator[Step], Iterator[Step]]:
            writer = Writer(self.workload, *scales)
            return self._backward(writer, layers, summed=True), writer.end()

        again = backward_order(self.workload, layers, recompute=self.recompute)
        kind = (
            tuple(replace(self.workload.layers[layer], name="") for layer in layers),
            tuple((layer - layers[0], recomputed) for layer, recomputed in again),
        )
        legs = {channel: self._legs(stage.index, step) for channel, step in ((ONWARDS, 1), (BACK, -1))}
        turns = [(forward, i) for forward, i, _ in order]
        return Lane(stage.index, layers, turns, stage.fabric, stage.runner.log, kind, steps, last, legs)

    def _legs(self, part: int, step: int) -> Sequence[TransferLeg]:
        """Return the route of a message from a part of the model to a neighbour; none beyond the ends."""
        there, stages = part + step, self.pipeline.stages
        if not 0 <= there <= len(self.sizes):
            return ()
        return self.route(part % stages, there % stages, self.sizes[min(part, there)] / self.pipeline.micro_batches)

    def _backward(self, writer: Writer, layers: range, *, summed: bool) -> Iterator[Step]:
        for layer, again in backward_order(self.workload, layers, recompute=self.recompute):
            yield from writer.forward(layer, Pass.RECOMPUTE) if again else writer.backward(layer, summed=summed)

    def _activations(self, stage: _Stage, part: int, micro_batch: int) -> Generator[Event, Any, None]:
        if part > 0:
            chunk, before = part // self.pipeline.stages, (part - 1) % self.pipeline.stages
            what = f"the activations of micro-batch {micro_batch + 1} from stage {before + 1}"
            box = stage.activations[chunk][micro_batch]
            yield from stage.runner.receive(box, what, stage.parts[chunk][0], Pass.FORWARD)

    def _gradient(self, stage: _Stage, part: int, micro_batch: int) -> Generator[Event, Any, None]:
        if part < len(self.sizes):
            chunk, after = part // self.pipeline.stages, (part + 1) % self.pipeline.stages
            what = f"the gradient of micro-batch {micro_batch + 1} from stage {after + 1}"
            box = stage.gradients[chunk][micro_batch]
            yield from stage.runner.receive(box, what, stage.parts[chunk][-1], Pass.INPUT_GRADIENT)

    def _send(self, stage: _Stage, part: int, step: int, micro_batch: int) -> None:
        if not 0 <= part + step <= len(self.sizes):
            return
        chunk, to = divmod(part + step, self.pipeline.stages)
        boxes = self.stages[to].activations if step == 1 else self.stages[to].gradients
        what = f"{'activations' if step == 1 else 'gradient'} of micro-batch {micro_batch + 1} to stage {to + 1}"
        channel = ONWARDS if step == 1 else BACK
        stage.fabric.send(self._legs(part, step), channel, what, boxes[chunk][micro_batch])

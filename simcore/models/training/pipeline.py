"""Pipeline parallelism: layers in stages, micro-batches through the stages, in the order of GPipe or of 1F1B.

With p equal stages and m micro-batches, and transfers that take no time, an iteration takes (m + p - 1) / m of its
work: the bubble is (p - 1) / m of the work, in both orders. What 1F1B saves is memory: a stage holds the activations of
at most p micro-batches, where GPipe holds those of all m.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simpy.events import Event

from simcore.engine import Clock
from simcore.errors import InputError, field
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.network.transfers import TransferLeg
from simcore.models.training.execute import Log, Runner, Span, finish
from simcore.models.training.program import Loop, PipelineOrder, Step, Writer, backward_order, blocks
from simcore.models.training.repeated import BACK, ONWARDS, Lane, Repeated
from simcore.models.training.simulated import ChunkFabric
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
    """

    stages: int
    micro_batches: int
    order: PipelineOrder = PipelineOrder.ONE_F_ONE_B

    def __post_init__(self) -> None:
        for name, value in (("stages", self.stages), ("micro-batches", self.micro_batches)):
            if value < 1:
                raise InputError(f"pipeline, {name}", str(value), "a whole number of at least 1")


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


def stage_layers(workload: Workload, stages: int) -> list[range]:
    """Cut a workload into stages of whole blocks, as many in each.

    Raises
    ------
    InputError
        If the blocks cannot be shared out evenly.
    """
    ranges = blocks(workload, range(len(workload.layers)))
    if len(ranges) % stages:
        expected = f"a number of stages that divides the {len(ranges)} blocks of workload '{workload.name}'"
        fits = ", ".join(str(each) for each in range(1, len(ranges) + 1) if len(ranges) % each == 0)
        remedy = f"Choose one of {fits}"
        if len(ranges) == 2:
            remedy += (
                ". The zoo's workloads hold two blocks of their model, as published; for more stages copy the entry to "
                "a file with the model's real number in field 'layers'"
            )
        raise InputError(field("stages"), str(stages), expected, f"{remedy}.")
    each = len(ranges) // stages
    return [range(ranges[i * each].start, ranges[(i + 1) * each - 1].stop) for i in range(stages)]


def boundary_sizes(workload: Workload, parts: Sequence[range]) -> list[float]:
    """Return the bytes that an NPU of each stage but the last hands on, for the whole batch [B].

    They are the activations of the stage's last layer. A layer file need not say them; then they are what the last
    forward collective in a tensor-parallel group leaves on each NPU.

    Parameters
    ----------
    workload : Workload
        All layers.
    parts : sequence of range
        Layers of each stage.

    Raises
    ------
    InputError
        If neither is known.
    """
    sizes = []
    for layers in parts[:-1]:
        last = workload.layers[layers[-1]]
        size = _left_by_collective(workload) if last.activations is None else last.activations
        if size is None:
            raise InputError(
                f"workload '{workload.name}'",
                f"layer '{last.name}' at the end of a stage, without the size of its activations",
                "the bytes that go from stage to stage, or a forward collective that tells them",
                "Add activations=BYTES at the end of the layer's line.",
            )
        sizes.append(size)
    return sizes


def _left_by_collective(workload: Workload) -> float | None:
    """Return what the last forward collective leaves on each NPU [B]; None where there is none."""
    phases = [layer.forward for layer in workload.layers if layer.forward.collective is not None]
    phases = [phase for phase in phases if phase.group in {None, Axis.TENSOR}]
    if not phases:
        return None
    last = phases[-1]
    if last.collective is Collective.ALL_GATHER:
        return last.size * workload.tp
    return last.size / workload.tp if last.collective is Collective.REDUCE_SCATTER else last.size


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
        Most micro-batches whose activations each stage held at once.
    """

    time: float
    logs: tuple[Log, ...]
    in_flight: tuple[int, ...]


@dataclass
class _Stage:
    """One stage, with a mailbox for each micro-batch from either side."""

    index: int
    layers: range
    runner: Runner
    fabric: ChunkFabric
    activations: list[Event]
    gradients: list[Event]
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
    order: Callable[[Pipeline, int], Iterator[tuple[bool, int]]] = turns,
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
    parts = stage_layers(workload, pipeline.stages)
    boxes = [[clock.event() for _ in range(pipeline.micro_batches)] for _ in range(2 * len(parts))]
    stages = [
        _Stage(i, layers, Runner(clock, fabric, Log(f"stage {i + 1}")), fabric, boxes[2 * i], boxes[2 * i + 1])
        for i, (layers, fabric) in enumerate(zip(parts, fabrics, strict=True))
    ]
    sizes = boundary_sizes(workload, parts)
    turns = [list(order(pipeline, stage.index)) for stage in stages]
    count = counter("turns of stages", sum(map(len, turns)))
    running = _Running(clock, workload, pipeline, stages, sizes, route, loop, recompute, compute_scale, count)
    logs = tuple(stage.runner.log for stage in stages)
    repeated = Repeated([running.lane(*each) for each in zip(stages, turns, strict=True)], count)
    if repeated.applies() and repeated.run():
        for stage, state in zip(stages, repeated.states, strict=True):
            stage.most, stage.fabric.network.ledger.events = state.most, repeated.events
    else:
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

    def program(self, stage: _Stage, order: Sequence[tuple[bool, int]]) -> Generator[Event, Any, None]:
        """Take the turns of a stage."""
        m = self.pipeline.micro_batches
        writer = Writer(self.workload, self.loop, self.compute_scale / m, 1.0 / m)
        last = max((number for number, (forward, _) in enumerate(order) if not forward), default=-1)
        for number, (forward, i) in enumerate(order):
            if forward:
                yield from self._activations(stage, i)
                stage.in_flight += 1
                stage.most = max(stage.most, stage.in_flight)
                yield from stage.runner.run(step for layer in stage.layers for step in writer.forward(layer))
                self._send(stage, 1, i)
            else:
                yield from self._gradient(stage, i)
                yield from stage.runner.run(self._backward(writer, stage, summed=number == last))
                stage.in_flight -= 1
                self._send(stage, -1, i)
            if self.count is not None:
                self.count()
        yield from stage.runner.whole(writer.end())

    def lane(self, stage: _Stage, order: Sequence[tuple[bool, int]]) -> Lane:
        """Return a stage as turns that repeat."""
        m, first = self.pipeline.micro_batches, stage.layers[0]
        scales = self.loop, self.compute_scale / m, 1.0 / m

        def steps(forward: bool) -> Iterator[Step]:
            writer = Writer(self.workload, *scales)
            if forward:
                return (step for layer in stage.layers for step in writer.forward(layer))
            return self._backward(writer, stage, summed=False)

        def last() -> tuple[Iterator[Step], Iterator[Step]]:
            writer = Writer(self.workload, *scales)
            return self._backward(writer, stage, summed=True), writer.end()

        again = backward_order(self.workload, stage.layers, recompute=self.recompute)
        kind = (
            tuple(replace(self.workload.layers[layer], name="") for layer in stage.layers),
            tuple((layer - first, recomputed) for layer, recomputed in again),
        )
        legs = {}
        for channel, step in ((ONWARDS, 1), (BACK, -1)):
            there = stage.index + step
            inside = 0 <= there < len(self.stages)
            legs[channel] = self.route(stage.index, there, self._size(stage.index, there)) if inside else ()
        return Lane(stage.index, stage.layers, order, stage.fabric, stage.runner.log, kind, steps, last, legs)

    def _size(self, here: int, there: int) -> float:
        """Return the bytes of a message between neighbours [B]."""
        return self.sizes[min(here, there)] / self.pipeline.micro_batches

    def _backward(self, writer: Writer, stage: _Stage, *, summed: bool) -> Iterator[Step]:
        for layer, again in backward_order(self.workload, stage.layers, recompute=self.recompute):
            yield from writer.forward(layer, Pass.RECOMPUTE) if again else writer.backward(layer, summed=summed)

    def _activations(self, stage: _Stage, micro_batch: int) -> Generator[Event, Any, None]:
        if stage.index > 0:
            what = f"the activations of micro-batch {micro_batch + 1} from stage {stage.index}"
            yield from stage.runner.receive(stage.activations[micro_batch], what, stage.layers[0], Pass.FORWARD)

    def _gradient(self, stage: _Stage, micro_batch: int) -> Generator[Event, Any, None]:
        if stage.index < len(self.stages) - 1:
            what = f"the gradient of micro-batch {micro_batch + 1} from stage {stage.index + 2}"
            yield from stage.runner.receive(stage.gradients[micro_batch], what, stage.layers[-1], Pass.INPUT_GRADIENT)

    def _send(self, stage: _Stage, step: int, micro_batch: int) -> None:
        there = stage.index + step
        if not 0 <= there < len(self.stages):
            return
        box = self.stages[there].activations if step == 1 else self.stages[there].gradients
        what = f"{'activations' if step == 1 else 'gradient'} of micro-batch {micro_batch + 1} to stage {there + 1}"
        legs = self.route(stage.index, there, self._size(stage.index, there))
        stage.fabric.send(legs, ONWARDS if step == 1 else BACK, what, box[micro_batch])

"""Time and memory of a training iteration in closed form, for any layout of a model on a device and a network.

The parts of an iteration on the busiest pipeline rank add up to it: kernels of each pass, collectives that no kernel
hides, the pipeline's bubble and its messages, sums of gradients, and the update.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from simcore.models.compute.compute_model import KernelCall, profiled
from simcore.models.compute.predict import ESTIMATED
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.prices import TileTable
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.ports import widened
from simcore.models.network.topology import Topology
from simcore.models.training.listing import Architecture
from simcore.models.training.operator_maker import adam_update
from simcore.models.training.operators import OperatorList
from simcore.models.training.parallel.costs import KernelClock, SectionCost, in_core, section_cost
from simcore.models.training.parallel.layout import Layout, Recompute, check_layout, total_blocks
from simcore.models.training.parallel.memory import RankMemory, rank_memories
from simcore.models.training.parallel.pipelining import pipeline_parts, with_messages
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.replicas import Replicas, Waits
from simcore.models.training.parallel.sending import Pipeline, ends
from simcore.models.training.parallel.sharding import UNSCHEDULED, Scheduling, block_input, sharded_operators
from simcore.models.training.parallel.shared_weights import SHARDED, Run, runs_of
from simcore.models.training.parallel.stack import Stack, slowest
from simcore.models.training.parallel.stage import (
    BlockTimes,
    ChunkTimes,
    Held,
    alike,
    block_times,
    chunk_times,
    chunks_of,
    chunks_of_ranks,
)
from simcore.models.training.parallel.stages import Sent
from simcore.models.training.traffic import flop_of

KERNELS = ("forward", "input gradient", "weight gradient", "recompute")
"""Parts of an iteration that ranks compute."""


class Machine(NamedTuple):
    """What an iteration runs on.

    Attributes
    ----------
    profile : KernelProfile
        Of the device.
    topology : Topology
        The network.
    bandwidths : tuple of float
        Bandwidth of one GPU into each dimension [B/s], innermost first.
    collectives : CollectiveProfile or None
        What collectives take there, where that was measured; else what the links allow.
    stack : Stack, optional
        What the software reaches of both; by default all that they can.
    spread : float
        Standard deviation of what one rank computes, over the mean: see
        `simcore.models.training.parallel.stack.slowest`.
    tiles : TileTable, optional
        Published sparse kernels, where the device has none of its own.
    """

    profile: KernelProfile
    topology: Topology
    bandwidths: tuple[float, ...]
    collectives: CollectiveProfile | None = None
    stack: Stack | None = None
    spread: float = 0.0
    tiles: TileTable | None = None


@dataclass(frozen=True)
class Evaluation:
    """Time and memory of an iteration.

    Attributes
    ----------
    layout : Layout
        How it is spread.
    spent : dict of str to float
        What the busiest pipeline rank spends its time on [s]; its bubble may have the messages in it, see `parts`.
    error : float
        How far off the kernels of an iteration may be, as far as that was measured [s].
    memory : tuple of RankMemory
        Of one GPU of each pipeline rank.
    chunks : tuple of ChunkTimes
        What each model chunk takes for a micro-batch, in the order of the model.
    message : Sent
        What a message to the next stage takes [s].
    flop : float
        Work of the model in an iteration, all replicas together, without recomputation [FLOP].
    hardware_flop : float
        With recomputation [FLOP].
    tokens : int
        Tokens of an iteration.
    """

    layout: Layout
    spent: dict[str, float]
    error: float
    memory: tuple[RankMemory, ...]
    chunks: tuple[ChunkTimes, ...]
    message: Sent
    flop: float
    hardware_flop: float
    tokens: int

    @property
    def time(self) -> float:
        """The iteration [s]."""
        return math.fsum(self.spent.values())

    @cached_property
    def parts(self) -> dict[str, float]:
        """What the time is made of, see `simcore.models.training.parallel.pipelining.PARTS` [s]."""
        return with_messages(self.layout, self.chunks, self.message, self.spent)

    @property
    def worst(self) -> RankMemory:
        """The rank that needs most memory."""
        return max(self.memory, key=lambda rank: rank.reserved)

    @property
    def flops(self) -> float:
        """Rate of the model's work on one GPU [FLOP/s]."""
        return self.flop / self.time / self.layout.gpus

    @property
    def hardware_flops(self) -> float:
        """Rate of all work on one GPU, recomputation included [FLOP/s]."""
        return self.hardware_flop / self.time / self.layout.gpus


class Evaluator:
    """Evaluates layouts of one model on one machine; what layouts share, such as a kernel's time, is computed once.

    Parameters
    ----------
    model : Transformer or LayeredModel
        The sizes.
    sequence : int
        Tokens of a sequence.
    machine : Machine
        Device and network.
    schedule : Scheduling, optional
        What makes the operators of a micro-batch, such as a `simcore.models.training.schedule.Schedule`.
    """

    def __init__(
        self, model: Architecture, sequence: int, machine: Machine, schedule: Scheduling = UNSCHEDULED
    ) -> None:
        self.model, self.sequence, self.machine, self.schedule = model, sequence, machine, schedule
        self._clocks: dict[str, KernelClock] = {}
        self._costs: dict[tuple[object, ...], dict[tuple[float, ...], tuple[SectionCost, ...]]] = {}
        self._placements: dict[tuple[int, ...], Placement] = {}
        self._work: dict[bool, tuple[float, float, float]] = {}
        self._cuts: dict[tuple[int, ...], list[list[Held]]] = {}
        self._timed: dict[tuple[object, ...], ChunkTimes] = {}
        self._runs: dict[tuple[object, ...], list[Run]] = {}
        self._sent: dict[tuple[object, ...], Replicas] = {}
        self._times: dict[tuple[object, ...], tuple[BlockTimes, ...]] = {}

    def afresh(self, machine: Machine | None = None) -> Evaluator:
        """Return another one of the same model and schedule, which has seen no layout."""
        return Evaluator(self.model, self.sequence, machine or self.machine, self.schedule)

    def evaluate(self, layout: Layout) -> Evaluation:
        """Return time and memory of an iteration.

        Raises
        ------
        InputError
            If the layout does not fit the model or the network, or the device lacks its number format.
        """
        layout = self.schedule.layout(layout, self.model)
        check_layout(layout, self.model, self.sequence)
        costs, placement = self.costs(layout), self.placement(layout)
        times = self._block_times(layout, costs, placement)
        cut = self._chunks(layout, costs)
        distinct = {id(chunk): chunk for chunk in cut}
        timed = {key: self._chunk_times(layout, chunk, costs, times, placement) for key, chunk in distinct.items()}
        replicas = self._replicas(layout, costs, placement, times) if layout.replicas > 1 else None
        run = {} if replicas is None else {key: self._runs_of(layout, chunk, costs) for key, chunk in distinct.items()}
        runs = [run[id(chunk)] for chunk in cut] if run else []
        if replicas is not None and layout.zero >= SHARDED:
            for key, own in run.items():
                timed[key] = _waiting(timed[key], replicas.of_pass(layout, own))
        chunks, of_rank = [timed[id(chunk)] for chunk in cut], chunks_of_ranks(layout)
        memory = rank_memories(self.model, layout, cut, costs)
        message = placement.message(self.message_bytes(layout)) if layout.pp > 1 else Sent()
        parts, error = pipeline_parts(layout, chunks, of_rank, message)
        update = {one: self.seconds_of_update(layout, one) for one in {rank.parameters for rank in memory}}
        updates = [update[one.parameters] for one in memory]
        once = None if layout.zero >= SHARDED else replicas
        late, parts["optimizer"] = ends(Pipeline(layout, chunks, of_rank, message, updates), once, runs)
        parts["data-parallel"] += late - parts["optimizer"]
        if self.machine.spread:
            kernels = math.fsum(parts[name] for name in KERNELS)
            parts["stragglers"] = slowest(self.machine.spread, layout.gpus) * kernels
        flop, again = self._flop(layout, costs)
        return Evaluation(
            layout, parts, error, memory, tuple(chunks), message, flop, flop + again,
            layout.global_batch * self.sequence,
        )  # fmt: skip

    def clock(self, layout: Layout) -> KernelClock:
        """Return the times of kernels in a layout's number formats."""
        form = layout.number_format
        if form.name not in self._clocks:
            products = profiled(self.machine.profile, 1 if form.products == "fp8" else form.element, form.products)
            others = profiled(self.machine.profile, form.element, form.others)
            self._clocks[form.name] = KernelClock(products, others, self.machine.stack, self.machine.tiles)
        return self._clocks[form.name]

    def kernel_notes(self, layout: Layout) -> list[str]:
        """Return what a reader must know of the kernels' times; with a stack data sheets are one of its terms."""
        notes = list(self.clock(layout).notes)
        return notes if self.machine.stack is None else [note for note in notes if not note.endswith(ESTIMATED)]

    def costs(self, layout: Layout) -> tuple[SectionCost, ...]:
        """Return what one repetition of each section costs."""
        key = (
            layout.micro_batch, layout.tp, layout.cp, layout.sequence_parallel, layout.exchange,
            layout.fused_attention, layout.causal_half, layout.splitter, layout.number_format.name,
            layout.stops_early, layout.overlap_tensor,
        )  # fmt: skip
        known = self._costs.setdefault(key, {})
        experts = layout.ep, layout.imbalance
        if experts not in known:
            known[experts] = self._section_costs(layout, next(iter(known.values()), ()))
        return known[experts]

    def operators(self, layout: Layout, *, routed: bool = False) -> OperatorList:
        """Return the operators of a micro-batch on one GPU, as the schedule leaves them.

        With `routed` it is those of blocks with experts alone.
        """
        return self.schedule.operators(self.model, self.sequence, layout, routed=routed)

    def _section_costs(self, layout: Layout, alike: tuple[SectionCost, ...]) -> tuple[SectionCost, ...]:
        """Return what sections cost; those without experts as in a layout `alike` but for expert parallelism."""
        clock, form = self.clock(layout), layout.number_format
        listed = self.operators(layout, routed=bool(alike))
        held = self.message_bytes(layout)
        early = layout.stops_early
        made = [section_cost(one, clock, form.element, held, early=early) for one in listed.sections]
        if not alike:
            return tuple(made)
        own = iter(made)
        return tuple(next(own) if one.experts else one for one in alike)

    def placement(self, layout: Layout) -> Placement:
        """Return where a layout's groups lie on the network."""
        key = layout.tp, layout.cp, layout.pp, layout.ep, layout.dp
        if key not in self._placements:
            machine = self.machine
            reached = 1.0 if machine.stack is None else machine.stack.network
            every = range(len(machine.bandwidths))
            topology, bandwidths = widened(machine.topology, machine.bandwidths, every, reached)
            self._placements[key] = Placement(topology, bandwidths, layout, machine.collectives)
        return self._placements[key]

    def _block_times(
        self, layout: Layout, costs: tuple[SectionCost, ...], placement: Placement
    ) -> tuple[BlockTimes, ...]:
        key = id(costs), id(placement)  # both are kept as long as this object
        if key not in self._times:
            self._times[key] = tuple(block_times(one, placement) for one in costs)
        return self._times[key]

    def _chunks(self, layout: Layout, costs: tuple[SectionCost, ...]) -> list[list[Held]]:
        """Return the model's chunks, equal ones as one object; they are cut alike whatever a section costs."""
        layers = layout.chunk_layers(total_blocks(self.model))
        if layers not in self._cuts:
            self._cuts[layers] = alike(chunks_of(costs, layers))
        return self._cuts[layers]

    def _chunk_times(
        self, layout: Layout, chunk: list[Held], costs: tuple[SectionCost, ...], times: tuple[BlockTimes, ...],
        placement: Placement,
    ) -> ChunkTimes:  # fmt: skip
        """Return what a chunk takes; with ZeRO-3 what its replicas send is added to it, so that it is its own."""
        key = id(chunk), id(times), layout.recompute, layout.recompute_layers
        if layout.zero >= SHARDED or key not in self._timed:
            made = chunk_times(layout, chunk, costs, times, placement)
            if layout.zero >= SHARDED:
                return made
            self._timed[key] = made
        return self._timed[key]

    def _runs_of(self, layout: Layout, chunk: list[Held], costs: tuple[SectionCost, ...]) -> list[Run]:
        """Return the repetitions of a chunk, as one object wherever they are the same."""
        key = id(chunk), layout.recompute, layout.recompute_layers
        if key not in self._runs:
            self._runs[key] = list(runs_of(layout, chunk, costs))
        return self._runs[key]

    def _replicas(
        self, layout: Layout, costs: tuple[SectionCost, ...], placement: Placement, times: tuple[BlockTimes, ...]
    ) -> Replicas:
        key = id(costs), id(placement), layout.zero, layout.overlap
        if key not in self._sent:
            self._sent[key] = Replicas(layout, placement, costs, times, self.message_bytes(layout))
        return self._sent[key]

    def message_bytes(self, layout: Layout) -> float:
        """Return what a GPU hands to the next stage, which a block also reads [B]."""
        return block_input(self.model, self.sequence, layout)

    def _flop_of_sequence(self, *, half: bool) -> tuple[float, float, float]:
        """Return the work of a forward pass on one sequence: of all, of the blocks, and of their attention's core."""
        if half not in self._work:
            self._work[half] = self._counted(Layout(fused_attention=False, causal_half=half))
        return self._work[half]

    def _counted(self, layout: Layout) -> tuple[float, float, float]:
        listed = sharded_operators(self.model, self.sequence, layout)
        of = [(section.path, section.count, one) for section in listed.sections for one in section.operators]
        blocks = [(count, one) for path, count, one in of if path]
        return (
            math.fsum(count * flop_of(one) for _, count, one in of),
            math.fsum(count * flop_of(one) for count, one in blocks),
            math.fsum(count * flop_of(one) for count, one in blocks if in_core(one)),
        )

    def _flop(self, layout: Layout, costs: tuple[SectionCost, ...]) -> tuple[float, float]:
        """Return the work of an iteration on all GPUs, and what recomputation adds [FLOP]."""
        whole, blocks, core = self._flop_of_sequence(half=layout.causal_half)
        sequences = layout.global_batch
        again = {Recompute.NONE: 0.0, Recompute.SELECTIVE: core, Recompute.FULL: blocks}[layout.recompute]
        if layout.recompute_layers is not None:
            marked = sum(one.count for one in costs if one.checkpointed)
            again *= min(1.0, (layout.recompute_layers * layout.chunks + marked) / total_blocks(self.model))
        return 3 * whole * sequences, again * sequences

    def seconds_of_update(self, layout: Layout, parameters: float) -> float:
        """Return the time of the optimizer's update of so many parameters of a GPU [s]."""
        own = parameters / layout.replicas if layout.zero else parameters
        call = adam_update(own, 1)
        return self.clock(layout).seconds(KernelCall(call.kernel, call.shape, dtype="fp32"), weights=False)[0]


def _waiting(times: ChunkTimes, waits: Waits) -> ChunkTimes:
    """Return what a chunk takes with what its turns wait for replicas."""
    times.forward.data = waits.forward
    if waits.alone:
        there, back, whole, weights = map(min, times.alone or waits.alone, waits.alone)
        times = replace(times, alone=(there, back, whole, weights))
    apart = waits.input_gradient + waits.weight_gradient
    if not apart:
        times.backward.data = waits.backward
        return times
    times.backward.data = apart
    return replace(times, scattered=waits.weight_gradient, hidden=apart - waits.backward)

"""Time and memory of a training iteration in closed form, for any layout of a transformer on a device and a network.

The parts of an iteration on the busiest pipeline rank add up to it: kernels of each pass, collectives that no kernel
hides, the pipeline's bubble and its messages, sums of gradients, and the update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from simcore.models.compute.compute_model import KernelCall, profiled
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.network.topology import Topology
from simcore.models.training.architecture import Transformer
from simcore.models.training.operator_maker import adam_update
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.costs import KernelClock, SectionCost, in_core, section_cost
from simcore.models.training.parallel.layout import Layout, Recompute, check_layout, total_blocks
from simcore.models.training.parallel.memory import RankMemory, block_input, rank_memories
from simcore.models.training.parallel.orders import FOLDED, Pipelined, turns_of
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.sharding import sharded_operators
from simcore.models.training.parallel.stage import (
    BlockTimes,
    ChunkTimes,
    Seconds,
    block_times,
    chunk_times,
    chunks_of,
    chunks_of_ranks,
)
from simcore.models.training.parallel.stages import StageTimes, play
from simcore.models.training.traffic import flop_of

PARTS = (
    "forward", "input gradient", "weight gradient", "recompute", "tensor-parallel", "context-parallel",
    "expert-parallel", "pipeline bubble", "pipeline messages", "data-parallel", "optimizer",
)  # fmt: skip
"""Parts of an iteration, which add up to it."""

PLAYED = frozenset({"zero-bubble", *FOLDED})
"""Orders whose iteration is played turn by turn; those of the others have a closed form."""


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
    """

    profile: KernelProfile
    topology: Topology
    bandwidths: tuple[float, ...]


@dataclass(frozen=True)
class Evaluation:
    """Time and memory of an iteration.

    Attributes
    ----------
    layout : Layout
        How it is spread.
    parts : dict of str to float
        What the busiest pipeline rank spends its time on, see `PARTS` [s].
    error : float
        How far off the kernels of an iteration may be, as far as that was measured [s].
    memory : tuple of RankMemory
        Of one GPU of each pipeline rank.
    chunks : tuple of ChunkTimes
        What each model chunk takes for a micro-batch, in the order of the model.
    message : float
        What a message to the next stage takes [s].
    flop : float
        Work of the model in an iteration, all replicas together, without recomputation [FLOP].
    hardware_flop : float
        With recomputation [FLOP].
    tokens : int
        Tokens of an iteration.
    """

    layout: Layout
    parts: dict[str, float]
    error: float
    memory: tuple[RankMemory, ...]
    chunks: tuple[ChunkTimes, ...]
    message: float
    flop: float
    hardware_flop: float
    tokens: int

    @property
    def time(self) -> float:
        """The iteration [s]."""
        return math.fsum(self.parts.values())

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
    model : Transformer
        The sizes.
    sequence : int
        Tokens of a sequence.
    machine : Machine
        Device and network.
    """

    def __init__(self, model: Transformer, sequence: int, machine: Machine) -> None:
        self.model, self.sequence, self.machine = model, sequence, machine
        self._clocks: dict[str, KernelClock] = {}
        self._costs: dict[tuple[object, ...], tuple[SectionCost, ...]] = {}
        self._placements: dict[tuple[int, ...], Placement] = {}
        self._times: dict[tuple[object, ...], tuple[BlockTimes, ...]] = {}

    def evaluate(self, layout: Layout) -> Evaluation:
        """Return time and memory of an iteration.

        Raises
        ------
        InputError
            If the layout does not fit the model or the network, or the device lacks its number format.
        """
        check_layout(layout, self.model, self.sequence)
        costs, placement = self.costs(layout), self.placement(layout)
        times = self._block_times(layout, costs, placement)
        cut = chunks_of(costs, layout.chunk_layers(total_blocks(self.model)))
        chunks = [chunk_times(layout, chunk, costs, times) for chunk in cut]
        of_rank = chunks_of_ranks(layout)
        memory = rank_memories(self.model, layout, cut, costs)
        message = placement.message(self.message_bytes(layout)) if layout.pp > 1 else 0.0
        busiest, parts, error = _pipeline(layout, chunks, of_rank, message)
        update = self._update(layout, memory[busiest].parameters)
        own = of_rank[busiest]
        dense = sum(costs[one.section].dense * one.count for chunk in own for one in cut[chunk])
        experts = memory[busiest].parameters - dense
        parts["data-parallel"] = data_parallel(layout, placement, dense, experts, [chunks[one] for one in own])
        parts["optimizer"] = update
        flop, again = self._flop(layout)
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
            self._clocks[form.name] = KernelClock(products, others)
        return self._clocks[form.name]

    def costs(self, layout: Layout) -> tuple[SectionCost, ...]:
        """Return what one repetition of each section costs."""
        key = (
            layout.micro_batch, layout.tp, layout.cp, layout.ep, layout.sequence_parallel, layout.exchange,
            layout.fused_attention, layout.imbalance, layout.number_format.name,
        )  # fmt: skip
        if key not in self._costs:
            clock, form = self.clock(layout), layout.number_format
            listed = sharded_operators(self.model, self.sequence, layout)
            held = self.message_bytes(layout)
            self._costs[key] = tuple(section_cost(one, clock, form.element, held) for one in listed.sections)
        return self._costs[key]

    def placement(self, layout: Layout) -> Placement:
        """Return where a layout's groups lie on the network."""
        key = layout.tp, layout.cp, layout.pp, layout.ep, layout.dp
        if key not in self._placements:
            self._placements[key] = Placement(self.machine.topology, self.machine.bandwidths, layout)
        return self._placements[key]

    def _block_times(
        self, layout: Layout, costs: tuple[SectionCost, ...], placement: Placement
    ) -> tuple[BlockTimes, ...]:
        key = id(costs), id(placement)  # both are kept as long as this object
        if key not in self._times:
            self._times[key] = tuple(block_times(one, placement) for one in costs)
        return self._times[key]

    def message_bytes(self, layout: Layout) -> float:
        """Return what a GPU hands to the next stage, which a block also reads [B]."""
        return block_input(self.model, self.sequence, layout)

    @cached_property
    def _flop_of_sequence(self) -> tuple[float, float, float]:
        """Return the work of a forward pass on one sequence: of all, of the blocks, and of their attention's core."""
        listed = sharded_operators(self.model, self.sequence, Layout())
        of = [(section.path, section.count, one) for section in listed.sections for one in section.operators]
        blocks = [(count, one) for path, count, one in of if path]
        return (
            math.fsum(count * flop_of(one) for _, count, one in of),
            math.fsum(count * flop_of(one) for count, one in blocks),
            math.fsum(count * flop_of(one) for count, one in blocks if in_core(one)),
        )

    def _flop(self, layout: Layout) -> tuple[float, float]:
        """Return the work of an iteration on all GPUs, and what recomputation adds [FLOP]."""
        whole, blocks, core = self._flop_of_sequence
        sequences = layout.global_batch
        again = {Recompute.NONE: 0.0, Recompute.SELECTIVE: core, Recompute.FULL: blocks}[layout.recompute]
        if layout.recompute_layers is not None:
            again *= min(
                1.0, layout.recompute_layers * layout.chunks / sum(layout.chunk_layers(total_blocks(self.model)))
            )
        return 3 * whole * sequences, again * sequences

    def _update(self, layout: Layout, parameters: float) -> float:
        """Return the time of the optimizer's update [s]."""
        own = parameters / layout.replicas if layout.zero else parameters
        call = adam_update(own, 1)
        return self.clock(layout).seconds(KernelCall(call.kernel, call.shape, dtype="fp32"), weights=False)[0]


def data_parallel(
    layout: Layout, placement: Placement, dense: float, experts: float, chunks: Sequence[ChunkTimes]
) -> float:
    """Return what summing gradients, and gathering weights, takes that no compute hides [s].

    Without ZeRO-3 gradients are summed bucket by bucket while the last micro-batch goes back; what comes after its last
    bucket is exposed, and so is what takes longer than the pass. ZeRO-1 and 2 gather the updated weights while the next
    iteration goes forward. ZeRO-3 and FSDP gather each block's weights a block ahead in both passes of every
    micro-batch, and reduce-scatter its gradients.

    Parameters
    ----------
    layout : Layout
        How the iteration is spread.
    placement : Placement
        Where its groups lie.
    dense, experts : float
        Parameters of the GPU, apart from those of experts, and of its experts.
    chunks : sequence of ChunkTimes
        The GPU's model chunks.
    """
    if layout.replicas == 1:
        return 0.0
    form = layout.number_format
    sums = ((Axis.DATA, dense), (Axis.EXPERT_DATA, experts)) if layout.ep > 1 else ((Axis.DATA, dense + experts),)

    def of(collective: Collective, each: float) -> float:
        total = 0.0
        for axis, parameters in sums:
            size = each * parameters
            if collective is Collective.ALL_GATHER:
                size /= placement.groups.degree(axis)
            total += placement.seconds(Communication(collective, size, axis)) if parameters else 0.0
        return total

    forward, backward = (math.fsum(getattr(one, name).total for one in chunks) for name in ("forward", "backward"))
    if layout.zero >= 3:
        blocks = max(1, sum(one.blocks for one in chunks))
        gather, scatter = of(Collective.ALL_GATHER, form.element), of(Collective.REDUCE_SCATTER, form.gradient)
        ahead = (blocks - 1) / blocks if layout.overlap else 0.0
        there = gather / blocks + max(0.0, ahead * (gather - forward))
        back = max(scatter, gather) / blocks + max(0.0, ahead * (gather + scatter - backward))
        if not layout.overlap:
            there, back = gather, gather + scatter
        return layout.micro_batches * (there + back)
    reduce = of(Collective.REDUCE_SCATTER if layout.zero else Collective.ALL_REDUCE, form.gradient)
    gather = of(Collective.ALL_GATHER, form.element) if layout.zero else 0.0
    if not layout.overlap:
        return reduce + gather
    buckets = max(1.0, form.gradient * (dense + experts) / layout.bucket)
    tail = reduce / buckets
    return max(tail, reduce - (1 - 1 / buckets) * backward) + max(gather / buckets, gather - forward)


def _pipeline(
    layout: Layout, chunks: Sequence[ChunkTimes], of_rank: Sequence[Sequence[int]], message: float
) -> tuple[int, dict[str, float], float]:
    """Return the busiest pipeline rank, what it spends its time on [s], and how far off that may be [s]."""
    spent = []
    for own in of_rank:
        each = Seconds()
        for chunk in own:
            each.add(chunks[chunk].forward)
            each.add(chunks[chunk].backward)
        spent.append(each)
    totals = [each.total for each in spent]
    busiest = max(range(len(totals)), key=totals.__getitem__)
    m, one = layout.micro_batches, spent[busiest]
    parts = dict.fromkeys(PARTS, 0.0)
    for name, part in (
        ("forward", one.forward), ("input gradient", one.input_gradient), ("weight gradient", one.weight_gradient),
        ("recompute", one.recompute), ("tensor-parallel", one.tensor), ("context-parallel", one.context),
        ("expert-parallel", one.expert),
    ):  # fmt: skip
        parts[name] = m * part
    if layout.pp > 1:
        work = m * totals[busiest]
        if layout.order in PLAYED or _uneven(totals):
            parts["pipeline bubble"] = played_seconds(layout, chunks, 0.0) - work
            parts["pipeline messages"] = played_seconds(layout, chunks, message) - work - parts["pipeline bubble"]
        else:
            parts["pipeline bubble"] = (sum(totals) - totals[busiest]) / layout.vp
            parts["pipeline messages"] = messages(layout, message)
    return busiest, parts, m * one.error


def messages(layout: Layout, message: float) -> float:
    """Return what messages between even stages add to an iteration [s]; it is exact where m is a multiple of p.

    In 1F1B stages wait for 2 (p - 1) messages in each round of p micro-batches, and for 2 (p - 2) in all besides. In
    the other orders they hide behind other micro-batches but for the way through all chunks and back, 2 (p v - 1), of
    which many micro-batches hide all but 2 (p - 1) where chunks are looped.

    Examples
    --------
    >>> messages(Layout(pp=4, micro_batches=8), 1.0), messages(Layout(pp=4, micro_batches=8, order="GPipe"), 1.0)
    (16.0, 6.0)
    """
    p, m = layout.pp, layout.micro_batches
    if layout.order == "1F1B":
        return (2.0 * (p - 1) * m / p + 2.0 * (p - 2)) * message
    hidden = layout.order == "looped" and m > p
    return 2.0 * ((p if hidden else layout.chunks) - 1) * message


UNEVEN = 0.01
"""Ranks whose times for a micro-batch differ by more than this share are played turn by turn."""


def _uneven(totals: Sequence[float]) -> bool:
    """Say whether ranks before the last one, which the output layer makes longer, differ among each other."""
    most = max(totals)
    ahead = totals[:-1]
    return max(ahead) - min(ahead) > UNEVEN * most or totals[-1] < (1 - UNEVEN) * max(ahead)


def played_seconds(layout: Layout, chunks: Sequence[ChunkTimes], message: float) -> float:
    """Return the time of a pipeline's turns [s]; once it is full, each further round of p micro-batches takes as long.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    chunks : sequence of ChunkTimes
        What each model chunk takes, in the order of the model.
    message : float
        A message to the next stage [s].
    """
    p, m = layout.pp, layout.micro_batches
    stages = [stage_times(chunk) for chunk in chunks]

    def of(micro_batches: int) -> float:
        size = Pipelined(p, micro_batches, layout.vp)
        return play(layout.order, size, turns_of(layout.order, size), stages, message).seconds

    rounds = (m - 4 * p) // p
    if rounds <= 1:
        return of(m)
    full = m - rounds * p
    whole = of(full)
    return whole + rounds * (whole - of(full - p))


def stage_times(chunk: ChunkTimes) -> StageTimes:
    """Return the passes of a chunk as turns have them: recomputation belongs to the input gradient."""
    weights = chunk.backward.weight_gradient
    return StageTimes(chunk.forward.total, chunk.backward.total - weights, weights)


def with_batch(layout: Layout, global_batch: int) -> Layout:
    """Return a layout whose micro-batches make up a global batch."""
    return replace(layout, micro_batches=global_batch // (layout.dp * layout.micro_batch))

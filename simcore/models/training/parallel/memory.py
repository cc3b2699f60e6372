"""What one GPU holds in a training iteration: weights, gradients, optimizer state, activations, and what is passing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.costs import LOSS, SectionCost, Untimed, section_cost
from simcore.models.training.parallel.counted import most_held
from simcore.models.training.parallel.layout import Layout, Recompute, check_layout, total_blocks
from simcore.models.training.parallel.orders import Pipelined, turns_of
from simcore.models.training.parallel.sharding import block_input, sharded_operators
from simcore.models.training.parallel.stage import Held, chunks_of, chunks_of_ranks, recomputed

KINDS = ("weights", "gradients", "optimizer", "activations", "logits", "recomputed block", "communication", "workspace")
"""Kinds of memory, in the order in which they are shown."""

WORKSPACE = 64 * 2**20
"""Workspace of the libraries of matrix products, as torch gives cuBLAS one per stream: 32 MiB on Hopper, two streams
[B]. Assumed elsewhere too."""

CONTEXT = 0.75e9
"""What a CUDA context with its modules and NCCL's buffers take beside torch's memory [B]; assumed, 0.5 to 1 GB are
usual."""

FRAGMENTED = 0.06
"""Share of activations and temporary memory that torch's allocator reserves beyond what is allocated; assumed."""

LOGITS = 6
"""Bytes of a logit at the loss [B]: itself and its exponential in fp32 going forward, that and its gradient going back.
"""

PROBABILITIES = 4
"""Bytes of a logit that the loss keeps until its backward pass: its exponential in fp32 [B]."""


@dataclass(frozen=True)
class Kept:
    """What a rank keeps of a micro-batch.

    Attributes
    ----------
    pieces : tuple of (SectionCost, int, int)
        Sections, with their repetitions and how many of these are recomputed.
    full : bool
        Whether all of a repetition is recomputed, or attention's core.
    """

    pieces: tuple[tuple[SectionCost, int, int], ...]
    full: bool

    @property
    def bytes(self) -> float:
        """All activations [B]."""
        return math.fsum(
            (count - again) * section.kept_aside + again * (section.input if self.full else section.kept_selective)
            for section, count, again in self.pieces
        )

    def operators(self, share: float) -> dict[str, float]:
        """Return activations by operator, of so many micro-batches [B]."""
        kept: dict[str, float] = {}
        for section, count, again in self.pieces:
            before = f"{section.path}." if section.path else ""
            again_kept = {"input": section.input} if self.full else section.saved_selective
            for times, saved in ((count - again, section.saved), (again, again_kept)):
                for path, size in saved.items() if times else ():
                    if path != LOSS:
                        kept[before + path] = kept.get(before + path, 0.0) + share * times * size
        return kept


@dataclass(frozen=True)
class RankMemory:
    """What one GPU of a pipeline rank holds at its peak.

    Attributes
    ----------
    rank : int
        Pipeline rank, from 0.
    kinds : mapping of str to float
        Bytes by kind, see `KINDS` [B].
    kept : Kept
        Whose activations it holds.
    share : float
        Micro-batches in flight, for each of its model chunks.
    parameters : float
        Parameters that it holds; of experts its own.
    loss, block : float
        What the loss holds, and the backward pass of a block, beside activations [B]; the larger one is in `kinds`.
    """

    rank: int
    kinds: Mapping[str, float]
    kept: Kept = field(compare=False)
    share: float = 1.0
    parameters: float = 0.0
    loss: float = 0.0
    block: float = 0.0

    @property
    def operators(self) -> Mapping[str, float]:
        """Activations by operator [B]."""
        return self.kept.operators(self.share)

    @property
    def allocated(self) -> float:
        """All of it [B]."""
        return math.fsum(self.kinds.values())

    @property
    def state(self) -> float:
        """What it holds between iterations: weights, gradients and optimizer state [B]."""
        return self.kinds["weights"] + self.kinds["gradients"] + self.kinds["optimizer"]

    def of_rank(self, rank: int, share: float) -> RankMemory:
        """Return the memory of a like rank that holds so many times the micro-batches."""
        kinds = {**self.kinds, "activations": share * self.kinds["activations"]}
        return RankMemory(rank, kinds, self.kept, share * self.share, self.parameters, self.loss, self.block)

    @property
    def reserved(self) -> float:
        """What torch's allocator takes of the device, with the context beside it [B]."""
        return self.allocated + FRAGMENTED * (self.allocated - self.state) + CONTEXT


@lru_cache(maxsize=4096)
def held_micro_batches(order: str, pp: int, vp: int, micro_batches: int) -> tuple[int, ...]:
    """Return how many micro-batches each pipeline rank holds at most, counted by model chunk.

    Examples
    --------
    >>> held_micro_batches("1F1B", 4, 1, 8), held_micro_batches("GPipe", 2, 1, 8)
    ((4, 3, 2, 1), (8, 8))
    """
    if pp == 1:
        return (1,)
    every = vp * micro_batches
    if order in {"GPipe", "looped"}:
        return (every,) * pp
    if order in {"1F1B", "interleaved"}:  # one more than the forward passes that a rank takes ahead
        each = micro_batches // max(1, micro_batches // pp)
        ahead = (vp - 1) * each if order == "interleaved" else 0
        steps = 2 if order == "interleaved" else 1
        return tuple(min(every, ahead + steps * (pp - 1 - rank) + 1) for rank in range(pp))
    return tuple(most_held(turns) for turns in turns_of(order, Pipelined(pp, micro_batches, vp)))


def in_flight(layout: Layout) -> tuple[int, ...]:
    """Return what `held_micro_batches` does; of orders that do not hold all it is that of a short iteration."""
    m = layout.micro_batches
    if layout.order not in {"GPipe", "looped"}:
        enough = 3 * layout.pp
        m = min(m, enough if m % layout.pp == 0 else enough + m % layout.pp)
    return held_micro_batches(layout.order, layout.pp, layout.vp, m)


def memory_of(model: Architecture, sequence: int, layout: Layout) -> tuple[RankMemory, ...]:
    """Return what one GPU of each pipeline rank holds; neither a device nor a network is needed.

    Parameters
    ----------
    model : Transformer or LayeredModel
        The sizes.
    sequence : int
        Tokens of a sequence.
    layout : Layout
        How the iteration is spread.

    Raises
    ------
    InputError
        If the layout does not fit the model.

    Examples
    --------
    >>> gpt = Transformer("gpt", hidden=64, blocks=2, heads=8)
    >>> memory_of(gpt, 128, Layout())[0].state == 18 * 2 * (12 * 64 * 64 + 2 * 64)
    True
    """
    check_layout(layout, model, sequence)
    listed = sharded_operators(model, sequence, layout)
    element, held = layout.number_format.element, block_input(model, sequence, layout)
    costs = tuple(section_cost(one, Untimed(), element, held) for one in listed.sections)
    return rank_memories(model, layout, chunks_of(costs, layout.chunk_layers(total_blocks(model))), costs)


def rank_memories(
    model: Architecture, layout: Layout, chunks: Sequence[Sequence[Held]], sections: Sequence[SectionCost]
) -> tuple[RankMemory, ...]:
    """Return what one GPU of each pipeline rank holds, from the model's chunks."""
    known: dict[tuple[float, ...], RankMemory] = {}  # of chunks that are one object, with one micro-batch in flight
    memory = []
    for (rank, own), held in zip(enumerate(chunks_of_ranks(layout)), in_flight(layout), strict=True):
        tied, cut = tied_copy(model, layout, own), [chunks[chunk] for chunk in own]
        key = (tied, *map(id, cut))
        if key not in known:
            known[key] = rank_memory(layout, rank, cut, sections, len(cut), tied)
        memory.append(known[key].of_rank(rank, held / len(cut)))
    return tuple(memory)


def tied_copy(model: Architecture, layout: Layout, chunks: Sequence[int]) -> float:
    """Return the parameters of a second copy of the table of tokens, where an output layer shares it with another rank.

    Examples
    --------
    >>> gpt = Transformer("gpt", hidden=8, blocks=2, vocabulary=100)
    >>> tied_copy(gpt, Layout(pp=2), [1]), tied_copy(gpt, Layout(), [0])
    (800.0, 0.0)
    """
    if (
        not isinstance(model, Transformer)
        or model.vocabulary is None
        or model.outputs is not None
        or 0 in chunks
        or layout.chunks - 1 not in chunks
    ):
        return 0.0
    return model.vocabulary * model.hidden / layout.tp


def rank_memory(
    layout: Layout,
    rank: int,
    chunks: Sequence[Sequence[Held]],
    sections: Sequence[SectionCost],
    held: int,
    tied: float = 0.0,
) -> RankMemory:
    """Return what one GPU of a pipeline rank holds.

    Parameters
    ----------
    layout : Layout
        How the iteration is spread.
    rank : int
        Pipeline rank, from 0.
    chunks : sequence of sequence of Held
        Its model chunks.
    sections : sequence of SectionCost
        Of the whole model.
    held : int
        Micro-batches that it holds at most, counted by chunk.
    tied : float
        Parameters beside those of its sections, see `tied_copy`.

    References
    ----------
    Weights, gradients and optimizer state: Rajbhandari et al., ZeRO, SC 2020. Activations: Korthikanti et al., Reducing
    Activation Recomputation in Large Transformer Models, MLSys 2023.
    """
    form = layout.number_format
    pieces = [(sections[one.section], one.count, again) for chunk in chunks
              for one, again in recomputed(layout, chunk, sections)]  # fmt: skip
    dense = tied + math.fsum(count * section.dense for section, count, _ in pieces)
    experts = math.fsum(count * section.experts for section, count, _ in pieces)
    sharded = dense / layout.replicas + experts * layout.ep / layout.replicas
    whole = dense + experts
    kinds = dict.fromkeys(KINDS, 0.0)
    kinds["weights"] = form.weight * (sharded if layout.zero >= 3 else whole)
    kinds["gradients"] = form.gradient * (sharded if layout.zero >= 2 else whole)
    kinds["optimizer"] = form.optimizer * (sharded if layout.zero >= 1 else whole)
    kept, share = Kept(tuple(pieces), layout.recompute is Recompute.FULL), held / len(chunks)
    kinds["activations"] = share * kept.bytes
    kinds["communication"] = _passing(layout, pieces, whole)
    loss, block = _loss(layout, pieces), _block(layout, pieces)
    kinds["logits" if loss >= block else "recomputed block"] = max(loss, block)
    kinds["workspace"] = float(WORKSPACE)
    return RankMemory(rank, kinds, kept, share, whole, loss, block)


def _loss(layout: Layout, pieces: Sequence[tuple[SectionCost, int, int]]) -> float:
    """Return what the loss holds beside activations [B]; orders without a backward pass between hold all of it."""
    logits = max((section.logits for section, _, _ in pieces), default=0.0)
    waiting = layout.micro_batches - 1 if layout.order in {"GPipe", "looped"} else 0
    return logits * (LOGITS + waiting * PROBABILITIES)


def _block(layout: Layout, pieces: Sequence[tuple[SectionCost, int, int]]) -> float:
    """Return what the backward pass of a block holds beside what was kept [B]."""
    live = max((section.live for section, _, _ in pieces if not section.logits), default=0.0)
    again_kept = [section.kept for section, _, again in pieces if again]
    full = layout.recompute is Recompute.FULL
    gathered = 0.0
    if layout.sequence_parallel and layout.tp > 1:
        gathered = max((section.input * layout.tp for section, _, _ in pieces if section.path), default=0.0)
    return live + gathered + (max(again_kept, default=0.0) if full else _core(pieces))


def _core(pieces: Sequence[tuple[SectionCost, int, int]]) -> float:
    """Return what the core of attention that is recomputed holds meanwhile [B]."""
    return max((section.kept - section.kept_selective for section, _, again in pieces if again), default=0.0)


def _passing(layout: Layout, pieces: Sequence[tuple[SectionCost, int, int]], whole: float) -> float:
    """Return buffers of collectives [B]: weights gathered for two blocks, a bucket of gradients."""
    form, size = layout.number_format, 0.0
    largest = max((section.dense + section.experts for section, _, _ in pieces), default=0.0)
    if layout.zero >= 3 and layout.replicas > 1:
        size += 2 * form.element * largest + form.gradient * largest
        if layout.pp > 1:  # gathered weights stay, and gradients add up whole, until the last micro-batch
            size += (form.element + form.gradient) * whole
    elif layout.zero == 2 and layout.replicas > 1:
        size += min(layout.bucket, form.gradient * whole)
    return size

"""What one GPU holds in a training iteration: weights, gradients, optimizer state, activations, and what is passing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from simcore.models.training.parallel.costs import SectionCost
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.orders import Pipelined, turns_of
from simcore.models.training.parallel.stage import Held, recomputed
from simcore.models.training.parallel.stages import most_held

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

LOGITS = 8
"""Bytes that the loss holds of a logit beside itself: a copy in fp32, and its gradient [B]."""


@dataclass(frozen=True)
class RankMemory:
    """What one GPU of a pipeline rank holds at its peak.

    Attributes
    ----------
    rank : int
        Pipeline rank, from 0.
    kinds : mapping of str to float
        Bytes by kind, see `KINDS` [B].
    operators : mapping of str to float
        Activations by operator [B].
    parameters : float
        Parameters that it holds; of experts its own.
    """

    rank: int
    kinds: Mapping[str, float]
    operators: Mapping[str, float] = field(default_factory=dict)
    parameters: float = 0.0

    @property
    def allocated(self) -> float:
        """All of it [B]."""
        return math.fsum(self.kinds.values())

    @property
    def state(self) -> float:
        """What it holds between iterations: weights, gradients and optimizer state [B]."""
        return self.kinds["weights"] + self.kinds["gradients"] + self.kinds["optimizer"]

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


def rank_memory(
    layout: Layout, rank: int, chunks: Sequence[Sequence[Held]], sections: Sequence[SectionCost], held: int
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

    References
    ----------
    Weights, gradients and optimizer state: Rajbhandari et al., ZeRO, SC 2020. Activations: Korthikanti et al., Reducing
    Activation Recomputation in Large Transformer Models, MLSys 2023.
    """
    form = layout.number_format
    pieces = [(sections[one.section], one.count, again) for chunk in chunks
              for one, again in recomputed(layout, chunk, sections)]  # fmt: skip
    dense = math.fsum(count * section.dense for section, count, _ in pieces)
    experts = math.fsum(count * section.experts for section, count, _ in pieces)
    sharded = dense / layout.replicas + experts * layout.ep / layout.replicas
    whole = dense + experts
    kinds = dict.fromkeys(KINDS, 0.0)
    kinds["weights"] = form.weight * (sharded if layout.zero >= 3 else whole)
    kinds["gradients"] = form.gradient * (sharded if layout.zero >= 2 else whole)
    kinds["optimizer"] = form.optimizer * (sharded if layout.zero >= 1 else whole)
    operators: dict[str, float] = {}
    share = held / len(chunks)
    for section, count, again in pieces:
        _keep(operators, section, count, again, share, layout)
    kinds["activations"] = math.fsum(operators.values())
    logits = max((section.logits for section, _, _ in pieces), default=0.0)
    kinds["logits"] = LOGITS * logits
    live = max((section.live for section, _, _ in pieces if not section.logits), default=0.0)
    again_kept = [section.kept for section, _, again in pieces if again]
    full = layout.recompute is Recompute.FULL
    kinds["recomputed block"] = live + (max(again_kept, default=0.0) if full else _core(pieces))
    kinds["communication"] = _passing(layout, pieces, whole)
    kinds["workspace"] = float(WORKSPACE)
    return RankMemory(rank, kinds, operators, whole)


def _keep(
    operators: dict[str, float], section: SectionCost, count: int, again: int, share: float, layout: Layout
) -> None:
    """Add what the repetitions of a section keep of all micro-batches in flight."""
    full = layout.recompute is Recompute.FULL
    for path, size in section.saved.items():
        name = f"{section.path}.{path}" if section.path else path
        operators[name] = operators.get(name, 0.0) + share * (count - again) * size
    if again and full:
        name = f"{section.path}.input"
        operators[name] = operators.get(name, 0.0) + share * again * section.input
    elif again:
        for path, size in section.saved_selective.items():
            name = f"{section.path}.{path}"
            operators[name] = operators.get(name, 0.0) + share * again * size


def _core(pieces: Sequence[tuple[SectionCost, int, int]]) -> float:
    """Return what the core of attention that is recomputed holds meanwhile [B]."""
    return max((section.kept - section.kept_selective for section, _, again in pieces if again), default=0.0)


def _passing(layout: Layout, pieces: Sequence[tuple[SectionCost, int, int]], whole: float) -> float:
    """Return buffers of collectives [B]: weights gathered for two blocks, a bucket of gradients, a gathered input."""
    form, size = layout.number_format, 0.0
    largest = max((section.dense + section.experts for section, _, _ in pieces), default=0.0)
    if layout.zero >= 3 and layout.replicas > 1:
        size += 2 * form.element * largest + form.gradient * largest
    elif layout.zero == 2 and layout.replicas > 1:
        size += min(layout.bucket, form.gradient * whole)
    if layout.sequence_parallel and layout.tp > 1:
        size += max((section.input * layout.tp for section, _, _ in pieces if section.path), default=0.0)
    return size

"""What one model chunk of a pipeline costs: the sections that lie in it, with their collectives on a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simcore.models.network.mapping import Axis
from simcore.models.training.parallel.costs import PassCost, SectionCost
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.orders import FOLDED
from simcore.models.training.parallel.placement import Placement


@dataclass
class Seconds:
    """What a micro-batch spends in some layers [s].

    Attributes
    ----------
    forward, input_gradient, weight_gradient, recompute : float
        Kernels of each pass.
    tensor, context, expert : float
        Collectives of each group that no kernel hides.
    data : float
        Gathered weights and scattered gradients of ZeRO-3 that no kernel hides.
    error : float
        How far off the kernels may be.
    """

    forward: float = 0.0
    input_gradient: float = 0.0
    weight_gradient: float = 0.0
    recompute: float = 0.0
    tensor: float = 0.0
    context: float = 0.0
    expert: float = 0.0
    data: float = 0.0
    error: float = 0.0

    def add(self, other: Seconds, times: float = 1.0) -> None:
        """Add so many times another one."""
        self.forward += times * other.forward
        self.input_gradient += times * other.input_gradient
        self.weight_gradient += times * other.weight_gradient
        self.recompute += times * other.recompute
        self.tensor += times * other.tensor
        self.context += times * other.context
        self.expert += times * other.expert
        self.data += times * other.data
        self.error += times * other.error

    @property
    def total(self) -> float:
        """All of it [s]."""
        return (
            self.forward + self.input_gradient + self.weight_gradient + self.recompute
            + self.tensor + self.context + self.expert + self.data
        )  # fmt: skip


_GROUP = {Axis.TENSOR: "tensor", Axis.CONTEXT: "context", Axis.EXPERT: "expert"}


def exposed(cost: PassCost, placement: Placement) -> dict[str, float]:
    """Return what one pass waits for collectives, by group [s]: all of those that block, and the rest of others."""
    waits = {"tensor": 0.0, "context": 0.0, "expert": 0.0}
    for sent in cost.blocking:
        waits[_GROUP[sent.axis]] += placement.seconds(sent)
    for together, kernels in cost.hidden:
        left = kernels
        for sent in together:  # collectives of one operator share what its kernels take
            seconds = placement.seconds(sent)
            waits[_GROUP[sent.axis]] += max(0.0, seconds - left)
            left = max(0.0, left - seconds)
    return waits


@dataclass(frozen=True)
class BlockTimes:
    """What a repetition of a section takes on a network.

    Attributes
    ----------
    forward, backward, selective, full : Seconds
        Forward pass, backward pass without recomputation, and what recomputing attention's core or all of it adds.
    """

    forward: Seconds
    backward: Seconds
    selective: Seconds
    full: Seconds


def block_times(cost: SectionCost, placement: Placement) -> BlockTimes:
    """Return what one repetition of a section takes; recomputing all of it repeats its collectives too."""
    forward = Seconds(forward=cost.forward.kernels, error=cost.forward.error, **exposed(cost.forward, placement))
    backward = Seconds(
        input_gradient=cost.input_gradient.kernels, weight_gradient=cost.weight_gradient.kernels,
        error=cost.input_gradient.error + cost.weight_gradient.error, **exposed(cost.input_gradient, placement),
    )  # fmt: skip
    selective = Seconds(recompute=cost.core.kernels, error=cost.core.error, **exposed(cost.core, placement))
    full = Seconds(recompute=cost.again.kernels, error=cost.again.error, **exposed(cost.again, placement))
    return BlockTimes(forward, backward, selective, full)


@dataclass(frozen=True)
class Held:
    """Sections of one model chunk.

    Attributes
    ----------
    section : int
        Index in the model's list.
    count : int
        Repetitions of it in this chunk.
    """

    section: int
    count: int


def chunks_of(sections: Sequence[SectionCost], layers: Sequence[int]) -> list[list[Held]]:
    """Cut sections into model chunks; what stands around the blocks goes with the block after it, or the last one.

    Parameters
    ----------
    sections : sequence of SectionCost
        Of the whole model, in order.
    layers : sequence of int
        Blocks of each chunk.

    Examples
    --------
    >>> idle = PassCost()
    >>> block = SectionCost("block", 5, idle, idle, idle, idle, 1.0, 0.0)
    >>> around = SectionCost("", 1, idle, idle, idle, idle, 1.0, 0.0)
    >>> [[(one.section, one.count) for one in chunk] for chunk in chunks_of([around, block, around], [2, 3])]
    [[(0, 1), (1, 2)], [(1, 3), (2, 1)]]
    """
    chunks: list[list[Held]] = [[] for _ in layers]
    left = list(layers)
    at = 0
    for index, section in enumerate(sections):
        count = section.count
        if not section.path:
            following = any(later.path for later in sections[index + 1 :])
            while following and left[at] == 0:
                at += 1
            chunks[at if following else -1].append(Held(index, count))
            continue
        while count:
            if left[at] == 0:
                at += 1
            taken = min(count, left[at])
            chunks[at].append(Held(index, taken))
            left[at] -= taken
            count -= taken
    return chunks


def chunks_of_ranks(layout: Layout) -> list[list[int]]:
    """Return the model chunks of each pipeline rank."""
    p, v = layout.pp, layout.vp
    if layout.order in FOLDED and v == 2:
        return [[rank, 2 * p - 1 - rank] for rank in range(p)]
    return [[chunk * p + rank for chunk in range(v)] for rank in range(p)]


def alike(chunks: Sequence[list[Held]]) -> list[list[Held]]:
    """Return chunks with the first of equal ones in place of each, so that what they come to is found once."""
    known: dict[tuple[tuple[int, int], ...], list[Held]] = {}
    return [known.setdefault(tuple((one.section, one.count) for one in chunk), chunk) for chunk in chunks]


def recomputed(layout: Layout, chunk: Sequence[Held], sections: Sequence[SectionCost]) -> Iterator[tuple[Held, int]]:
    """Yield the sections of a chunk with how many of their repetitions are recomputed.

    Of blocks it is the first ones, and those that a schedule says.
    """
    left = layout.recompute_layers if layout.recompute_layers is not None else sum(held.count for held in chunk)
    for held in chunk:
        again = 0
        if sections[held.section].checkpointed:
            again = held.count
        elif sections[held.section].path and layout.recompute is not Recompute.NONE:
            again = min(held.count, left)
            left -= again
        yield held, again


@dataclass(frozen=True)
class ChunkTimes:
    """What a model chunk takes for a micro-batch.

    Attributes
    ----------
    forward, backward : Seconds
        Its passes, with recomputation in the backward one.
    blocks : int
        Blocks in it.
    scattered : float
        What of the backward pass a turn of weight gradients waits for replicas, where it is apart [s].
    hidden : float
        How much less a backward pass waits for them that is one turn, where others are apart [s].
    alone : tuple of float
        See `simcore.models.training.parallel.stages.StageTimes`.
    """

    forward: Seconds
    backward: Seconds
    blocks: int
    scattered: float = 0.0
    hidden: float = 0.0
    alone: tuple[float, float, float, float] | tuple[()] = ()


def chunk_times(
    layout: Layout, chunk: Sequence[Held], sections: Sequence[SectionCost], times: Sequence[BlockTimes],
    placement: Placement,
) -> ChunkTimes:  # fmt: skip
    """Return what a model chunk takes for a micro-batch.

    Parameters
    ----------
    layout, chunk, sections
        As of `recomputed`.
    times : sequence of BlockTimes
        What repetitions take.
    placement : Placement
        Where groups lie.
    """
    forward, backward = Seconds(), Seconds()
    for held, again in recomputed(layout, chunk, sections):
        each = times[held.section]
        forward.add(each.forward, held.count)
        backward.add(each.backward, held.count)
        if again:
            backward.add(each.full if layout.recompute is Recompute.FULL else each.selective, again)
    blocks = sum(held.count for held in chunk if sections[held.section].path)
    return ChunkTimes(forward, backward, blocks, alone=_alone(layout, chunk, sections, placement))


def _alone(
    layout: Layout, chunk: Sequence[Held], sections: Sequence[SectionCost], placement: Placement
) -> tuple[float, float, float, float] | tuple[()]:
    """Return how far a chunk's turns get before their first collective on links of messages [s], if there are any."""
    beside = placement.beside_messages if layout.pp > 1 else None
    if not beside:
        return ()
    held = [(sections[one.section], again) for one, again in recomputed(layout, chunk, sections)]
    full = layout.recompute is Recompute.FULL
    given, both = list[PassCost](), list[PassCost]()
    for one, again in reversed(held):  # of blocks the last ones come first, and the first ones are recomputed
        passes = [*([one.again if full else one.core] if again else ()), one.input_gradient]
        given += passes
        both += [*passes, one.weight_gradient]
    there, back, whole = (_before(passes, placement) for passes in ([one.forward for one, _ in held], given, both))
    return there, back, whole, math.inf


def _before(passes: Sequence[PassCost], placement: Placement) -> float:
    """Return how late the first collective on links of messages may start, so that its passes take no longer [s].

    Kernels come before it, and collectives on other links. One that hides behind kernels may start later by what they
    take longer than it.
    """
    spent, beside = 0.0, placement.beside_messages
    for one in passes:
        left = one.kernels
        for sent, kernels in one.hidden:
            seconds = math.fsum(map(placement.seconds, sent))
            if any(each.axis in beside for each in sent):
                return spent + max(0.0, kernels - seconds)
            spent += max(min(left, kernels), seconds)
            left = max(0.0, left - kernels)
        spent += left
        for each in one.blocking:
            if each.axis in beside:
                return spent
            spent += placement.seconds(each)
    return math.inf

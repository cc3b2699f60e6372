"""What a pipeline's iteration takes: the parts of its busiest rank, its bubble, its messages, and what replicas add.

Orders have a closed form where stages are even or the last one is longest, and a message takes less than a pass; the
others are played turn by turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.orders import FOLDED, Pipelined
from simcore.models.training.parallel.replicas import Replicas, Run
from simcore.models.training.parallel.stage import ChunkTimes, Seconds
from simcore.models.training.parallel.stages import Sent, StageTimes, seconds_of

PARTS = (
    "forward", "input gradient", "weight gradient", "recompute", "tensor-parallel", "context-parallel",
    "expert-parallel", "pipeline bubble", "pipeline messages", "data-parallel", "optimizer",
)  # fmt: skip
"""Parts of an iteration, which add up to it."""

PLAYED = frozenset({"zero-bubble", *FOLDED})
"""Orders whose iteration is played turn by turn; those of the others have a closed form."""


def pipeline_parts(
    layout: Layout, chunks: Sequence[ChunkTimes], of_rank: Sequence[Sequence[int]], message: Sent
) -> tuple[dict[str, float], float]:
    """Return what the busiest pipeline rank spends its time on [s], and how far off that may be [s]."""
    totals = totals_of(chunks, of_rank)
    busiest = max(range(len(totals)), key=totals.__getitem__)
    m, one = layout.micro_batches, Seconds()
    for chunk in of_rank[busiest]:
        one.add(chunks[chunk].forward)
        one.add(chunks[chunk].backward)
    parts = dict.fromkeys(PARTS, 0.0)
    for name, part in (
        ("forward", one.forward), ("input gradient", one.input_gradient), ("weight gradient", one.weight_gradient),
        ("recompute", one.recompute), ("tensor-parallel", one.tensor), ("context-parallel", one.context),
        ("expert-parallel", one.expert), ("data-parallel", one.data),
    ):  # fmt: skip
        parts[name] = m * part
    if layout.pp > 1:
        work = m * totals[busiest]
        if is_played(layout, chunks, totals, message):
            alone = max(work, played_seconds(layout, chunks, Sent()))
            parts["pipeline bubble"] = alone - work
            parts["pipeline messages"] = max(0.0, played_seconds(layout, chunks, message) - alone)
        else:
            alone = (sum(totals) - totals[busiest]) / layout.vp
            if layout.order in PHASES:
                alone = max(0.0, phases(layout, chunks, of_rank) - work)
            parts["pipeline bubble"] = alone
            parts["pipeline messages"] = messages(layout, message.seconds, totals)
    return parts, m * one.error


PHASES = frozenset({"GPipe", "looped"})
"""Orders whose forward passes all come before the backward passes."""


def phases(layout: Layout, chunks: Sequence[ChunkTimes], of_rank: Sequence[Sequence[int]]) -> float:
    """Return what the forward passes and then the backward passes of all micro-batches take [s].

    In each phase the slowest rank works without a break, from when the first micro-batch gets there to when the last
    one has the rest of its way before it.
    """
    return sum(
        max(
            sum(each[first] for each in by_rank[:at])
            + layout.micro_batches * sum(own)
            + sum(each[last] for each in by_rank[at + 1 :])
            for at, own in enumerate(by_rank)
        )
        for by_rank, first, last in (
            ([[chunks[one].forward.total for one in own] for own in of_rank], 0, -1),
            ([[chunks[one].backward.total for one in own] for own in of_rank], 0, -1),
        )
    )


def totals_of(chunks: Sequence[ChunkTimes], of_rank: Sequence[Sequence[int]]) -> list[float]:
    """Return what each rank takes for a micro-batch [s]."""
    known = {id(chunk): chunk.forward.total + chunk.backward.total for chunk in chunks}
    return [sum(known[id(chunks[chunk])] for chunk in own) for own in of_rank]


def is_played(layout: Layout, chunks: Sequence[ChunkTimes], totals: Sequence[float], message: Sent) -> bool:
    """Say whether an iteration is played turn by turn.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    chunks : sequence of ChunkTimes
        What each model chunk takes.
    totals : sequence of float
        What each rank takes for a micro-batch [s].
    message : Sent
        A message to the next stage.
    """
    if layout.order in PLAYED or _uneven(totals):
        return True
    distinct = {id(one): one for one in chunks}.values()
    return message.channel > min(min(one.forward.total, stage_times(one).input_gradient) for one in distinct)


def ends(
    layout: Layout, chunks: Sequence[ChunkTimes], of_rank: Sequence[Sequence[int]], updates: Sequence[float],
    replicas: Replicas | None, runs: Sequence[Sequence[Run]],
) -> tuple[float, float]:  # fmt: skip
    """Return what replicas add to the start and the end of an iteration, and the update [s].

    A pipeline fills from its first rank and drains to it. A later rank has as much more time for its weights and its
    gradients, where the order of turns does not use that itself.
    """
    start = end = spare_forward = spare_backward = 0.0
    update = updates[0]
    known: dict[tuple[int, ...], tuple[float, float]] = {}
    for rank, own in enumerate(of_rank):
        there = back = 0.0
        if replicas is not None:
            key = tuple(id(runs[one]) for one in own)
            if key not in known:
                known[key] = replicas.of_iteration([runs[one] for one in own])
            there, back = known[key]
        start = max(start, there - spare_forward)
        if back + updates[rank] - spare_backward > end:
            end, update = back + updates[rank] - spare_backward, updates[rank]
        spare_forward += chunks[own[0]].forward.total
        spare_backward += 0.0 if layout.order in PLAYED else chunks[own[0]].backward.total
    update = min(update, end)
    return start + end - update, update


def messages(layout: Layout, message: float, totals: Sequence[float] = ()) -> float:
    """Return what messages between stages add to an iteration [s]; it is exact where m is a multiple of p.

    In 1F1B the last p - k stages go round: m / (p - k) times they all take a micro-batch and wait for 2 (p - k - 1)
    messages, with 2 (p - k - 2) more at the end and 2 k through the stages before them. The slowest such round decides;
    it is that of all stages where they are even. In the other orders messages hide behind other micro-batches but for
    the way through all chunks and back, 2 (p v - 1), of which many micro-batches hide all but 2 (p - 1) where chunks
    are looped.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    message : float
        A message to the next stage [s].
    totals : sequence of float
        What each stage takes for a micro-batch [s], none longer than the last one; by default they are even.

    Examples
    --------
    >>> messages(Layout(pp=4, micro_batches=8), 1.0), messages(Layout(pp=4, micro_batches=8, order="GPipe"), 1.0)
    (16.0, 6.0)
    >>> messages(Layout(pp=4, micro_batches=8), 1.0, [1.0, 1.0, 1.0, 9.0])
    6.0
    """
    p, m = layout.pp, layout.micro_batches
    if layout.order != "1F1B":
        hidden = layout.order == "looped" and m > p
        return 2.0 * ((p if hidden else layout.chunks) - 1) * message
    totals = totals or [0.0] * p
    longest, late, behind = max(totals), 0.0, 0.0
    for k in range(p - 1, -1, -1):
        behind += totals[k]
        others = p - k - 1
        sent = 2.0 * (others * m / (p - k) + max(0, others - 1) + k)
        late = max(late, sent * message + (m - 1) * (behind / (p - k) - longest))
    return late


UNEVEN = 0.01
"""Ranks whose times for a micro-batch differ by more than this share are played turn by turn."""


def _uneven(totals: Sequence[float]) -> bool:
    """Say whether ranks before the last one, which the output layer makes longer, differ among each other."""
    most = max(totals)
    ahead = totals[:-1]
    return max(ahead) - min(ahead) > UNEVEN * most or totals[-1] < (1 - UNEVEN) * max(ahead)


def played_seconds(layout: Layout, chunks: Sequence[ChunkTimes], message: Sent) -> float:
    """Return the time of a pipeline's turns [s]; once it is full, each further round of p micro-batches takes as long.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    chunks : sequence of ChunkTimes
        What each model chunk takes, in the order of the model.
    message : Sent
        A message to the next stage.
    """
    p, m = layout.pp, layout.micro_batches
    stages = tuple(stage_times(chunk) for chunk in chunks)

    def of(micro_batches: int) -> float:
        return seconds_of(layout.order, Pipelined(p, micro_batches, layout.vp), stages, message)

    settled = {"GPipe": 2, "1F1B": 3}.get(layout.order, 4)  # rounds until each takes as long as the one before
    rounds = (m - settled * p) // p
    if rounds <= 1:
        return of(m)
    full = m - rounds * p
    whole = of(full)
    return whole + rounds * (whole - of(full - p))


def stage_times(chunk: ChunkTimes) -> StageTimes:
    """Return the passes of a chunk as turns have them: recomputation belongs to the input gradient."""
    weights = chunk.backward.weight_gradient
    return StageTimes(chunk.forward.total, chunk.backward.total - weights, weights)

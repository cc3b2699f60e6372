"""What a pipeline's iteration takes: the parts of its busiest rank, its bubble, and its messages.

Orders have a closed form where stages are even or the last one is longest, and a message takes less than a pass; the
others are played turn by turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.training.parallel.counted import backward_turns
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.orders import FOLDED, Pipelined
from simcore.models.training.parallel.stage import ChunkTimes, Seconds, chunks_of_ranks
from simcore.models.training.parallel.stages import Sent, StageTimes, seconds_of

PARTS = (
    "forward", "input gradient", "weight gradient", "recompute", "tensor-parallel", "context-parallel",
    "expert-parallel", "pipeline bubble", "pipeline messages", "data-parallel", "optimizer",
)  # fmt: skip
"""Parts of an iteration, which add up to it."""

PLAYED = frozenset({"zero-bubble", *FOLDED})
"""Orders whose iteration is played turn by turn; those of the others have a closed form where chunks are even."""


def pipeline_parts(
    layout: Layout, chunks: Sequence[ChunkTimes], of_rank: Sequence[Sequence[int]], message: Sent
) -> tuple[dict[str, float], float]:
    """Return what the busiest pipeline rank spends its time on [s], and how far off that may be [s].

    Where turns are played, the bubble has the messages in it: see `with_messages`.
    """
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
        hidden = _hidden(layout, chunks, of_rank[busiest], busiest)
        parts["data-parallel"] -= hidden
        work = m * totals[busiest] - hidden
        if is_played(layout, chunks, totals, message):
            parts["pipeline bubble"] = max(0.0, played_seconds(layout, chunks, message) - work)
        else:
            alone = (sum(totals) - totals[busiest]) / layout.vp
            if layout.order in PHASES:
                alone = max(0.0, phases(layout, chunks, of_rank) - work)
            parts["pipeline bubble"] = alone
            parts["pipeline messages"] = messages(layout, message.seconds, totals)
    return parts, m * one.error


def with_messages(
    layout: Layout, chunks: Sequence[ChunkTimes], message: Sent, parts: dict[str, float]
) -> dict[str, float]:
    """Return the parts of an iteration with the messages apart from the bubble, which plays the turns without them.

    Searches compare times alone, so this is left until somebody asks.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    chunks : sequence of ChunkTimes
        What each model chunk takes.
    message : Sent
        A message to the next stage.
    parts : dict of str to float
        Of `pipeline_parts` [s].
    """
    of_rank = chunks_of_ranks(layout)
    totals = totals_of(chunks, of_rank)
    if layout.pp == 1 or not is_played(layout, chunks, totals, message):
        return parts
    busiest = max(range(len(totals)), key=totals.__getitem__)
    work = layout.micro_batches * totals[busiest] - _hidden(layout, chunks, of_rank[busiest], busiest)
    waited = parts["pipeline bubble"]
    bubble = min(waited, max(0.0, played_seconds(layout, chunks, Sent()) - work))
    return {**parts, "pipeline bubble": bubble, "pipeline messages": waited - bubble}


def _hidden(layout: Layout, chunks: Sequence[ChunkTimes], own: Sequence[int], rank: int) -> float:
    """Return how much less a rank waits for replicas in the backward passes that are one turn [s]."""
    if not any(chunks[one].hidden for one in own):
        return 0.0
    whole = backward_turns(layout.order, layout.pipelined, rank)
    return sum(times * chunks[one].hidden for one, times in zip(own, whole, strict=True))


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
    distinct = {id(one): one for one in chunks}.values()
    if layout.order in PLAYED or _uneven(totals):
        return True
    if layout.vp > 1 and (layout.order == "looped" or len({one.blocks for one in distinct}) > 1):
        return True
    if layout.order == "interleaved":
        there, back = [one.forward.total for one in distinct], [one.backward.total for one in distinct]
        waited = layout.pp * (max(there) - min(there) + max(back) - min(back))
        if waited > UNEVEN * layout.micro_batches * max(totals):
            return True
    if message.links and chunks[0].alone:
        late = sum(max(0.0, message.links - alone) for one in chunks for alone in one.alone[::2])
        if late > UNEVEN / 2 * sum(totals):
            return True
    return message.channel > min(min(one.forward.total, stage_times(one).input_gradient) for one in distinct)


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
    """Return the time of a pipeline's turns [s]; once it is full, each two rounds of p micro-batches take as long.

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
    stages = stages_of(chunks)

    def of(micro_batches: int) -> float:
        return seconds_of(layout.order, Pipelined(p, micro_batches, layout.vp), stages, message)

    full, rounds = settled(layout)
    if not rounds:
        return of(m)
    whole = of(full)
    each = (whole - of(full - 2 * p)) / 2
    if not any(one.hidden for one in chunks):  # the busiest rank may have waited less and less so far
        each = max(each, p * max(totals_of(chunks, chunks_of_ranks(layout))))
    return whole + rounds * each


def settled(layout: Layout) -> tuple[int, int]:
    """Return how many micro-batches are played, and how many rounds of p follow that take as long as the last two.

    Messages that queue may make every other round longer.

    Examples
    --------
    >>> settled(Layout(pp=4, micro_batches=8)), settled(Layout(pp=4, micro_batches=64))
    ((8, 0), (16, 12))
    """
    p, m = layout.pp, layout.micro_batches
    rounds = (m - {"GPipe": 3, "1F1B": 4, "interleaved": 4}.get(layout.order, 6) * p) // p
    return (m, 0) if rounds <= 1 else (m - rounds * p, rounds)


def stages_of(chunks: Sequence[ChunkTimes]) -> tuple[StageTimes, ...]:
    """Return the passes of chunks as turns have them; those of equal chunks are one object."""
    distinct = {id(chunk): chunk for chunk in chunks}
    known = {key: stage_times(chunk) for key, chunk in distinct.items()}
    return tuple(known[id(chunk)] for chunk in chunks)


def stage_times(chunk: ChunkTimes) -> StageTimes:
    """Return the passes of a chunk as turns have them: recomputation belongs to the input gradient."""
    weights = chunk.backward.weight_gradient + chunk.scattered
    return StageTimes(chunk.forward.total, chunk.backward.total - weights, weights, chunk.hidden, chunk.alone)

"""What replicas send once an iteration, without ZeRO-3: what it adds to a pipeline that runs through.

All weights are gathered in the order of the model from the start. The first forward pass of a model chunk waits for
them. Sums of a chunk's gradients start in the last turn that makes them. Both queue behind those of the rank's other
chunks. So what they add depends on when each chunk has these turns. Bounds follow from the order alone. Where these
differ, the turns are played.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from simcore.models.training.parallel.counted import Counted, around_of, gradients_apart
from simcore.models.training.parallel.flowing import Flowing
from simcore.models.training.parallel.flows import Flows, Queues, Used
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.orders import Pipelined
from simcore.models.training.parallel.pipelining import PHASES, PLAYED, is_played, stages_of, totals_of
from simcore.models.training.parallel.replica_views import Queue
from simcore.models.training.parallel.replicas import SPLIT, Replicas
from simcore.models.training.parallel.shared_weights import Run
from simcore.models.training.parallel.stage import ChunkTimes
from simcore.models.training.parallel.stages import Sent, ends_of, seconds_of

ROUNDS = 3
"""Rounds of p micro-batches that are played: those before and after them send nothing."""

NOTHING = Queue(-math.inf, 0.0, -math.inf, 0.0, 0.0, 0.0, 0.0)
"""What a chunk sends that sends nothing."""


class Ends(NamedTuple):
    """What follows the turns of a pipeline, or what comes before them.

    Attributes
    ----------
    late : float
        What it adds to an iteration, the update included [s].
    update : float
        The update of the rank that ends last [s].
    """

    late: float
    update: float


class Pipeline(NamedTuple):
    """The turns of a pipeline, and what follows them.

    Attributes
    ----------
    layout : Layout
        Order and sizes.
    chunks : sequence of ChunkTimes
        What each model chunk takes.
    of_rank : sequence of sequence of int
        The model chunks of each rank.
    message : Sent
        A message to the next stage.
    updates : sequence of float
        The optimizer's update of each rank [s].
    """

    layout: Layout
    chunks: Sequence[ChunkTimes]
    of_rank: Sequence[Sequence[int]]
    message: Sent
    updates: Sequence[float]


def ends(pipeline: Pipeline, replicas: Replicas | None, runs: Sequence[Sequence[Run]]) -> Ends:
    """Return what replicas add to the start and the end of an iteration, and the update.

    Parameters
    ----------
    pipeline : Pipeline
        Its turns.
    replicas : Replicas or None
        What they send; None where they send nothing once an iteration.
    runs : sequence of sequence of Run
        The repetitions of each model chunk.
    """
    if replicas is None:
        nothing: Queues = [[(NOTHING,)] for _ in pipeline.of_rank]
        return _bounds(pipeline, nothing, _flows(pipeline, nothing, None, runs))[1]
    queues = _queues(pipeline, replicas, runs)
    flows = _flows(pipeline, queues, replicas.flowing if pipeline.layout.overlap else None, runs)
    if pipeline.layout.order in PLAYED and pipeline.layout.pp > 1:
        return _played(pipeline, queues, flows)
    least, most = _bounds(pipeline, queues, flows)
    if most.late <= least.late or not (len(queues[0]) > 1 or _is_played(pipeline)):
        return most
    return _played(pipeline, queues, flows)


def _flows(
    pipeline: Pipeline, queues: Queues, flowing: Flowing | None, runs: Sequence[Sequence[Run]]
) -> Flows:  # fmt: skip
    spent = 0.0 if flowing is None else max(totals_of(pipeline.chunks, pipeline.of_rank))
    return Flows(pipeline.layout, pipeline.of_rank, queues, flowing, runs, pipeline.layout.micro_batches * spent)


def _is_played(pipeline: Pipeline) -> bool:
    layout, chunks = pipeline.layout, pipeline.chunks
    return layout.pp > 1 and is_played(layout, chunks, totals_of(chunks, pipeline.of_rank), pipeline.message)


def _queues(pipeline: Pipeline, replicas: Replicas, runs: Sequence[Sequence[Run]]) -> Queues:
    """Return what each rank's chunks send; all of them at once where nothing overlaps."""
    layout = pipeline.layout
    split = layout.pp > 1 and layout.order in SPLIT
    distinct = {id(chunk): chunk for chunk in runs}

    def of(*, apart: bool) -> dict[int, tuple[Queue, ...]]:
        return {key: replicas.queues(layout, chunk, apart=apart) for key, chunk in distinct.items()}

    whole = of(apart=False)
    keys = [list(map(id, map(runs.__getitem__, own))) for own in pipeline.of_rank]
    if split:
        alone = of(apart=True)
        queues = [
            [(alone if apart else whole)[key] for key, apart in zip(own, kinds, strict=True)]
            for own, kinds in zip(keys, gradients_apart(layout.order, _size(layout)), strict=True)
        ]
    else:
        queues = [list(map(whole.__getitem__, own)) for own in keys]
    if layout.overlap:
        return queues
    return [[[_whole(each) for each in zip(*own, strict=True)]] for own in queues]


def _whole(queues: Sequence[Queue]) -> Queue:
    gathers, sums = sum(one.gathers for one in queues), sum(one.sums for one in queues)
    return Queue(gathers, gathers, sums, sums, 0.0, 0.0, 0.0)


def _bounds(pipeline: Pipeline, queues: Queues, flows: Flows) -> tuple[Ends, Ends]:
    """Return the least and the most that is added to an iteration.

    A pipeline fills from its first rank and drains to it. A later rank has as much more time for its weights and its
    gradients, where the order of turns does not use that itself: the passes before it, with the messages after them.
    The least is what the first rank's first and last chunk add. The most has no idle time between turns.
    """
    layout, chunks, message = pipeline.layout, pipeline.chunks, pipeline.message.seconds
    start = end = spare_forward = spare_backward = 0.0
    least, update = Ends(0.0, 0.0), pipeline.updates[0]
    spent = {key: (one.forward.total, one.backward.total) for key, one in {id(one): one for one in chunks}.items()}
    known = set[tuple[object, ...]]()
    for rank, (own, sent, updated) in enumerate(zip(pipeline.of_rank, queues, pipeline.updates, strict=True)):
        kinds = [id(chunks[one]) for one in own]
        key = rank > 0, updated, *kinds
        if key not in known:  # a later rank of the same kind has more time
            known.add(key)
            there, left = _of_rank(layout, [spent[kind] for kind in kinds], sent, sends=rank > 0)
            if len(own) == 1:
                there, back = flows.before_one(rank, there), flows.after_one(rank, left, sends=rank > 0)
            else:
                there, back = there + flows.unsure(rank), flows.most(left)
            start = max(start, there - spare_forward)
            if back + updated - spare_backward > end:
                end, update = back + updated - spare_backward, updated
        if rank == 0:
            gathered = max(0.0, *(one.gathered for one in sent[0]))
            summed = max(0.0, *(one.summed for one in sent[0]))
            least = Ends(gathered + (summed + updated), updated)  # summed as below
        there, back = spent[kinds[0]]
        spare_forward += there + message
        spare_backward += 0.0 if layout.order in PLAYED else back + message
    return least, Ends(start + end, min(update, end))


def _of_rank(
    layout: Layout, spent: Sequence[tuple[float, float]], sent: Sequence[Sequence[Queue]], *, sends: bool
) -> tuple[float, list[float]]:
    """Return what a rank waits for at most before it starts, and what is left after its last turn, by queue [s].

    It never idles.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    spent : sequence of (float, float)
        What each of its chunks takes forward and backward [s].
    sent : sequence of sequence of Queue
        What each of them sends.
    sends : bool
        Whether a message follows its last turn.
    """
    turns, there, left = _turns_of_a_kind(layout), 0.0, list[float]()
    for at, view in enumerate(zip(*sent, strict=True)):
        back = gathers = sums = 0.0
        for queue, own, (forward, backward) in zip(view, sent, spent, strict=False):
            there = max(there, gathers + queue.gathered)
            longest = max([one.gathers for one in own[at:]])  # it may wait for outer ones, see `_ready`
            gathers += longest - turns * (forward - queue.forward - queue.message)
            back = max(back, sums + queue.summed + (queue.message if sends else 0.0))
            sums += queue.sums - turns * (backward - queue.backward - queue.message)
        left.append(back)
    return there, left


def _turns_of_a_kind(layout: Layout) -> int:
    """Return the turns that a rank takes of one chunk before it takes those of the next one.

    Examples
    --------
    >>> _turns_of_a_kind(Layout(pp=4, vp=2, micro_batches=8, order="interleaved"))
    4
    """
    if layout.order == "looped":
        return layout.micro_batches
    return layout.micro_batches // layout.pipelined.rounds if layout.order == "interleaved" else 1


def _size(layout: Layout) -> Pipelined:
    """Return how many micro-batches show all that many do; in a looped pipeline the next chunk follows all of them."""
    p, m = layout.pp, layout.micro_batches
    many = m if layout.order in PHASES else min(m, m % p + ROUNDS * p)
    return Pipelined(p, many, layout.vp)


def _played(pipeline: Pipeline, queues: Queues, flows: Flows) -> Ends:
    """Return what is added where all turns are played."""
    layout = pipeline.layout
    size, stages = _size(layout), stages_of(pipeline.chunks)
    used = _used(layout, size, queues)
    ready = _ready(layout, queues, used)
    for rank, before in enumerate(around_of(layout.order, size) if flows.any_unsure else ()):
        own = slice(rank * layout.vp, (rank + 1) * layout.vp)
        spent = [_seconds_of(one, [pipeline.chunks[chunk] for chunk in pipeline.of_rank[rank]]) for one, _ in before]
        ready[own] = flows.before_all(rank, ready[own], used[rank], spent)
    found = ends_of(layout.order, size, stages, pipeline.message, ready)
    ended, update = 0.0, 0.0
    apart = gradients_apart(layout.order, size)
    for rank, (sent, updated) in enumerate(zip(queues, pipeline.updates, strict=True)):
        end = found.ranks[rank]
        by_chunk = found.chunks[rank] if layout.overlap else [end]
        left = _left(end, by_chunk, sent, used[rank])
        if end + flows.most(left) + updated <= ended:
            continue
        end += flows.after_all(rank, left, end, by_chunk, used[rank], apart[rank])
        if end + updated > ended:
            ended, update = end + updated, updated
    late = max(0.0, ended - seconds_of(layout.order, size, stages, pipeline.message))
    return Ends(late, min(update, late))


def _ready(layout: Layout, queues: Queues, used: Sequence[Used]) -> list[float]:
    """Return by rank and chunk in one row when its first forward pass can start [s].

    Weights come to an inner dimension through the outer ones. So those of a chunk begin there no sooner than an outer
    one has passed on those of the chunk before it. What turns have used of the inner one by then counts once.
    """
    ready = [0.0] * layout.chunks
    for rank, (sent, blocked) in enumerate(zip(queues, used, strict=True)):
        passed = len(blocked) * [0.0]  # by queue, what those of earlier chunks take without other turns
        for at, own in enumerate(sent):
            place, before = rank * layout.vp + at, [around[at][0] for around in blocked]
            done = list[float]()
            for queue, gathers, used_before in zip(own, passed, before, strict=True):
                ready[place] = max(ready[place], gathers + queue.gathered + used_before)
                done.append(gathers + queue.gathers)
            passed = [
                max([one + blocks - mine for one, blocks in zip(done[view:], before[view:], strict=True)])
                for view, mine in enumerate(before)
            ]
    return ready


def _left(end: float, by_chunk: Sequence[float], sent: Sequence[Sequence[Queue]], used: Used) -> list[float]:
    """Return what is left in each queue of a rank after its last turn [s].

    Parameters
    ----------
    end : float
        When that ends [s].
    by_chunk : sequence of float
        When the last turn that makes gradients of each chunk ends [s].
    sent : sequence of sequence of Queue
        What each chunk sends.
    used : sequence of sequence of (float, float)
        See `_used`.
    """
    order, left = sorted(range(len(sent)), key=by_chunk.__getitem__, reverse=True), list[float]()
    for view, around in zip(zip(*sent, strict=True), used, strict=True):
        sums, last = 0.0, end
        for chunk in order:
            last = max(last, by_chunk[chunk] + sums + view[chunk].summed + around[chunk][1])
            sums += view[chunk].sums
        left.append(last - end)
    return left


def _used(layout: Layout, size: Pipelined, queues: Queues) -> list[Used]:
    """Return for how long turns use each queue's links, before the first turn of a chunk and after its last one [s].

    By rank, queue and chunk.
    """
    if not any(queue.forward or queue.backward or queue.message for own in queues for chunk in own for queue in chunk):
        return [[[(0.0, 0.0) for _ in own] for _ in own[0]] for own in queues]
    around = around_of(layout.order, size)
    return [
        [
            [
                (_of_turns(before, view), _of_turns(after, view))
                for before, after in around[rank]
            ]
            for view in zip(*own, strict=True)
        ]
        for rank, own in enumerate(queues)
    ]  # fmt: skip


def _seconds_of(counted: Counted, chunks: Sequence[ChunkTimes]) -> float:
    """Return what turns take [s]."""
    return sum([
        there * chunk.forward.total + back * chunk.backward.total
        for there, back, chunk in zip(counted.forward, counted.backward, chunks, strict=True)
    ])  # fmt: skip


def _of_turns(counted: Counted, view: Sequence[Queue]) -> float:
    """Return for how long turns use the links of a queue."""
    spent = 0.0
    for there, back, queue in zip(counted.forward, counted.backward, view, strict=True):
        spent += there * queue.forward + back * queue.backward
    return view[0].message * counted.messages + spent

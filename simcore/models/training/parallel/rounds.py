"""When the last turn of a pipeline ends: `simcore.models.training.parallel.stages.play` without what it notes down.

The turns of an order are written once as whole numbers, so that playing them is a loop over arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from simcore.errors import RunError
from simcore.models.training.parallel.orders import Kind, Pipelined, stage_of, turns_of
from simcore.models.training.parallel.stages import Sent, StageTimes

_KINDS = (Kind.FORWARD, Kind.INPUT_GRADIENT, Kind.WEIGHT_GRADIENT, Kind.BACKWARD)

Part = tuple[int, int, int, int]
"""Index of its time, of what it needs and gives, and the rank that takes that; -1 for none, and for the rank itself."""


@dataclass(frozen=True)
class Written:
    """The turns of an order as numbers.

    Attributes
    ----------
    ranks : tuple of tuple of tuple of Part
        Groups of turns that run at the same time, by rank.
    keys : int
        Things that turns give and need.
    """

    ranks: tuple[tuple[tuple[Part, ...], ...], ...]
    keys: int


@lru_cache(maxsize=64)
def written(order: str, size: Pipelined) -> Written:
    """Write the turns of an order as numbers."""
    stages = size.ranks * size.chunks
    of = [[stage_of(order, size, rank, chunk) for chunk in range(size.chunks)] for rank in range(size.ranks)]
    rank_of = {stage: rank for rank, own in enumerate(of) for stage in own}

    def key(forward: bool, stage: int, micro_batch: int) -> int:
        return ((0 if forward else stages) + stage) * size.micro_batches + micro_batch

    ranks = []
    for rank, turns in enumerate(turns_of(order, size)):
        groups: list[tuple[Part, ...]] = []
        group: list[Part] = []
        for turn in turns:
            stage, forward, needs, gives, there = of[rank][turn.chunk], turn.kind is Kind.FORWARD, -1, -1, -1
            if turn.kind is not Kind.WEIGHT_GRADIENT:
                before, after = (stage - 1, stage + 1) if forward else (stage + 1, stage - 1)
                needs = key(forward, before, turn.micro_batch) if 0 <= before < stages else -1
                gives, there = key(forward, stage, turn.micro_batch), rank_of.get(after, rank)
            group.append((4 * stage + _KINDS.index(turn.kind), needs, gives, -1 if there == rank else there))
            if not turn.overlapped:
                groups.append(tuple(group))
                group = []
        ranks.append(tuple(groups))
    return Written(tuple(ranks), 2 * stages * size.micro_batches)


def last_end(order: str, size: Pipelined, stages: Sequence[StageTimes], sent: Sent) -> float:
    """Return when the last turn ends [s], as `simcore.models.training.parallel.stages.play` does.

    Parameters
    ----------
    order : str
        A key of `simcore.models.training.parallel.orders.ORDERS`.
    size : Pipelined
        The sizes of the pipeline.
    stages : sequence of StageTimes
        What each stage takes, in the order of the model.
    sent : Sent
        A message to the next stage.

    Raises
    ------
    RunError
        If ranks wait for each other.

    Examples
    --------
    >>> last_end("1F1B", Pipelined(ranks=4, micro_batches=8), 4 * [StageTimes(1.0, 1.0, 1.0)], Sent())
    33.0
    """
    turns = written(order, size)
    seconds = [one.of(kind) for one in stages for kind in _KINDS]
    done, waiting = [-1.0] * turns.keys, dict[int, int]()
    at, free, links = [0] * size.ranks, [0.0] * size.ranks, [0.0] * size.ranks
    channels: dict[tuple[int, int], float] = {}
    ready = list(range(size.ranks))
    while ready:
        rank = ready.pop()
        groups, i, now = turns.ranks[rank], at[rank], free[rank]
        while i < len(groups):
            group, start = groups[i], now
            for _, needs, _, _ in group:
                if needs >= 0:
                    arrived = done[needs]
                    if arrived < 0:
                        waiting[needs] = rank
                        break
                    start = max(start, arrived)
            else:
                now = start + sum(seconds[part[0]] for part in group)
                for _, _, gives, there in group:
                    if gives < 0:
                        continue
                    done[gives] = now
                    if there >= 0:
                        leaves = max(now, links[rank], channels.get((rank, there), 0.0))
                        links[rank] = max(now, links[rank]) + sent.links
                        channels[rank, there] = leaves + sent.channel
                        done[gives] = leaves + sent.seconds
                    if gives in waiting:
                        ready.append(waiting.pop(gives))
                i += 1
                continue
            break
        at[rank], free[rank] = i, now
    if any(i < len(groups) for i, groups in zip(at, turns.ranks, strict=True)):
        raise RunError("the ranks of a pipeline wait for each other: its order of turns cannot be run")
    return max(free, default=0.0)

"""Playing an order of turns: when every turn of a pipeline starts, what it idles, and what it holds.

Ranks take their turns in the order of `simcore.models.training.parallel.orders`. A turn starts when its rank is free
and what it needs has arrived: a forward pass needs the one of the stage before it, a backward pass that of the stage
after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from simcore.errors import RunError
from simcore.models.training.parallel.orders import Kind, Pipelined, Turn, stage_of, turns_of


class Sent(NamedTuple):
    """A message to the next stage.

    Attributes
    ----------
    seconds : float
        From its sender's end to its arrival, if nothing else is under way [s].
    links : float
        For how long it would take all links of its sender, which its other messages use too [s].
    channel : float
        For how long it takes the links that it uses itself, which later ones to the same rank wait for [s].
    """

    seconds: float = 0.0
    links: float = 0.0
    channel: float = 0.0


@dataclass(frozen=True)
class StageTimes:
    """What the passes of one stage take on a micro-batch [s]."""

    forward: float
    input_gradient: float
    weight_gradient: float

    def of(self, kind: Kind) -> float:
        """Return the time of a turn [s].

        Examples
        --------
        >>> StageTimes(1.0, 1.5, 0.5).of(Kind.BACKWARD)
        2.0
        """
        return {
            Kind.FORWARD: self.forward,
            Kind.INPUT_GRADIENT: self.input_gradient,
            Kind.WEIGHT_GRADIENT: self.weight_gradient,
            Kind.BACKWARD: self.input_gradient + self.weight_gradient,
        }[kind]


@dataclass(frozen=True)
class Played:
    """A pipeline's iteration.

    Attributes
    ----------
    starts : list of list of float
        When each turn starts, by rank [s].
    busy : list of float
        What each rank computes [s].
    seconds : float
        When the last turn ends [s].
    held : list of int
        Micro-batches whose activations each rank holds at most, counted by chunk.
    """

    starts: list[list[float]]
    busy: list[float]
    seconds: float
    held: list[int]

    @property
    def bubble(self) -> float:
        """What the busiest rank idles [s]."""
        return self.seconds - max(self.busy)


def play(
    order: str,
    size: Pipelined,
    table: Sequence[Sequence[Turn]],
    stages: Sequence[StageTimes],
    transfer: float | Sent = 0.0,
) -> Played:
    """Play the turns of all ranks.

    Parameters
    ----------
    order : str
        A key of `simcore.models.training.parallel.orders.ORDERS`.
    size : Pipelined
        The sizes of the pipeline.
    table : sequence of sequence of Turn
        The turns by rank, see `simcore.models.training.parallel.orders.turns_of`.
    stages : sequence of StageTimes
        What each stage takes, in the order of the model.
    transfer : float or Sent
        A message to the next stage [s], which a number leaves its links free; none between chunks of one rank.

    Raises
    ------
    RunError
        If ranks wait for each other.

    Examples
    --------
    >>> from simcore.models.training.parallel.orders import turns_of
    >>> size = Pipelined(ranks=4, micro_batches=8)
    >>> play("1F1B", size, turns_of("1F1B", size), 4 * [StageTimes(1.0, 1.0, 1.0)]).bubble
    9.0
    """
    sent = transfer if isinstance(transfer, Sent) else Sent(transfer)
    sent = transfer if isinstance(transfer, Sent) else Sent(transfer)
    starts, seconds = _run(_linked(order, size, table), size, stages, sent)
    stage = [[stage_of(order, size, rank, chunk) for chunk in range(size.chunks)] for rank in range(size.ranks)]
    busy = [
        math.fsum(stages[stage[rank][turn.chunk]].of(turn.kind) for turn in turns) for rank, turns in enumerate(table)
    ]
    return Played(starts, busy, seconds, [most_held(turns) for turns in table])


@lru_cache(maxsize=1024)
def seconds_of(order: str, size: Pipelined, stages: tuple[StageTimes, ...], sent: Sent) -> float:
    """Return when the last turn of a pipeline ends, as `play` does [s]: layouts that differ otherwise share it.

    Examples
    --------
    >>> seconds_of("1F1B", Pipelined(4, 8), 4 * (StageTimes(1.0, 1.0, 1.0),), Sent())
    33.0
    """
    return _run(_links_of(order, size), size, stages, sent)[1]


class _Link(NamedTuple):
    """A turn, with what it waits for and what it makes, as numbers; -1 for none.

    Attributes
    ----------
    kind : int
        Place in `_KINDS`.
    stage : int
        From 0.
    needed, given : int
        Passes of a stage on a micro-batch.
    target : int
        Rank that needs the latter; -1 where its own rank does, or none.
    """

    kind: int
    stage: int
    needed: int
    given: int
    target: int


_KINDS = tuple(Kind)
_Links = list[list[tuple[_Link, ...]]]


@lru_cache(maxsize=256)
def _links_of(order: str, size: Pipelined) -> _Links:
    return _linked(order, size, turns_of(order, size))


def _linked(order: str, size: Pipelined, table: Sequence[Sequence[Turn]]) -> _Links:
    """Return the turns of every rank, those together that run at the same time."""
    p, m, last = size.ranks, size.micro_batches, size.ranks * size.chunks - 1
    rank_of = {stage_of(order, size, rank, chunk): rank for rank in range(p) for chunk in range(size.chunks)}

    def link(rank: int, turn: Turn) -> _Link:
        stage, kind = stage_of(order, size, rank, turn.chunk), _KINDS.index(turn.kind)
        if turn.kind is Kind.WEIGHT_GRADIENT:
            return _Link(kind, stage, -1, -1, -1)  # its input gradient was a turn of this rank
        step, pass_of = (1, 0) if turn.kind is Kind.FORWARD else (-1, last + 1)
        before, after = stage - step, stage + step
        needed = (pass_of + before) * m + turn.micro_batch if 0 <= before <= last else -1
        target = rank_of[after] if 0 <= after <= last and rank_of[after] != rank else -1
        return _Link(kind, stage, needed, (pass_of + stage) * m + turn.micro_batch, target)

    linked: _Links = []
    for rank, turns in enumerate(table):
        groups: list[tuple[_Link, ...]] = []
        group: list[_Link] = []
        for turn in turns:
            group.append(link(rank, turn))
            if not turn.overlapped:
                groups.append(tuple(group))
                group = []
        linked.append(groups)
    return linked


class _Sending:
    """Messages under way: those of a rank share its links."""

    def __init__(self, sent: Sent, ranks: int) -> None:
        self.sent, self.queues = sent, bool(sent.links or sent.channel)
        self.links = [0.0] * ranks
        self.channels: dict[tuple[int, int], float] = {}

    def arrival(self, now: float, rank: int, target: int) -> float:
        """Send a message now; return when it arrives [s]."""
        if not self.queues:
            return now + self.sent.seconds
        leaves = max(now, self.links[rank], self.channels.get((rank, target), 0.0))
        self.links[rank] = max(now, self.links[rank]) + self.sent.links
        self.channels[rank, target] = leaves + self.sent.channel
        return leaves + self.sent.seconds


def _run(links: _Links, size: Pipelined, stages: Sequence[StageTimes], sent: Sent) -> tuple[list[list[float]], float]:
    """Return when each turn of each rank starts, and when the last one ends [s]."""
    ranks = size.ranks
    spent = [[stage.of(kind) for stage in stages] for kind in _KINDS]
    done = [-1.0] * (2 * len(stages) * size.micro_batches)  # not yet
    waiting: dict[int, int] = {}
    starts: list[list[float]] = [[] for _ in range(ranks)]
    free = [0.0] * ranks
    sending = _Sending(sent, ranks)
    at = [0] * ranks
    ready = list(range(ranks))
    while ready:
        rank = ready.pop()
        groups, now, begun = links[rank], free[rank], starts[rank]
        for place in range(at[rank], len(groups)):
            group = groups[place]
            start = now
            for _, _, needed, _, _ in group:
                if needed >= 0:
                    arrived = done[needed]
                    if arrived < 0:
                        waiting[needed] = rank
                        start = -1.0
                        break
                    if arrived > start:
                        start = arrived
            if start < 0:
                break
            now = start
            for kind, stage, _, _, _ in group:
                begun.append(start)
                now += spent[kind][stage]
            for _, _, _, given, target in group:
                if given >= 0:
                    done[given] = sending.arrival(now, rank, target) if target >= 0 else now
                    if given in waiting:
                        ready.append(waiting.pop(given))
            at[rank] = place + 1
        free[rank] = now
    if any(at[rank] < len(groups) for rank, groups in enumerate(links)):
        raise RunError("the ranks of a pipeline wait for each other: its order of turns cannot be run")
    return starts, max(free, default=0.0)


def most_held(turns: Sequence[Turn]) -> int:
    """Return the micro-batches whose activations a rank holds at most, counted by chunk.

    They are held from the forward pass to the end of the last pass that reads them: the weight gradient's, where it is
    a turn of its own.

    Examples
    --------
    >>> from simcore.models.training.parallel.orders import turns_of
    >>> [most_held(turns) for turns in turns_of("1F1B", Pipelined(4, 8))]
    [4, 3, 2, 1]
    """
    held = most = 0
    for turn in turns:
        held += turn.kind is Kind.FORWARD
        most = max(most, held)
        held -= turn.kind in {Kind.BACKWARD, Kind.WEIGHT_GRADIENT}
    return most

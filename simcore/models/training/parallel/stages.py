"""Playing an order of turns: when every turn of a pipeline starts, what it idles, and what it holds.

Ranks take their turns in the order of `simcore.models.training.parallel.orders`. A turn starts when its rank is free
and what it needs has arrived: a forward pass needs the one of the stage before it, a backward pass that of the stage
after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simcore.errors import RunError
from simcore.models.training.parallel.orders import Kind, Pipelined, Turn, stage_of

Key = tuple[bool, int, int]


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
    playing = _Playing(order, size, table, stages, sent)
    return playing.run()


class _Playing:
    """The state of `play`: what is done, and which rank waits for what."""

    def __init__(
        self, order: str, size: Pipelined, table: Sequence[Sequence[Turn]], stages: Sequence[StageTimes],
        sent: Sent,
    ) -> None:  # fmt: skip
        self.table, self.stages, self.sent = table, stages, sent
        self.links = [0.0] * len(table)
        self.channels: dict[tuple[int, int], float] = {}
        self.stage = [
            [stage_of(order, size, rank, chunk) for chunk in range(size.chunks)] for rank in range(size.ranks)
        ]
        self.rank = {stage: rank for rank, of in enumerate(self.stage) for stage in of}
        self.done: dict[Key, float] = {}
        self.waiting: dict[Key, int] = {}
        self.starts: list[list[float]] = [[] for _ in table]
        self.free = [0.0] * len(table)

    def run(self) -> Played:
        ready = list(range(len(self.table)))
        while ready:
            ready += self._advance(ready.pop())
        if any(len(starts) < len(turns) for starts, turns in zip(self.starts, self.table, strict=True)):
            raise RunError("the ranks of a pipeline wait for each other: its order of turns cannot be run")
        busy = [math.fsum(self._seconds(rank, turn) for turn in turns) for rank, turns in enumerate(self.table)]
        held = [most_held(turns) for turns in self.table]
        return Played(self.starts, busy, max(self.free, default=0.0), held)

    def _advance(self, rank: int) -> Iterator[int]:
        """Take the turns of a rank up to one that must wait; yield the ranks that waited for one of them."""
        turns, starts = self.table[rank], self.starts[rank]
        while len(starts) < len(turns):
            group = self._group(rank, len(starts))
            start = self.free[rank]
            for turn in group:
                needed = self._needed(rank, turn)
                if needed is None:
                    continue
                if needed not in self.done:
                    self.waiting[needed] = rank
                    return
                start = max(start, self.done[needed])
            self.free[rank] = start + math.fsum(self._seconds(rank, turn) for turn in group)
            for turn in group:
                starts.append(start)
                if turn.kind is not Kind.WEIGHT_GRADIENT:
                    key = turn.kind is Kind.FORWARD, self.stage[rank][turn.chunk], turn.micro_batch
                    self.done[key] = self._arrival(rank, *key[:2])
                    if key in self.waiting:
                        yield self.waiting.pop(key)

    def _group(self, rank: int, at: int) -> Sequence[Turn]:
        """Return a turn with those that run at the same time."""
        turns, end = self.table[rank], at
        while turns[end].overlapped:
            end += 1
        return turns[at : end + 1]

    def _needed(self, rank: int, turn: Turn) -> Key | None:
        stage = self.stage[rank][turn.chunk]
        if turn.kind is Kind.FORWARD:
            return (True, stage - 1, turn.micro_batch) if stage else None
        if turn.kind is Kind.WEIGHT_GRADIENT:
            return None  # its input gradient was a turn of this rank
        return (False, stage + 1, turn.micro_batch) if stage + 1 < len(self.stages) else None

    def _arrival(self, rank: int, forward: bool, stage: int) -> float:
        """Return when the stage after this one has what a turn that ends now hands on; the message takes links."""
        now, there = self.free[rank], self.rank.get(stage + 1 if forward else stage - 1, rank)
        if there == rank:
            return now
        start = max(now, self.links[rank], self.channels.get((rank, there), 0.0))
        self.links[rank] = max(now, self.links[rank]) + self.sent.links
        self.channels[rank, there] = start + self.sent.channel
        return start + self.sent.seconds

    def _seconds(self, rank: int, turn: Turn) -> float:
        return self.stages[self.stage[rank][turn.chunk]].of(turn.kind)


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

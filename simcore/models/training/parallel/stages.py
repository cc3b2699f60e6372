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
    program = _program(order, size, table)
    begun, seconds = _run(program.steps, size, stages, sent)
    starts = [[begun[step] for step in own] for own in program.turns]
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
    return _run(_program_of(order, size).steps, size, stages, sent)[1]


class _Link(NamedTuple):
    """A turn, with what it waits for and what it makes, as numbers; -1 for none, `_START` where it waits for nothing.

    Attributes
    ----------
    spent : int
        Index of what it takes: of its kind in `_KINDS`, and of its stage.
    needed, given : int
        Passes of a stage on a micro-batch.
    channel : int
        Pair of ranks between which the latter is sent.
    """

    spent: int
    needed: int
    given: int
    channel: int


_KINDS = tuple(Kind)
_START = -2
_Step = tuple[int, int, int, int, int]


class _Program(NamedTuple):
    """The turns of all ranks in an order in which each comes after what it waits for.

    What a turn waits for does not depend on how long turns take, so the order is found once.

    Attributes
    ----------
    steps : list of tuple
        Rank, and the four numbers of a `_Link`.
    turns : list of list of int
        By rank, the step with which each turn starts.
    """

    steps: list[_Step]
    turns: list[list[int]]


@lru_cache(maxsize=256)
def _program_of(order: str, size: Pipelined) -> _Program:
    return _program(order, size, turns_of(order, size))


def _program(order: str, size: Pipelined, table: Sequence[Sequence[Turn]]) -> _Program:
    """Put the turns of all ranks in one order.

    Raises
    ------
    RunError
        If ranks wait for each other.
    """
    links = _linked(order, size, table)
    program = _Program([], [[] for _ in links])
    at, ready = [0] * size.ranks, list(range(size.ranks))
    made, waiting = {_START}, dict[int, int]()
    while ready:
        rank = ready.pop()
        for group in links[rank][at[rank] :]:
            missing = next((one.needed for one in group if one.needed not in made), None)
            if missing is not None:
                waiting[missing] = rank
                break
            _add(program, rank, group)
            at[rank] += 1
            for one in group:
                made.add(one.given)
                if one.given in waiting:
                    ready.append(waiting.pop(one.given))
    if any(at[rank] < len(groups) for rank, groups in enumerate(links)):
        raise RunError("the ranks of a pipeline wait for each other: its order of turns cannot be run")
    return program


def _add(program: _Program, rank: int, group: Sequence[_Link]) -> None:
    """Add turns of a rank; those that run at the same time wait for all that they need, and end together."""
    steps, turns = program
    if len(group) > 1:
        steps += [(rank, -1, one.needed, -1, -1) for one in group]
    turns[rank] += [len(steps)] * len(group)
    if len(group) == 1:
        steps.append((rank, *group[0]))
        return
    steps += [(rank, one.spent, _START, -1, -1) for one in group]
    steps += [(rank, -1, _START, one.given, one.channel) for one in group]


def _linked(order: str, size: Pipelined, table: Sequence[Sequence[Turn]]) -> list[list[tuple[_Link, ...]]]:
    """Return the turns of every rank, those together that run at the same time."""
    p, m, last = size.ranks, size.micro_batches, size.ranks * size.chunks - 1
    rank_of = {stage_of(order, size, rank, chunk): rank for rank in range(p) for chunk in range(size.chunks)}

    def link(rank: int, turn: Turn) -> _Link:
        stage = stage_of(order, size, rank, turn.chunk)
        spent = _KINDS.index(turn.kind) * (last + 1) + stage
        if turn.kind is Kind.WEIGHT_GRADIENT:
            return _Link(spent, _START, -1, -1)  # its input gradient was a turn of this rank
        step, pass_of = (1, 0) if turn.kind is Kind.FORWARD else (-1, last + 1)
        before, after = stage - step, stage + step
        needed = (pass_of + before) * m + turn.micro_batch if 0 <= before <= last else _START
        target = rank_of[after] if 0 <= after <= last else rank
        channel = rank * p + target if target != rank else -1
        return _Link(spent, needed, (pass_of + stage) * m + turn.micro_batch, channel)

    linked = []
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


def _run(
    steps: Sequence[_Step], size: Pipelined, stages: Sequence[StageTimes], sent: Sent
) -> tuple[list[float], float]:
    """Return when each step starts, and when the last one ends [s]. Messages of a rank share its links."""
    spent = [*(stage.of(kind) for kind in _KINDS for stage in stages), 0.0]
    done = [0.0] * (2 * len(stages) * size.micro_batches + 2)  # the last two are `_START` and what nothing needs
    free, links = [0.0] * size.ranks, [0.0] * size.ranks
    channels = [0.0] * size.ranks**2
    seconds, on_links, on_channel = sent
    begun = []
    for rank, taken, needed, given, channel in steps:
        now, arrived = free[rank], done[needed]
        if arrived > now:
            now = arrived
        begun.append(now)
        now += spent[taken]
        free[rank] = now
        if channel >= 0:
            left = links[rank] if links[rank] > now else now
            links[rank] = left + on_links
            if channels[channel] > left:
                left = channels[channel]
            channels[channel] = left + on_channel
            now = left + seconds
        done[given] = now
    return begun, max(free, default=0.0)


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

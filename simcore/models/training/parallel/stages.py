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
from simcore.models.training.parallel.counted import GRADIENTS, most_held
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
    """What the passes of one stage take on a micro-batch [s].

    Attributes
    ----------
    forward, input_gradient, weight_gradient : float
        Turns of each kind.
    hidden : float
        How much less both gradients take in one turn.
    alone : tuple of float
        How late the first collective on links that messages use may start, so that the turn takes no longer: of a
        forward pass, and of one that makes gradients of inputs, of both and of weights. Empty where there is none.
    """

    forward: float
    input_gradient: float
    weight_gradient: float
    hidden: float = 0.0
    alone: tuple[float, float, float, float] | tuple[()] = ()

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
            Kind.BACKWARD: self.input_gradient + self.weight_gradient - self.hidden,
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
    begun, free = _run(program.steps, size, stages, sent)
    starts = [[begun[step] for step in own] for own in program.turns]
    stage = [[stage_of(order, size, rank, chunk) for chunk in range(size.chunks)] for rank in range(size.ranks)]
    busy = [
        math.fsum(stages[stage[rank][turn.chunk]].of(turn.kind) for turn in turns) for rank, turns in enumerate(table)
    ]
    return Played(starts, busy, max(free, default=0.0), [most_held(turns) for turns in table])


@lru_cache(maxsize=1024)
def seconds_of(order: str, size: Pipelined, stages: tuple[StageTimes, ...], sent: Sent) -> float:
    """Return when the last turn of a pipeline ends, as `play` does [s]: layouts that differ otherwise share it.

    Examples
    --------
    >>> seconds_of("1F1B", Pipelined(4, 8), 4 * (StageTimes(1.0, 1.0, 1.0),), Sent())
    33.0
    """
    return max(_run(_program_of(order, size).steps, size, stages, sent)[1], default=0.0)


class Ends(NamedTuple):
    """When the turns of a pipeline end that replicas send after.

    Attributes
    ----------
    ranks : list of float
        By rank, its last turn [s].
    chunks : list of list of float
        By rank and chunk, the last turn that makes gradients of it [s].
    """

    ranks: list[float]
    chunks: list[list[float]]


def ends_of(order: str, size: Pipelined, stages: Sequence[StageTimes], sent: Sent, ready: Sequence[float]) -> Ends:
    """Return when the turns of a pipeline end that replicas send after.

    Parameters
    ----------
    order, size, stages
        As of `play`.
    sent : Sent
        A message to the next stage.
    ready : sequence of float
        By rank and chunk in one row, when its first forward pass can start at the earliest [s].

    Examples
    --------
    >>> ends_of("1F1B", Pipelined(2, 2), 2 * [StageTimes(1.0, 1.0, 1.0)], Sent(), [0.0, 4.0])
    Ends(ranks=[12.0, 10.0], chunks=[[12.0], [10.0]])
    """
    waiting = _waiting_of(order, size)
    begun, free = _run(waiting.steps, size, stages, sent, ready)
    ends = [[begun[step] + stages[stage].of(kind) for step, stage, kind in own] for own in waiting.last]
    return Ends(free, ends)


class _Waiting(NamedTuple):
    """The turns of all ranks, with a step before the first turn of each chunk that waits for its weights.

    Attributes
    ----------
    steps : list of tuple
        As of `_Program`.
    last : list of list of (int, int, Kind)
        By rank and chunk, the last turn that makes gradients: its step, its stage, and what it is.
    """

    steps: list[_Step]
    last: list[list[tuple[int, int, Kind]]]


@lru_cache(maxsize=256)
def _waiting_of(order: str, size: Pipelined) -> _Waiting:
    table, known = turns_of(order, size), _program_of(order, size)
    first = 2 * size.ranks * size.chunks * size.micro_batches  # where `_run` has what is given to it
    before: dict[int, list[_Step]] = {}
    for rank, (turns, places) in enumerate(zip(table, known.turns, strict=True)):
        for chunk in range(size.chunks):
            place = next(at for turn, at in zip(turns, places, strict=True)
                         if turn.chunk == chunk and turn.kind is Kind.FORWARD)  # fmt: skip
            before.setdefault(place, []).append((rank, -1, first + rank * size.chunks + chunk, -1, -1))
    steps: list[_Step] = []
    taken: list[list[int]] = [[] for _ in table]
    for at, step in enumerate(known.steps):
        steps += before.get(at, ())
        if step[1] >= 0:
            taken[step[0]].append(len(steps))
        steps.append(step)
    last = []
    for rank, turns in enumerate(table):
        ends = {turn.chunk: (taken[rank][at], turn.kind) for at, turn in enumerate(turns) if turn.kind in GRADIENTS}
        last.append([(ends[c][0], stage_of(order, size, rank, c), ends[c][1]) for c in range(size.chunks)])
    return _Waiting(steps, last)


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
    steps: Sequence[_Step], size: Pipelined, stages: Sequence[StageTimes], sent: Sent, ready: Sequence[float] = ()
) -> tuple[list[float], list[float]]:
    """Return when each step starts, and when each rank ends [s]. Messages of a rank share its links.

    What is `ready` at some time comes after the passes of all stages.
    """
    known = {id(stage): [stage.of(kind) for kind in _KINDS] for stage in {id(one): one for one in stages}.values()}
    each = [known[id(stage)] for stage in stages]
    spent = [*(times[kind] for kind in range(len(_KINDS)) for times in each), 0.0]
    done = [*[0.0] * (2 * len(stages) * size.micro_batches), *ready, 0.0, 0.0]  # at last `_START`, what nothing needs
    free, links = [0.0] * size.ranks, [0.0] * size.ranks
    channels = [0.0] * size.ranks**2
    seconds, on_links, on_channel = sent
    until = _until(stages) if on_links and any(stage.alone for stage in stages) else ()
    begun = []
    for rank, taken, needed, given, channel in steps:
        now, arrived = free[rank], done[needed]
        if arrived > now:
            now = arrived
        begun.append(now)
        if until and links[rank] > now + until[taken]:  # its first collective waits for messages
            now = links[rank] - until[taken]
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
    return begun, free


def _until(stages: Sequence[StageTimes]) -> list[float]:
    """Return how late the first collective of turns may start, in the order of `_KINDS` and stages [s]."""
    known = [stage.alone or 4 * (math.inf,) for stage in stages]
    places = {Kind.FORWARD: 0, Kind.INPUT_GRADIENT: 1, Kind.BACKWARD: 2, Kind.WEIGHT_GRADIENT: 3}
    return [*(each[places[kind]] for kind in _KINDS for each in known), math.inf]

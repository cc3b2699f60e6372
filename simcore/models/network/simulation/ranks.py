"""Every NPU simulated: for stragglers, subgroups that do different things, and programs that may not fit together.

A chunk phase is a rendezvous of the NPUs of a group that differ only in its dimension. They start it when all of them
have reached it and have room in that dimension. No NPU holds a link while it waits for another, so only programs can
deadlock. Then a watchdog names the ranks and what they wait for. Events grow with the number of NPUs here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from simpy.events import Event

from simcore.errors import RunError
from simcore.models.network.chunks import ChunkPlan, phases, settled_by_dimension
from simcore.models.network.collectives import Collective
from simcore.models.network.distances import Positions, spread
from simcore.models.network.groups import group_positions
from simcore.models.network.ports import exchanged
from simcore.models.network.simulation.network import Network
from simcore.models.network.simulation.rank_programs import GroupCollective, check_program
from simcore.models.network.simulation.run import run_fastest
from simcore.models.network.simulation.servers import PortQueue, SettledOrder
from simcore.models.network.topology import Port, Topology, coordinates

_NAMED = 8
"""Ranks that a message names; the others are counted."""


class RanksRun(NamedTuple):
    """A simulation of every NPU.

    Attributes
    ----------
    finished : dict of int to float
        When each rank's program ended [s].
    phases, events : int
        Chunk phases of all groups, and SimPy events.
    """

    finished: dict[int, float]
    phases: int
    events: int

    @property
    def time(self) -> float:
        """When the last rank's program ended [s]."""
        return max(self.finished.values(), default=0.0)


def simulate_ranks(network: Network, programs: Mapping[int, Sequence[float | GroupCollective]]) -> RanksRun:
    """Run a program on each rank: compute, and collectives that block the ranks that call them.

    Parameters
    ----------
    network : Network
        Topology, bandwidths, convention, schedule and chunks in flight; its clock runs, nothing else may use it.
    programs : mapping of int to sequence of float or GroupCollective
        Per rank, seconds of compute [s] and collectives, one after the other. The n-th call of one collective meets
        the n-th call of the others.

    Raises
    ------
    InputError
        If a group is no subset of the network's NPUs in the shape of a box. If a rank is not in the network, or calls a
        collective of others. If a size, a number of chunks or a time is out of range.
    RunError
        If ranks wait for each other for ever.

    Examples
    --------
    >>> from simcore.engine import Clock
    >>> from simcore.models.network.topology import Block, Dimension, Topology
    >>> network = Network(Clock(), Topology("pair", (Dimension(Block.SWITCH, 2),)), [1e9])
    >>> reduce = GroupCollective(Collective.ALL_REDUCE, 1e6, (0, 1), chunks=1)
    >>> simulate_ranks(network, {0: [reduce], 1: [0.5, reduce]}).time  # rank 1 is late
    0.501
    """
    for rank, program in programs.items():
        check_program(network.topology.npus, rank, program)
    return _Ranks(network, programs).run()


_Wanted = tuple[Collective, float, tuple[int, ...], int, Positions | None]
"""What decides how a collective runs alone: operation, bytes, group, chunks."""

_Line = tuple[int, int]
"""A dimension, and the first NPU of those that differ in this dimension only."""


def _line(topology: Topology, rank: int, dimension: int) -> _Line:
    inner = prod(each.size for each in topology.dimensions[:dimension])
    return dimension, rank - coordinates(topology, rank)[dimension] * inner


class _Call:
    """A collective that its members join one by one."""

    def __init__(self, ranks: _Ranks, what: GroupCollective) -> None:
        network = ranks.network
        self.what, self.joined = what, set[int]()
        positions = group_positions(network.topology, what.members, str(what))
        self.groups, self.at = tuple(map(len, positions)), spread(network.topology, positions)
        self.alone, self.plans = network, list[ChunkPlan]()
        if what.size > 0 and len(what.members) > 1:
            self.alone, self.plans = ranks.planned(what, self.groups, self.at)
        how = network.optimization, network.convention, exchanged(network.topology, self.groups)
        self.phases = [phases(plan, what.collective, self.groups, *how) for plan in self.plans]
        self.settled: dict[int, list[tuple[int, int]]] = {}
        if self.plans and self.plans[0].lag is not None:
            dimensions = [[d for d, _, _ in chunk] for chunk in self.phases]
            self.settled = settled_by_dimension(self.plans[0].lag, dimensions)
        self.orders: dict[_Line, SettledOrder[_Meeting]] = {}
        self.left = dict.fromkeys(what.members, len(self.plans))
        self.ended: dict[int, Event] = {}


class _Meeting:
    """A chunk phase of NPUs that differ in its dimension only."""

    __slots__ = ("call", "chunk", "expected", "line", "position", "ready")

    def __init__(self, call: _Call, chunk: int, position: int, line: _Line, expected: int) -> None:
        self.call, self.chunk, self.position, self.line, self.expected = call, chunk, position, line, expected
        self.ready: list[int] = []


class _Ranks:
    def __init__(self, network: Network, programs: Mapping[int, Sequence[float | GroupCollective]]) -> None:
        self.network, self.clock, self.programs = network, network.clock, programs
        self.finished: dict[int, float] = {}
        self.waits: dict[int, _Call] = {}
        self.phases = 0
        self._calls: dict[tuple[GroupCollective, int], _Call] = {}
        self._meetings: dict[tuple[int, int, int, _Line], _Meeting] = {}
        self._lines = [
            {rank: _line(network.topology, rank, d) for rank in programs} for d in range(len(network.bandwidths))
        ]
        self._pending: dict[_Line, list[_Meeting]] = {}
        self._planned: dict[_Wanted, tuple[Network, list[ChunkPlan]]] = {}
        self._joining: dict[_Call, list[int]] = {}
        self._ending: dict[tuple[float, int, int, int], list[_Meeting]] = {}
        self._under_way: dict[tuple[int, int], int] = {}
        self._links_free: dict[tuple[int, int], float] = {}
        self._ports: dict[tuple[int, Port], PortQueue] = {}

    def planned(
        self, what: GroupCollective, groups: tuple[int, ...], at: Positions | None
    ) -> tuple[Network, list[ChunkPlan]]:
        """Return the network as a collective alone would choose its algorithms, and the collective's chunks."""
        wanted = what.collective, what.size, groups, what.chunks, at
        if wanted not in self._planned:
            network = self.network
            if network.in_flight > 1:
                network = run_fastest(network, *wanted)
            alone = network.idle_copy(network.algorithms)
            self._planned[wanted] = alone, alone.plans(*wanted)
        return self._planned[wanted]

    def run(self) -> RanksRun:
        for rank in sorted(self.programs):
            self.clock.process(self._program(rank))
        self.clock.run()
        stuck = sorted(set(self.programs) - set(self.finished))
        if stuck:
            raise RunError(self._deadlock(stuck))
        return RanksRun(self.finished, self.phases, self.clock.events)

    def _deadlock(self, stuck: list[int]) -> str:
        lines = []
        for rank in stuck[:_NAMED]:
            call = self.waits[rank]
            missing = sorted(set(call.what.members) - call.joined)
            more = " and others" if len(missing) > _NAMED else ""
            lines.append(f"rank {rank} waits in '{call.what}' for ranks {', '.join(map(str, missing[:_NAMED]))}{more}")
        others = f"; {len(stuck) - _NAMED} more ranks wait" if len(stuck) > _NAMED else ""
        return (
            f"deadlock after {self.clock.now:g} s: {'; '.join(lines)}{others}. "
            "Let all ranks of a group call its collectives, in the same order."
        )

    def _program(self, rank: int) -> Generator[Event, Any, None]:
        seen: dict[GroupCollective, int] = {}
        for step in self.programs[rank]:
            if isinstance(step, GroupCollective):
                seen[step] = seen.get(step, 0) + 1
                yield self._join(rank, step, seen[step])
            else:
                yield self.clock.at(self.network.convention.after(self.clock.now, step))
        self.finished[rank] = self.clock.now

    def _join(self, rank: int, what: GroupCollective, occurrence: int) -> Event:
        key = what, occurrence
        if key not in self._calls:
            self._calls[key] = _Call(self, what)
        call = self._calls[key]
        call.joined.add(rank)
        self.waits[rank] = call
        call.ended[rank] = event = Event(self.clock)
        if not call.plans:
            return event.succeed()
        if call not in self._joining:  # all that join now start together, chunk by chunk
            self._joining[call] = []
            self._at(self.clock.now, lambda: self._begin(call))
        self._joining[call].append(rank)
        return event

    def _begin(self, call: _Call) -> None:
        ranks = self._joining.pop(call)
        for chunk in range(len(call.plans)):
            for rank in ranks:
                self._arrive(rank, call, chunk, 0)

    def _at(self, time: float, call: Callable[[], None]) -> None:
        event = self.clock.at(time)
        assert event.callbacks is not None
        event.callbacks.append(lambda _: call())

    def _arrive(self, rank: int, call: _Call, chunk: int, position: int) -> None:
        """Let a rank reach a phase of a chunk; start the phase when it is the last one to come."""
        dimension = call.phases[chunk][position][0]
        line = self._lines[dimension][rank]
        key = id(call), chunk, position, line
        meeting = self._meetings.get(key)
        if meeting is None:
            self._meetings[key] = meeting = _Meeting(call, chunk, position, line, call.groups[dimension])
        meeting.ready.append(rank)
        if len(meeting.ready) == meeting.expected:
            del self._meetings[key]
            complete = [meeting]
            if call.settled:
                order = call.orders.setdefault(line, SettledOrder(call.settled[dimension]))
                complete = order.arrive((chunk, position), meeting)
            self._pending.setdefault(line, []).extend(complete)
            self._start(line)

    def _start(self, line: _Line) -> None:
        """Start every phase on a line whose NPUs all have room, the first that was complete first."""
        dimension, at_most = line[0], self.network.in_flight
        left = []
        for meeting in self._pending.get(line, ()):
            if all(self._under_way.get((rank, dimension), 0) < at_most for rank in meeting.ready):
                self._serve(dimension, meeting)
            else:
                left.append(meeting)
        self._pending[line] = left

    def _serve(self, dimension: int, meeting: _Meeting) -> None:
        network, now = self.network, self.clock.now
        _, operation, size = meeting.call.phases[meeting.chunk][meeting.position]
        at = meeting.call.at
        cost = meeting.call.alone.cost(dimension, operation, meeting.expected, size, at[dimension] if at else None)
        self.phases += 1
        ranks = [(rank, dimension) for rank in meeting.ready]
        links_free = max([self._links_free.get(key, 0.0) for key in ranks])
        start, end, before = network.convention.serve(now, links_free, cost)
        links_free, port = before, network.topology.dimensions[dimension].port
        if port is not None:
            for rank in meeting.ready:
                queue = self._ports.setdefault((rank, port), PortQueue(port.bandwidth))
                links_free = max(links_free, queue.through(now, cost.sent, cost.work, start, before)[1])
        end += links_free - before
        for key in ranks:
            self._under_way[key] = self._under_way.get(key, 0) + 1
            self._links_free[key] = links_free
        # lines where the same ends at the same time go on together, so that ties are broken alike on all of them
        together = end, id(meeting.call), meeting.chunk, meeting.position
        if together not in self._ending:
            self._ending[together] = []
            self._at(end, lambda: self._served(dimension, self._ending.pop(together)))
        self._ending[together].append(meeting)

    def _served(self, dimension: int, meetings: Sequence[_Meeting]) -> None:
        call, chunk, following = meetings[0].call, meetings[0].chunk, meetings[0].position + 1
        ranks = [rank for meeting in meetings for rank in meeting.ready]
        for rank in ranks:
            self._under_way[rank, dimension] -= 1
        for rank in ranks:
            if following < len(call.phases[chunk]):
                self._arrive(rank, call, chunk, following)
                continue
            call.left[rank] -= 1
            if call.left[rank] == 0:
                call.ended[rank].succeed()
        for meeting in meetings:
            self._start(meeting.line)

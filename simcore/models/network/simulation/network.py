"""A network under load: each dimension serves chunk phases, collectives share the dimensions on one clock.

One NPU stands for all: in a symmetric collective every NPU does the same at the same time, so the cost of a run grows
with chunks x phases and never with the number of NPUs. Where NPUs differ, use `ranks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import NANOSECOND, Convention, Cost, phase_cost
from simcore.models.network.distances import Positions, spread
from simcore.models.network.schedulers.greedy import GreedyLoads
from simcore.models.network.schedulers.schedules import (
    ChunkPlan,
    Optimization,
    Schedule,
    chunk_sizes,
    fixed_plans,
    phases,
    turns,
)
from simcore.models.network.simulation.algorithms import DEFAULT_ALGORITHM, Algorithm
from simcore.models.network.simulation.log import LoggedPhase, LoggedTransfer
from simcore.models.network.simulation.servers import Chunk, Issued, Leg, Line, Server
from simcore.models.network.topology import Topology
from simcore.models.network.transfers import TransferLeg


class Network:
    """Dimensions as servers of chunk phases, shared by all collectives that are issued.

    Parameters
    ----------
    clock : Clock
        Runs everything; several networks and other processes may share it.
    topology : Topology
        Dimensions with their link latencies.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    convention : Convention
        What a phase costs. ``physical`` keeps what links carry; `Convention.ASTRA_SIM_2_AWARE` is no server of phases
        but of messages, see `links`, and refused here.
    schedule : Schedule
        Order of dimensions per chunk. ASTRA-sim 2 knows `ascending` only, whatever it is asked for, and so do its
        conventions.
    in_flight : int
        Chunk phases under way in a dimension at once. By physics they share its links: one sends, the others wait for
        their latency. In ASTRA-sim's conventions each has the links for itself.
    optimization : Optimization
        What an all-reduce does in each dimension.
    algorithms : sequence of Algorithm, optional
        Per dimension; by default that of its block.
    record : bool
        Whether to keep a `log` of all phases.

    Attributes
    ----------
    busy : list of float
        Per dimension, how long its links were occupied [s].
    sent : list of float
        Per dimension, bytes that crossed the links of one NPU [B].
    log : list of LoggedPhase
        Phases in the order they ended; empty unless `record`.
    transfers : list of LoggedTransfer
        Messages of `send`; empty unless `record`.
    phases : int
        Phases served.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> clock = Clock()
    >>> ring = Topology("ring", (Dimension(Block.RING, 4),))
    >>> network = Network(clock, ring, [1e9])
    >>> done = network.issue(Collective.ALL_REDUCE, 4e6, chunks=2)
    >>> clock.run(until=done), round(clock.now, 9)
    (0.006, 0.006)
    """

    def __init__(
        self,
        clock: Clock,
        topology: Topology,
        bandwidths: Sequence[float],
        *,
        convention: Convention = Convention.PHYSICAL,
        schedule: Schedule = Schedule.ASCENDING,
        in_flight: int = 1,
        optimization: Optimization = Optimization.LOCAL,
        algorithms: Sequence[Algorithm] | None = None,
        record: bool = False,
    ) -> None:
        if convention is Convention.ASTRA_SIM_2_AWARE:
            raise ValueError("the congestion-aware convention is simulated message by message: see simulation.links")
        self.clock, self.topology, self.bandwidths = clock, topology, tuple(bandwidths)
        self.convention, self.in_flight, self.optimization = convention, in_flight, optimization
        self.schedule = Schedule.ASCENDING if convention.always_ascending else schedule
        self.algorithms = tuple(algorithms or (DEFAULT_ALGORITHM[each.block] for each in topology.dimensions))
        self.record = record
        self.busy = [0.0] * len(self.bandwidths)
        self.sent = [0.0] * len(self.bandwidths)
        self.log: list[LoggedPhase] = []
        self.transfers: list[LoggedTransfer] = []
        self.phases = 0
        self._loads = GreedyLoads(self.bandwidths)
        self._loads_at = -1.0
        self._best: dict[tuple[Collective, float, tuple[int, ...], int, Positions | None], list[ChunkPlan]] = {}
        self._servers: dict[tuple[int, str], Server] = {}
        self._channels: dict[tuple[int, str], float] = {}
        self._costs: dict[tuple[int, Collective, int, float, tuple[int, ...] | None], Cost] = {}
        self._ways: dict[tuple[ChunkPlan, Collective, tuple[int, ...], str, Positions | None], tuple[Leg, ...]] = {}

    def issue(
        self,
        collective: Collective,
        size: float,
        groups: Sequence[int] | None = None,
        *,
        chunks: int = 64,
        label: str = "",
        priority: float = 0.0,
        part: str = "",
        plans: Sequence[ChunkPlan] | None = None,
        positions: Sequence[Sequence[int] | None] | None = None,
    ) -> Event:
        """Start a collective now; it shares the dimensions with all others under way.

        Parameters
        ----------
        collective : Collective
            The operation.
        size : float
            Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
        groups : sequence of int, optional
            NPUs of the group along each dimension, 1 where it does not use it; by default all.
        chunks : int
            Into how many it is cut, at most as many as it has bytes.
        label : str
            For the log.
        priority : float
            Of two phases that wait for a dimension the higher goes first, equal ones in order of arrival. What is
            being served is not interrupted. Last in, first out: a number that grows with each collective.
        part : str
            ASTRA-sim's conventions give groups that split a dimension a queue of their own: a name for it, such as
            ``"dp"``. By physics they share the links, and the name is ignored.
        plans : sequence of ChunkPlan, optional
            Chunks and their orders, in place of the schedule's.
        positions : sequence of sequence of int, optional
            Where the group's NPUs sit along each dimension, by default neighbours: see `phase_cost`.

        Returns
        -------
        simpy.Event
            Succeeds when the last chunk is done; its value is that time [s]. Already triggered at once where nothing
            is to be sent (a group of one NPU, no bytes, less than one where the convention counts whole bytes).
        """
        sizes = tuple(groups) if groups is not None else tuple(each.size for each in self.topology.dimensions)
        whole = self.convention.whole_nanoseconds
        done = Event(self.clock)
        if (int(size) if whole else size) <= 0 or all(p == 1 for p in sizes):
            return done.succeed(self.clock.now)
        at = spread(self.topology, positions)
        planned = self.plans(collective, size, sizes, chunks, at) if plans is None else list(plans)
        part = part if whole else ""
        issued = Issued(done, len(planned), label, priority)
        ways = []
        for plan in planned:
            key = (plan, collective, sizes, part, at)
            if key not in self._ways:
                self._ways[key] = self._way(*key)
            ways.append(self._ways[key])
        if planned[0].lag is not None:
            order = turns(planned[0].lag, tuple(tuple(leg.server.dimension for leg in way) for way in ways))
            issued.lines = {dimension: Line(line) for dimension, line in order.items()}
        for index, way in enumerate(ways):
            Chunk(self, issued, index, way).next()
        return done

    def send(self, leg: TransferLeg, channel: str, label: str = "") -> Event:
        """Send a message to one NPU along one dimension now.

        It takes its share of the dimension's links from the collectives there, between two of their phases, and waits
        for earlier messages of its channel. In ASTRA-sim's conventions, which know no such messages, it takes nothing
        from collectives.

        Parameters
        ----------
        leg : TransferLeg
            What it takes.
        channel : str
            Messages of one channel use the same links: a direction.
        label : str
            For the log.

        Returns
        -------
        simpy.Event
            Fires when the last byte has arrived.
        """
        clock, d = self.clock, leg.dimension
        start = max(clock.now, self._channels.get((d, channel), 0.0))
        if not self.convention.whole_nanoseconds:
            server = self._server(d, "")
            start = max(start, server.link_free)
            # what waits for its channel alone leaves the other links to collectives: its share is taken now
            server.link_free = max(clock.now, server.link_free) + leg.work
        self._channels[d, channel] = start + leg.duration
        self.busy[d] += leg.work
        self.sent[d] += leg.sent
        end = start + leg.duration + leg.latency
        if self.record:
            self.transfers.append(LoggedTransfer(label, d, leg.size, clock.now, start, end))
        return clock.at(end)

    def _server(self, dimension: int, part: str) -> Server:
        server = self._servers.get((dimension, part))
        if server is None:
            self._servers[dimension, part] = server = Server(self, dimension)
        return server

    def plans(
        self, collective: Collective, size: float, groups: Sequence[int], chunks: int, at: Positions | None = None
    ) -> list[ChunkPlan]:
        """Return the chunks of a collective issued now and the order of dimensions that the schedule gives each."""
        whole = self.convention.whole_nanoseconds
        chunks = min(chunks, max(1, int(size)))  # no chunk of less than a byte
        if self.schedule is Schedule.LATENCY_AWARE:
            from simcore.models.network.schedulers.latency_aware import best_plans

            key = (collective, size, tuple(groups), chunks, at)
            if key not in self._best:
                self._best[key] = best_plans(self, *key)
            return self._best[key]
        greedy = self.schedule in (Schedule.THEMIS, Schedule.FLEX)
        if greedy and collective is not Collective.ALL_TO_ALL and self.optimization is Optimization.LOCAL:
            if self.clock.now != self._loads_at:
                self._loads.reset()
                self._loads_at = self.clock.now
            return self._loads.plans(self.schedule, collective, size, chunks, groups, whole)
        schedule = Schedule.ASCENDING if greedy else self.schedule
        return fixed_plans(schedule, collective, chunk_sizes(size, chunks, whole), groups, whole, self.in_flight)

    def idle_copy(self, algorithms: Sequence[Algorithm]) -> Network:
        """Return such a network with nothing under way, with other algorithms, on a clock of its own."""
        return Network(
            Clock(),
            self.topology,
            self.bandwidths,
            convention=self.convention,
            schedule=self.schedule,
            in_flight=self.in_flight,
            optimization=self.optimization,
            algorithms=algorithms,
            record=self.record,
        )

    def after(self, start: float, duration: float) -> float:
        """Return ``start + duration`` [s], on the grid of whole nanoseconds where the convention has one."""
        if self.convention.whole_nanoseconds:
            return (round(start / NANOSECOND) + round(duration / NANOSECOND)) / 1e9
        return start + duration

    def note(self, chunk: Chunk) -> None:
        """Add the phase that a chunk has just ended to the log."""
        issued, leg = chunk.issued, chunk.leg
        self.log.append(
            LoggedPhase(
                issued.label, chunk.index, leg.server.dimension, leg.operation, leg.size, chunk.queued, chunk.start,
                self.clock.now,
            )
        )  # fmt: skip

    def cost(
        self, dimension: int, operation: Collective, group: int, size: float, members: tuple[int, ...] | None = None
    ) -> Cost:
        """Return the cost of one phase, remembered."""
        key = (dimension, operation, group, size, members)
        found = self._costs.get(key)
        if found is None:
            at, bandwidth = self.topology.dimensions[dimension], self.bandwidths[dimension]
            way = self.algorithms[dimension]
            found = phase_cost(self.convention, at, bandwidth, way, operation, group, size, members)
            self._costs[key] = found
        return found

    def _way(
        self, plan: ChunkPlan, collective: Collective, groups: tuple[int, ...], part: str, at: Positions | None
    ) -> tuple[Leg, ...]:
        whole = self.convention.whole_nanoseconds
        legs = []
        for d, operation, size in phases(plan, collective, groups, self.optimization, whole):
            server = self._server(d, part if groups[d] < self.topology.dimensions[d].size else "")
            legs.append(Leg(server, operation, size, self.cost(d, operation, groups[d], size, at[d] if at else None)))
        return tuple(legs)

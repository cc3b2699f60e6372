"""A network under load: each dimension serves chunk phases, collectives share the dimensions on one clock.

In a symmetric collective every NPU does the same at the same time, so one NPU stands for all. The cost of a run grows
with chunks x phases and never with the number of NPUs. Where NPUs differ, use `ranks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.algorithms import DEFAULT_ALGORITHM, Algorithm
from simcore.models.network.bandwidths import check_bandwidths
from simcore.models.network.chunks import ChunkPlan, Optimization, phases, settled_by_dimension
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import PHYSICAL, Convention
from simcore.models.network.distances import Positions, spread, strided
from simcore.models.network.phase_costs import PhaseCosts
from simcore.models.network.ports import exchanged, is_plain, ports
from simcore.models.network.schedulers.ascending import Ascending
from simcore.models.network.schedulers.base import CollectiveView, Scheduler
from simcore.models.network.schedulers.check import made, planned
from simcore.models.network.simulation.alone import Totals, run_alone
from simcore.models.network.simulation.log import Ledger, LoggedPhase, LoggedTransfer
from simcore.models.network.simulation.servers import (
    Chunk,
    Issued,
    PortQueue,
    ServedPhase,
    Server,
    SettledOrder,
    YieldingServer,
)
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
        What a phase costs. ``physical`` keeps what links carry. ``astra-sim-2-aware`` serves messages rather than
        phases, see `links`, and is refused here.
    schedule : type of Scheduler
        Order of dimensions per chunk. A convention that is `always_ascending` runs `Ascending`, whatever is asked for.
    in_flight : int
        Chunk phases under way in a dimension at once. By physics they share its links: one sends, the others wait for
        their latency. In ASTRA-sim's conventions each has the links for itself.
    optimization : Optimization
        What an all-reduce does in each dimension.
    algorithms : sequence of Algorithm, optional
        Per dimension; by default that of its block.
    record : bool
        Whether to keep a `log` of all phases.
    interrupts : bool
        Whether a phase of higher priority interrupts what is being served.

    Attributes
    ----------
    cost : PhaseCosts
        What a phase costs, by dimension, operation, group and size.
    ran : dict of Collective to set of int
        Collectives that were issued, and the dimensions (from 0) that they used.
    waited : bool
        Whether NPUs have waited for a collective, see `CollectiveView`; who runs a program says so.
    totals : Totals or None
        What a collective took that ran alone, see `run_alone`.

    Raises
    ------
    InputError
        If bandwidths are not as many as dimensions, or one is below 1 MB/s.

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
        convention: Convention = PHYSICAL,
        schedule: type[Scheduler] = Ascending,
        in_flight: int = 1,
        optimization: Optimization = Optimization.LOCAL,
        algorithms: Sequence[Algorithm] | None = None,
        record: bool = False,
        interrupts: bool = False,
    ) -> None:
        if not (convention.shares_links or is_plain(topology)):
            raise ValueError(f"the convention {convention} knows neither shared ports nor levels without rails")
        if convention.by_message:
            raise ValueError("the congestion-aware convention is simulated message by message: see simulation.links")
        check_bandwidths(topology, bandwidths)
        self.clock, self.topology, self.bandwidths = clock, topology, tuple(bandwidths)
        self.convention, self.in_flight, self.optimization = convention, in_flight, optimization
        self.schedule = Ascending if convention.always_ascending else schedule
        self.algorithms = tuple(algorithms or (DEFAULT_ALGORITHM[each.block] for each in topology.dimensions))
        self.ledger = Ledger(len(self.bandwidths), record)
        self.cost = PhaseCosts(topology, self.bandwidths, self.algorithms, convention)
        self.ran: dict[Collective, set[int]] = {}
        self.totals: Totals | None = None
        self.waited = False
        self._scheduler = made(self.schedule)
        self._serving = YieldingServer if interrupts else Server
        self._ports = {port: PortQueue(port.bandwidth) for port in ports(topology)}
        self._servers: dict[tuple[int, str], Server] = {}
        self._channels: dict[tuple[int, str], float] = {}
        self._phases: dict[
            tuple[ChunkPlan, Collective, tuple[int, ...], str, Positions | None], tuple[ServedPhase, ...]
        ] = {}

    @property
    def busy(self) -> list[float]:
        """Per dimension, how long its links were occupied [s]."""
        return self.ledger.busy

    @property
    def sent(self) -> list[float]:
        """Per dimension, bytes that crossed the links of one NPU [B]."""
        return self.ledger.sent

    @property
    def log(self) -> list[LoggedPhase]:
        """Phases in the order they ended; empty unless `record`."""
        return self.ledger.log

    @property
    def transfers(self) -> list[LoggedTransfer]:
        """Messages of `send`; empty unless `record`."""
        return self.ledger.transfers

    @property
    def ended(self) -> float:
        """When what runs alone has ended, or else what the clock says [s]."""
        return self.clock.now if self.totals is None else self.totals.end

    @property
    def phases(self) -> int:
        """Phases served."""
        return self.ledger.phases

    def issue(
        self,
        collective: Collective,
        size: float,
        groups: Sequence[int] | None = None,
        *,
        chunks: int = 64,
        label: str = "",
        priority: float = 0.0,
        queue: str = "",
        plans: Sequence[ChunkPlan] | None = None,
        positions: Sequence[Sequence[int] | None] | None = None,
        count: Callable[[], None] | None = None,
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
            being served is interrupted where the network `interrupts`. Last in, first out: a number that grows with
            each collective.
        queue : str
            ASTRA-sim's conventions give groups that split a dimension a queue of their own: a name for it, such as
            ``"dp"``. By physics they share the links, and the name is ignored.
        plans : sequence of ChunkPlan, optional
            Chunks and their orders, in place of the schedule's.
        positions : sequence of sequence of int, optional
            Where the group's NPUs sit along each dimension, by default neighbours: see `phase_cost`.
        count : callable, optional
            Told of each chunk that is done.

        Returns
        -------
        simpy.Event
            Succeeds when the last chunk is done; its value is that time [s]. Already triggered at once where nothing
            is to be sent (a group of one NPU, no bytes, less than one where the convention counts whole bytes).
        """
        sizes = tuple(groups) if groups is not None else tuple(each.size for each in self.topology.dimensions)
        done = Event(self.clock)
        if self.convention.bytes(size) <= 0 or all(p == 1 for p in sizes):
            return done.succeed(self.clock.now)
        self.ran.setdefault(collective, set()).update(d for d, p in enumerate(sizes) if p > 1)
        at = spread(self.topology, positions)
        outer = strided(positions)
        chosen = self.plans(collective, size, sizes, chunks, at, outer) if plans is None else list(plans)
        queue = "" if self.convention.shares_links else queue
        issued = Issued(done, len(chosen), label, priority, count)
        served = [self._served(plan, collective, sizes, queue, at) for plan in chosen]
        if chosen[0].lag is not None:
            dimensions = tuple(tuple(each.server.dimension for each in chunk) for chunk in served)
            orders = settled_by_dimension(chosen[0].lag, dimensions)
            issued.orders = {dimension: SettledOrder(order) for dimension, order in orders.items()}
        for index, chunk in enumerate(served):
            Chunk(self.clock, self.ledger, issued, index, chunk).next()
        return done

    def run_alone(
        self,
        collective: Collective,
        size: float,
        groups: Sequence[int],
        chunks: int,
        positions: Sequence[Sequence[int] | None] | None = None,
        count: Callable[[], None] | None = None,
    ) -> Totals | None:
        """Run a collective of very many chunks that has this idle network for itself, see `alone`.

        Parameters are those of `issue`. None where its chunks have a settled order, a port that they share, or a
        convention that does not let them share links: then nothing has run.
        """
        sizes, at = tuple(groups), spread(self.topology, positions)
        if not self.convention.shares_links or size <= 0 or all(p == 1 for p in sizes) or self._ports:
            return None
        plans = self.plans(collective, size, sizes, chunks, at, strided(positions))
        if plans[0].lag is not None:
            return None
        self.ran.setdefault(collective, set()).update(d for d, p in enumerate(sizes) if p > 1)
        journeys = [(self._served(plan, collective, sizes, "", at), len(list(equal))) for plan, equal in groupby(plans)]
        self.totals = run_alone(journeys, len(sizes), self.in_flight, self.ledger, count)
        return self.totals

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
        if self.convention.shares_links:
            server = self._server(d, "")
            start = max(start, server.links_free)
            if server.port is not None:
                start, _ = server.port.through(clock.now, leg.sent, leg.duration, start, start)
            # what waits for its channel alone leaves the other links to collectives: its share is taken now
            server.links_free = max(clock.now, server.links_free) + leg.work
        self._channels[d, channel] = start + leg.duration
        self.busy[d] += leg.work
        self.sent[d] += leg.sent
        end = start + leg.duration + leg.latency
        if self.ledger.record:
            self.transfers.append(LoggedTransfer(label, d, leg.size, clock.now, start, end))
        return clock.at(end)

    def plans(
        self,
        collective: Collective,
        size: float,
        groups: Sequence[int],
        chunks: int,
        at: Positions | None = None,
        outer: frozenset[int] = frozenset(),
    ) -> list[ChunkPlan]:
        """Return the chunks of a collective issued now and the order of dimensions that the schedule gives each."""
        return planned(self._scheduler, self.view(collective, size, groups, chunks, at, outer))

    def view(
        self,
        collective: Collective,
        size: float,
        groups: Sequence[int],
        chunks: int,
        at: Positions | None = None,
        outer: frozenset[int] = frozenset(),
    ) -> CollectiveView:
        """Return what a schedule sees of a collective issued now."""
        chunks = min(chunks, max(1, int(size)))  # no chunk of less than a byte
        settings = self.cost, self.in_flight, self.optimization
        return CollectiveView(
            collective, size, tuple(groups), chunks, self.clock.now, *settings, at, outer, self.waited
        )

    def add(self, other: Network, times: int = 1) -> None:
        """Count what ran on a copy of this network, so many times."""
        self.ledger.add(other.ledger, times)
        for collective, dimensions in other.ran.items():
            self.ran.setdefault(collective, set()).update(dimensions)

    def occupy(self, behind: Mapping[int, tuple[float, Mapping[str, float]]]) -> None:
        """Begin with messages under way: per dimension, until when its links and each channel are taken [s]."""
        for d, (free, channels) in behind.items():
            self._server(d, "").links_free = free
            self._channels.update({(d, channel): until for channel, until in channels.items()})

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
            record=self.ledger.record,
        )

    def _server(self, dimension: int, queue: str) -> Server:
        server = self._servers.get((dimension, queue))
        if server is None:
            port = self.topology.dimensions[dimension].port
            shared = None if port is None else self._ports[port]
            server = self._serving(self.clock, self.ledger, self.convention, self.in_flight, dimension, shared)
            self._servers[dimension, queue] = server
        return server

    def _served(
        self, plan: ChunkPlan, collective: Collective, groups: tuple[int, ...], queue: str, at: Positions | None
    ) -> tuple[ServedPhase, ...]:
        """Return the phases of a chunk with their servers; chunks of one plan share them."""
        key = (plan, collective, groups, queue, at)
        if key not in self._phases:
            parts = exchanged(self.topology, groups)
            self._phases[key] = tuple(
                ServedPhase(
                    self._server(d, queue if groups[d] < self.topology.dimensions[d].size else ""),
                    operation,
                    size,
                    self.cost(d, operation, groups[d], size, at[d] if at else None),
                    self.cost.latency(d, operation, groups[d], size, at[d] if at else None),
                )
                for d, operation, size in phases(plan, collective, groups, self.optimization, self.convention, parts)
            )
        return self._phases[key]

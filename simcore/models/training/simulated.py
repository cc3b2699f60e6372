"""Programs on the chunk simulator: the iteration of one NPU, its collectives in chunks that queue in the dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.algorithms import Algorithm, that_runs
from simcore.models.network.bounds import bounds
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import PHYSICAL, Convention
from simcore.models.network.mapping import Axis, Groups
from simcore.models.network.phase_costs import latency_share
from simcore.models.network.schedulers.ascending import Ascending
from simcore.models.network.schedulers.base import Scheduler
from simcore.models.network.simulation.log import LoggedPhase, LoggedTransfer
from simcore.models.network.simulation.network import Network
from simcore.models.network.topology import Topology
from simcore.models.network.transfers import TransferLeg
from simcore.models.training.execute import Log, Runner, Span, busiest, finish
from simcore.models.training.program import Issue, Step
from simcore.models.training.workload import Pass
from simcore.progress import tracked


@dataclass(frozen=True)
class Settings:
    """How collectives are simulated.

    Attributes
    ----------
    chunks : int
        Into how many each collective is cut.
    schedule : type of Scheduler
        Order of dimensions per chunk.
    convention : Convention
        What a chunk phase costs.
    record : bool
        Whether to keep a log of all chunk phases.
    in_flight : int
        Chunk phases under way in a dimension at once.
    last_first : bool
        Whether a collective that nothing waits for soon goes ahead of all that is queued too.
    """

    chunks: int = 64
    schedule: type[Scheduler] = Ascending
    convention: Convention = PHYSICAL
    record: bool = False
    in_flight: int = 1
    last_first: bool = False


class ChunkFabric:
    """The chunk simulator as one NPU of a training job uses it.

    Parameters
    ----------
    network : Network
        The dimensions as servers.
    groups : Groups
        The groups of its collectives.
    chunks : int
        Into how many each collective is cut.
    in_order : bool
        Whether collectives that are not urgent keep their order in every dimension, as on one communicator of NCCL.
        Else a chunk queues when it arrives at a dimension, and may overtake those of an earlier collective.
    last_first : bool
        As of `Settings`.
    """

    def __init__(
        self, network: Network, groups: Groups, chunks: int, *, in_order: bool = False, last_first: bool = False
    ) -> None:
        self.network, self.groups, self.chunks, self.in_order = network, groups, chunks, in_order
        self.last_first = last_first
        self._urgent = self._others = self._counter = 0
        self._busy: dict[int, list[float]] = {}
        self._under_way: dict[int, Event] = {}

    def issue(self, issue: Issue) -> Event:
        """Start a collective now: an urgent one goes ahead of all that is queued, another one behind."""
        self._busy[issue.key] = list(self.network.busy)
        done = self.network.issue(
            issue.collective,
            issue.size,
            self.groups.sizes(issue.axis),
            chunks=self.chunks,
            label=f"{issue.axis.value} {issue.collective.value}, layer {issue.layer + 1}, {issue.part.value}",
            priority=self._priority(urgent=issue.urgent or self.last_first),
            queue=issue.axis.value,
            positions=self.groups.positions(issue.axis),
        )
        if done.triggered:
            return done
        self._under_way[issue.key] = done if not issue.update else self._later(done, issue.update)
        return self._under_way[issue.key]

    def _priority(self, *, urgent: bool) -> float:
        """Return the priority of the next collective.

        ASTRA-sim 1.0 has one counter, which an urgent collective counts up and another one down. So the others among
        themselves keep their order, and one that follows an urgent one goes ahead of those before that.
        """
        if self.network.convention.own_loop:
            self._counter += 1 if urgent else -1
            return float(self._counter - 1 if urgent else self._counter + 1)
        self._urgent += urgent
        self._others += self.in_order and not urgent
        return float(self._urgent if urgent else -self._others)

    def _later(self, done: Event, seconds: float) -> Event:
        """Return an event that fires so much later than another one."""
        clock, late = self.network.clock, Event(self.network.clock)

        def wait(_: Event) -> None:
            after = clock.at(clock.now + seconds)
            assert after.callbacks is not None
            after.callbacks.append(arrive)

        def arrive(_: Event) -> None:
            late.succeed(clock.now)

        assert done.callbacks is not None
        done.callbacks.append(wait)
        return late

    def limit(self, issue: Issue) -> tuple[int, ...]:
        """Return the dimensions of a collective's group that were busiest since its start."""
        network, groups = self.network, self.groups.sizes(issue.axis)
        event = self._under_way.pop(issue.key, None)
        network.waited |= event is not None and event.value == network.clock.now
        before = self._busy.pop(issue.key)
        since = {d: network.busy[d] - before[d] for d, group in enumerate(groups) if group > 1}
        return busiest(since)

    def send(self, legs: Sequence[TransferLeg], channel: str, label: str, done: Event) -> None:
        """Send a message now, leg by leg, to whoever waits for `done`.

        Its value is when the message left [s], and the dimension (from 0) that it took longest in; None where it took
        no time.
        """
        slowest = max(legs, key=lambda leg: leg.duration + leg.latency).dimension if legs else None
        left = self.network.clock.now, slowest
        if not legs:
            done.succeed(left)
            return

        def carry(_: Event | None, following: int = 0) -> None:
            if following == len(legs):
                done.succeed(left)
                return
            arrived = self.network.send(legs[following], channel, label)
            assert arrived.callbacks is not None
            arrived.callbacks.append(lambda event: carry(event, following + 1))

        carry(None)


class IdealFabric:
    """A network on which every collective takes what no schedule can beat, whatever else is under way.

    An iteration on it bounds the iteration on any network with these links.

    Parameters
    ----------
    clock : Clock
        The simulation's clock.
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    groups : Groups
        Sizes of the groups along each dimension.
    """

    def __init__(self, clock: Clock, topology: Topology, bandwidths: Sequence[float], groups: Groups) -> None:
        self._clock, self._topology, self._bandwidths, self._groups = clock, topology, bandwidths, groups

    def issue(self, issue: Issue) -> Event:
        """Start a collective that ends at its bound."""
        sizes, at = self._groups.sizes(issue.axis), self._groups.positions(issue.axis)
        times = bounds(issue.collective, issue.size, self._topology, self._bandwidths, sizes, at)
        return self._clock.at(self._clock.now + times.alpha_beta)

    def limit(self, issue: Issue) -> tuple[int, ...]:
        """Return none: no dimension bounds it alone."""
        return ()


@dataclass(frozen=True)
class IterationRun:
    """A simulated training iteration.

    Attributes
    ----------
    time : float
        The iteration [s].
    spans : tuple of Span
        What an NPU computed and waited for, in order.
    busy : tuple of float
        How long each dimension's links were occupied [s].
    sent : tuple of float
        Bytes that crossed the links of one NPU in each dimension [B].
    served, latency : tuple of float
        What the chunk phases of each dimension took, and what of it was latency [s].
    algorithms : mapping of Collective to tuple of Algorithm
        Collectives that ran, with the algorithm of each dimension; None where they did not use it.
    phases : tuple of LoggedPhase
        Chunk phases, where they were recorded.
    transfers : tuple of LoggedTransfer
        Transfers to other pipeline stages, leg by leg, where they were recorded.
    events : int
        SimPy events.
    """

    time: float
    spans: tuple[Span, ...]
    busy: tuple[float, ...]
    sent: tuple[float, ...]
    served: tuple[float, ...]
    latency: tuple[float, ...]
    algorithms: Mapping[Collective, tuple[Algorithm | None, ...]]
    phases: tuple[LoggedPhase, ...]
    transfers: tuple[LoggedTransfer, ...]
    events: int

    @property
    def latency_shares(self) -> tuple[float, ...]:
        """Per dimension, the share of latency in the time of its chunk phases."""
        pairs = zip(self.served, self.latency, strict=True)
        return tuple(latency_share(served - latency, served) for served, latency in pairs)

    @property
    def compute(self) -> float:
        """All compute [s]."""
        return sum(span.seconds for span in self.spans if span.axis is None)

    @property
    def exposed(self) -> float:
        """All waiting for collectives and transfers [s]."""
        return sum(span.seconds for span in self.spans if span.axis is not None)

    def exposed_by_axis(self) -> dict[Axis, float]:
        """Return the waiting for the collectives of each group and for transfers between stages [s]."""
        return {axis: sum(span.seconds for span in self.spans if span.axis is axis) for axis in Axis}

    def exposed_by_layer(self) -> dict[tuple[int, Pass, Axis], float]:
        """Return the waiting by layer, part and group [s]; what nothing waited for is left out."""
        exposed: dict[tuple[int, Pass, Axis], float] = {}
        for span in self.spans:
            if span.axis is not None:
                key = span.layer, span.part, span.axis
                exposed[key] = exposed.get(key, 0.0) + span.seconds
        return exposed

    def exposed_by_dimension(self) -> tuple[float, ...]:
        """Return the waiting for collectives that each dimension holds up, their busiest one [s].

        Dimensions that tie share it in equal parts.
        """
        exposed = [0.0] * len(self.busy)
        for span in self.spans:
            if span.dimension is not None:
                for dimension in (span.dimension, *span.ties):
                    exposed[dimension] += span.seconds / (1 + len(span.ties))
        return tuple(exposed)


def run_iteration(
    steps: Sequence[Step], topology: Topology, bandwidths: Sequence[float], groups: Groups, settings: Settings
) -> IterationRun:
    """Simulate one iteration, with one NPU for all: symmetric training makes them do the same at the same time.

    Parameters
    ----------
    steps : sequence of Step
        The program.
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    groups : Groups
        Sizes of the groups along each dimension.
    settings : Settings
        How collectives are simulated.

    Raises
    ------
    RunError
        If the iteration does not come to its end.
    """
    clock = Clock()
    network = make_network(clock, topology, bandwidths, settings)
    log = Log("the NPU")
    runner = Runner(clock, ChunkFabric(network, groups, settings.chunks, last_first=settings.last_first), log)
    clock.process(runner.whole(tracked(steps, "steps of the iteration")))
    finish(clock, [log])
    return run_of(log, network)


def make_network(
    clock: Clock, topology: Topology, bandwidths: Sequence[float], settings: Settings, *, interrupts: bool = False
) -> Network:
    """Return the dimensions as one NPU sees them, on a clock; `interrupts` is as of `Network`."""
    return Network(
        clock,
        topology,
        bandwidths,
        convention=settings.convention,
        schedule=settings.schedule,
        in_flight=settings.in_flight,
        record=settings.record,
        interrupts=interrupts,
    )


def run_of(log: Log, network: Network) -> IterationRun:
    """Return what one NPU did on its network, once it has come to its end."""
    assert log.end is not None  # finish() has seen to that
    return IterationRun(
        log.end,
        tuple(log.spans),
        tuple(network.busy),
        tuple(network.sent),
        tuple(network.ledger.served),
        tuple(network.ledger.latency),
        _algorithms(network),
        tuple(network.log),
        tuple(network.transfers),
        network.clock.events + network.ledger.events,
    )


def mean_of(run: IterationRun, passes: int) -> IterationRun:
    """Return what one of several passes took in the mean; logs stay as they are.

    Examples
    --------
    >>> span = Span(1.0, 3.0, 0, Pass.FORWARD)
    >>> twice = IterationRun(4.0, (span,), (2.0,), (8.0,), (2.0,), (0.0,), {}, (), (), 6)
    >>> mean_of(twice, 2).time, mean_of(twice, 2).compute, mean_of(twice, 2).sent
    (2.0, 1.0, (4.0,))
    """
    spans = tuple(replace(span, end=span.start + (span.end - span.start) / passes) for span in run.spans)
    parts = (run.busy, run.sent, run.served, run.latency)
    busy, sent, served, latency = (tuple(each / passes for each in part) for part in parts)
    return replace(run, time=run.time / passes, spans=spans, busy=busy, sent=sent, served=served, latency=latency)


def _algorithms(network: Network) -> dict[Collective, tuple[Algorithm | None, ...]]:
    """Return the algorithm of each dimension of the collectives that ran on a network."""
    return {
        collective: tuple(
            that_runs(algorithm, collective) if d in used else None for d, algorithm in enumerate(network.algorithms)
        )
        for collective, used in network.ran.items()
    }


def bound(steps: Sequence[Step], topology: Topology, bandwidths: Sequence[float], groups: Groups) -> float:
    """Return a time that no schedule of the collectives can beat [s]: the program on an `IdealFabric`."""
    clock, log = Clock(), Log("the NPU")
    runner = Runner(clock, IdealFabric(clock, topology, bandwidths, groups), log)
    clock.process(runner.whole(steps))
    finish(clock, [log])
    assert log.end is not None  # finish() has seen to that
    return log.end

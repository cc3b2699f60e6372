"""One collective on an idle network, by any convention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product

from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.network.algorithms import DEFAULT_ALGORITHM, Algorithm, that_runs
from simcore.models.network.chunk_counts import AUTO, fastest, is_settled, settled_count
from simcore.models.network.chunks import Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import ASTRA_SIM_2, PHYSICAL, Convention
from simcore.models.network.schedulers.ascending import Ascending
from simcore.models.network.schedulers.base import Scheduler
from simcore.models.network.simulation.alone import MANY, Kind, Totals
from simcore.models.network.simulation.links import Messages
from simcore.models.network.simulation.log import LoggedPhase
from simcore.models.network.simulation.network import Network
from simcore.models.network.topology import Dimension, Topology
from simcore.progress import counter


@dataclass(frozen=True)
class CollectiveRun:
    """A collective that ran.

    Attributes
    ----------
    time : float
        From issue to the end [s].
    busy : tuple of float
        How long the links of each dimension were occupied [s].
    sent : tuple of float
        Bytes that crossed the links of one NPU in each dimension [B], forwarded ones included.
    utilisation : tuple of float
        ``sent / (bandwidth x time)``; above 1 where a convention breaks physics.
    chunks : int
        Chunks it was cut into.
    phases, events : int
        Chunk phases and SimPy events.
    logged : tuple of LoggedPhase or callable
        Every phase, or what simulates them: with very many chunks they are not kept.
    algorithms : tuple of Algorithm
        That ran, per dimension.
    occupied : tuple of float
        How long at least one chunk was under way in each dimension [s].
    kinds : mapping of (int, Collective, float) to int
        How often each phase was served: dimension (from 0), operation and input [B].
    """

    time: float
    busy: tuple[float, ...]
    sent: tuple[float, ...]
    utilisation: tuple[float, ...]
    chunks: int
    phases: int
    events: int
    logged: tuple[LoggedPhase, ...] | Callable[[], tuple[LoggedPhase, ...]] = field(repr=False)
    algorithms: tuple[Algorithm, ...]
    occupied: tuple[float, ...] = ()
    kinds: Mapping[Kind, int] = field(default_factory=dict, repr=False)

    @cached_property
    def log(self) -> tuple[LoggedPhase, ...]:
        """Every phase, in the order they ended."""
        return self.logged() if callable(self.logged) else self.logged


def simulate_collective(
    collective: Collective,
    size: float,
    topology: Topology,
    bandwidths: Sequence[float],
    groups: Sequence[int] | None = None,
    *,
    positions: Sequence[Sequence[int]] | None = None,
    chunks: int | str = AUTO,
    schedule: type[Scheduler] = Ascending,
    in_flight: int = 1,
    optimization: Optimization = Optimization.LOCAL,
    convention: Convention = PHYSICAL,
    algorithms: Sequence[Algorithm] | None = None,
    place: str = "convention",
) -> CollectiveRun:
    """Run one collective on an idle network.

    Parameters
    ----------
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    topology, bandwidths, schedule, in_flight, optimization, convention, algorithms
        See `Network`.
    groups : sequence of int, optional
        NPUs of the group along each dimension; by default all.
    positions : sequence of sequence of int, optional
        Where they sit along each dimension, by default neighbours.
    chunks : int or str
        Into how many it is cut: ``auto`` takes the number of `simcore.models.network.chunk_counts.COUNTS` that is
        fastest, or 64 by ASTRA-sim's conventions.
    place : str
        What gave the convention, for messages.

    Raises
    ------
    InputError
        If the congestion-aware convention of ASTRA-sim, which knows one dimension, is asked for more.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> ring = Topology("ring", (Dimension(Block.RING, 8, latency=500e-9),))
    >>> from simcore.models.network.conventions import ASTRA_SIM
    >>> run = simulate_collective(Collective.ALL_REDUCE, 2**26, ring, [100 * 2**30], convention=ASTRA_SIM)
    >>> round(run.time * 1e9), run.phases  # ASTRA-sim 1.0 counts 1542085 ns
    (1542080, 64)
    """
    sizes = tuple(groups) if groups is not None else tuple(each.size for each in topology.dimensions)
    settled = is_settled(chunks, schedule, convention)
    chosen = tuple(algorithms or (DEFAULT_ALGORITHM[each.block] for each in topology.dimensions))
    if convention.by_message:
        _check_messages(collective, topology, sizes, chosen[0], convention, place)
        alone = topology.dimensions[0]
        return _run_messages(collective, size, alone, bandwidths, settled_count(chunks), in_flight, chosen, convention)

    network = Network(
        Clock(),
        topology,
        bandwidths,
        convention=convention,
        schedule=schedule,
        in_flight=in_flight,
        optimization=optimization,
        algorithms=chosen,
        record=True,
    )
    if settled:
        ran = run_fastest(network, collective, size, sizes, settled_count(chunks), positions)
    else:
        _, ran = fastest(
            lambda count: run_fastest(network, collective, size, sizes, count, positions), lambda one: one.ended
        )
    used = ran.busy, ran.sent, bandwidths
    if ran.totals is None:
        chunks_run, time = len({phase.chunk for phase in ran.log}), ran.clock.now if ran.phases else 0.0
        return _finished(collective, time, *used, chunks_run, ran.phases, ran.clock.events, ran.log, ran.algorithms)
    logged = partial(_logged, ran, collective, size, sizes, settled_count(chunks), positions)
    counts = sum(ran.totals.kinds.values()), ran.ledger.events
    whole = len(ran.plans(collective, size, sizes, settled_count(chunks)))
    return _finished(collective, ran.ended, *used, whole, *counts, logged, ran.algorithms, ran.totals)


def _logged(
    network: Network,
    collective: Collective,
    size: float,
    groups: Sequence[int],
    chunks: int,
    positions: Sequence[Sequence[int] | None] | None,
) -> tuple[LoggedPhase, ...]:
    """Run a collective on an idle copy of a network with a log of all its phases."""
    copy = network.idle_copy(network.algorithms)
    copy.clock.run(until=copy.issue(collective, size, groups, chunks=chunks, positions=positions))
    return tuple(copy.log)


def run_fastest(
    network: Network,
    collective: Collective,
    size: float,
    groups: Sequence[int],
    chunks: int,
    positions: Sequence[Sequence[int] | None] | None = None,
) -> Network:
    """Run a collective alone on an idle copy of a network, and return the copy.

    Behind others in flight latency hides, which a phase alone does not show. Where a dimension may fold or run a ring,
    all of its phases do the one or the other then, whichever ends first: 2 runs for each such dimension.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> six = Topology("six", (Dimension(Block.SWITCH, 6, latency=1e-6),))
    >>> network = Network(Clock(), six, [1e11], in_flight=4)
    >>> [run_fastest(network, Collective.ALL_REDUCE, size, [6], 64).algorithms[0].value for size in (1e5, 1e9)]
    ['folding', 'ring']
    """
    choices = [network.algorithms]
    if network.in_flight > 1:
        each = zip(network.topology.dimensions, network.algorithms, groups, strict=True)
        candidates = network.convention.candidates
        choices = list(product(*(candidates(at, algorithm, collective, p) for at, algorithm, p in each)))
    ran = [network.idle_copy(algorithms) for algorithms in choices]
    count = counter("chunks", chunks * len(ran))
    for copy in ran:
        if chunks < MANY or copy.run_alone(collective, size, groups, chunks, positions, count) is None:
            copy.clock.run(until=copy.issue(collective, size, groups, chunks=chunks, positions=positions, count=count))
    return min(ran, key=lambda copy: copy.ended)


def _finished(
    collective: Collective,
    time: float,
    busy: Sequence[float],
    sent: Sequence[float],
    bandwidths: Sequence[float],
    chunks: int,
    phases: int,
    events: int,
    log: Sequence[LoggedPhase] | Callable[[], tuple[LoggedPhase, ...]],
    algorithms: tuple[Algorithm, ...],
    totals: Totals | None = None,
) -> CollectiveRun:
    if totals is None:
        assert not callable(log)
        totals = _totals(log, len(busy))
    utilisation = tuple(s / (b * time) if time > 0 else 0.0 for s, b in zip(sent, bandwidths, strict=True))
    ran = tuple(that_runs(each, collective) for each in algorithms)
    kept = log if callable(log) else tuple(log)
    return CollectiveRun(
        time, tuple(busy), tuple(sent), utilisation, chunks, phases, events, kept, ran, totals.occupied, totals.kinds
    )


def _totals(log: Sequence[LoggedPhase], dimensions: int) -> Totals:
    """Sum up the phases of a log."""
    kinds = dict(Counter((phase.dimension, phase.operation, phase.size) for phase in log))
    return Totals(0.0, kinds, tuple(_union(log, d) for d in range(dimensions)))


def _union(log: Sequence[LoggedPhase], dimension: int) -> float:
    """Return how long the phases of a dimension take, where they overlap once [s]."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted((phase.start, phase.end) for phase in log if phase.dimension == dimension):
        if stop > end:
            total += stop - max(start, end)
            end = stop
    return total


def _check_messages(
    collective: Collective,
    topology: Topology,
    groups: tuple[int, ...],
    algorithm: Algorithm,
    convention: Convention,
    place: str,
) -> None:
    """Refuse what is not simulated message by message."""
    n = topology.dimensions[0].size
    if len(topology.dimensions) != 1 or groups[0] != n:
        found = f"{len(topology.dimensions)} dimensions" if len(topology.dimensions) > 1 else f"a group of {groups[0]}"
        remedy = f"Choose {place} {ASTRA_SIM_2} or {PHYSICAL}."
        raise InputError(f"{place} {convention}", found, "one dimension, and all its NPUs", remedy)
    folds = algorithm in (Algorithm.HALVING_DOUBLING, Algorithm.FOLDING)
    if folds and n & (n - 1) and collective is not Collective.ALL_TO_ALL:
        remedy = f"Choose {place} {PHYSICAL}, or the algorithm ring."
        raise InputError(f"{place} {convention}", f"halving-doubling among {n} NPUs", "a power of two", remedy)


def _run_messages(
    collective: Collective,
    size: float,
    dimension: Dimension,
    bandwidths: Sequence[float],
    chunks: int,
    in_flight: int,
    algorithms: tuple[Algorithm, ...],
    convention: Convention,
) -> CollectiveRun:
    """Simulate a collective in one dimension message by message."""
    if size < 1 or dimension.size == 1:
        return _finished(collective, 0.0, [0.0], [0.0], bandwidths, 0, 0, 0, (), algorithms)
    clock = Clock()
    sizes = [int(chunk) for chunk in convention.cut(size, chunks)]
    messages = Messages(clock, dimension, bandwidths[0], algorithms[0], collective, sizes, in_flight)
    clock.run(until=messages.done)
    counts = len(sizes), len(sizes), clock.events
    used = [messages.busy], [messages.sent]
    return _finished(collective, clock.now, *used, bandwidths, *counts, messages.log, algorithms)

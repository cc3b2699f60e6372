"""One collective on an idle network, by any convention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention, candidates
from simcore.models.network.schedulers.schedules import Optimization, Schedule, chunk_sizes
from simcore.models.network.simulation.algorithms import DEFAULT_ALGORITHM, Algorithm
from simcore.models.network.simulation.links import Messages
from simcore.models.network.simulation.log import LoggedPhase
from simcore.models.network.simulation.network import Network
from simcore.models.network.topology import Topology


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
    log : tuple of LoggedPhase
        Every phase, in the order they ended.
    algorithms : tuple of Algorithm
        That ran, per dimension.
    """

    time: float
    busy: tuple[float, ...]
    sent: tuple[float, ...]
    utilisation: tuple[float, ...]
    chunks: int
    phases: int
    events: int
    log: tuple[LoggedPhase, ...]
    algorithms: tuple[Algorithm, ...]


def simulate_collective(
    collective: Collective,
    size: float,
    topology: Topology,
    bandwidths: Sequence[float],
    groups: Sequence[int] | None = None,
    *,
    positions: Sequence[Sequence[int]] | None = None,
    chunks: int = 64,
    schedule: Schedule = Schedule.ASCENDING,
    in_flight: int = 1,
    optimization: Optimization = Optimization.LOCAL,
    convention: Convention = Convention.PHYSICAL,
    algorithms: Sequence[Algorithm] | None = None,
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
    chunks : int
        Into how many it is cut.

    Raises
    ------
    InputError
        If the congestion-aware convention of ASTRA-sim, which knows one dimension, is asked for more.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> ring = Topology("ring", (Dimension(Block.RING, 8, latency=500e-9),))
    >>> run = simulate_collective(Collective.ALL_REDUCE, 2**26, ring, [100 * 2**30], convention=Convention.ASTRA_SIM)
    >>> round(run.time * 1e9), run.phases  # ASTRA-sim 1.0 counts 1542085 ns
    (1542085, 64)
    """
    sizes = tuple(groups) if groups is not None else tuple(each.size for each in topology.dimensions)
    ways = tuple(algorithms or (DEFAULT_ALGORITHM[each.block] for each in topology.dimensions))
    if convention is Convention.ASTRA_SIM_2_AWARE:
        return _aware(collective, size, topology, bandwidths, sizes, chunks, in_flight, ways)

    network = Network(
        Clock(),
        topology,
        bandwidths,
        convention=convention,
        schedule=schedule,
        in_flight=in_flight,
        optimization=optimization,
        algorithms=ways,
        record=True,
    )
    ran = run_fastest(network, collective, size, sizes, chunks, positions)
    time = ran.after(ran.clock.now, convention.startup) if ran.phases else 0.0
    counts = len({phase.chunk for phase in ran.log}), ran.phases, ran.clock.events
    return _finished(time, ran.busy, ran.sent, bandwidths, *counts, ran.log, ran.algorithms)


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
    ways = [network.algorithms]
    if network.convention is Convention.PHYSICAL and network.in_flight > 1:
        every = zip(network.topology.dimensions, network.algorithms, groups, strict=True)
        ways = list(product(*(candidates(each, way, collective, p) for each, way, p in every)))
    ran = [network.idle_copy(each) for each in ways]
    for copy in ran:
        copy.clock.run(until=copy.issue(collective, size, groups, chunks=chunks, positions=positions))
    return min(ran, key=lambda copy: copy.clock.now)


def _finished(
    time: float,
    busy: Sequence[float],
    sent: Sequence[float],
    bandwidths: Sequence[float],
    chunks: int,
    phases: int,
    events: int,
    log: Sequence[LoggedPhase],
    algorithms: tuple[Algorithm, ...],
) -> CollectiveRun:
    utilisation = tuple(s / (b * time) if time > 0 else 0.0 for s, b in zip(sent, bandwidths, strict=True))
    return CollectiveRun(time, tuple(busy), tuple(sent), utilisation, chunks, phases, events, tuple(log), algorithms)


def _aware(
    collective: Collective,
    size: float,
    topology: Topology,
    bandwidths: Sequence[float],
    groups: tuple[int, ...],
    chunks: int,
    in_flight: int,
    algorithms: tuple[Algorithm, ...],
) -> CollectiveRun:
    convention = Convention.ASTRA_SIM_2_AWARE
    whole = [d for d, each in enumerate(topology.dimensions) if groups[d] == each.size]
    if len(topology.dimensions) != 1 or not whole:
        found = f"{len(topology.dimensions)} dimensions" if len(topology.dimensions) > 1 else f"a group of {groups[0]}"
        remedy = "Choose --convention astra-sim-2 or physical."
        raise InputError(f"--convention {convention}", found, "one dimension, and all its NPUs", remedy)
    dimension = topology.dimensions[0]
    algorithm, n = algorithms[0], dimension.size
    folds = algorithm in (Algorithm.HALVING_DOUBLING, Algorithm.FOLDING)
    if folds and n & (n - 1) and collective is not Collective.ALL_TO_ALL:
        found = f"halving-doubling among {n} NPUs"
        remedy = "Choose --convention physical, or --algorithm ring."
        raise InputError(f"--convention {convention}", found, "a power of two", remedy)
    if size < 1 or n == 1:
        return _finished(0.0, [0.0], [0.0], bandwidths, 0, 0, 0, (), algorithms)
    clock = Clock()
    sizes = [int(chunk) for chunk in chunk_sizes(size, chunks, whole=True)]
    messages = Messages(clock, dimension, bandwidths[0], algorithm, collective, sizes, in_flight)
    clock.run(until=messages.done)
    counts = len(sizes), len(sizes), clock.events
    return _finished(clock.now, [messages.busy], [messages.sent], bandwidths, *counts, messages.log, algorithms)

"""Several training jobs on one network: what they do to each other where they use the same links.

Each job runs its own program; its collectives are fluid flows on the links of the network's graph. A link that two jobs
use at the same time is shared max-min fairly; jobs on disjoint links do not notice each other.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.iteration.execute import Log, Runner, finish
from simcore.models.iteration.program import Axis, Issue, Loop, Step, iteration
from simcore.models.network.collectives import traffic
from simcore.models.network.fluid import FluidNetwork
from simcore.models.network.graph import Link, lines, link_graph, node, streams
from simcore.models.network.mapping import Groups, map_parallelism
from simcore.models.network.topology import Dimension, Topology
from simcore.models.workload import Collective, Workload

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """A training job and the NPUs that it has.

    Attributes
    ----------
    name : str
        For reports.
    workload : Workload
        What an iteration is.
    positions : tuple of tuple of int
        Positions along each dimension, innermost first; the job has the NPUs of all their combinations.
    groups : Groups
        Sizes of its groups along each dimension, as parts of `positions`: neighbours in the tensor-parallel group,
        the data-parallel group strides over them.
    iterations : int
        How many it runs.
    start : float
        When it starts [s].
    loop : Loop
        What its collectives wait for.
    recompute : bool
        Whether it recomputes activations.
    compute_scale : float
        Factor on its compute.
    """

    name: str
    workload: Workload
    positions: tuple[tuple[int, ...], ...]
    groups: Groups
    iterations: int = 1
    start: float = 0.0
    loop: Loop = Loop.SIMULATE
    recompute: bool = True
    compute_scale: float = 1.0


def place(topology: Topology, positions: Sequence[Sequence[int]], tp: int, dp: int, job: str = "job") -> Groups:
    """Map tensor and data parallelism onto a part of a network, as `map_parallelism` does onto a whole one.

    Parameters
    ----------
    topology : Topology
        The network.
    positions : sequence of sequence of int
        Positions along each dimension that the job has, innermost first.
    tp, dp : int
        Degrees of parallelism.
    job : str
        Its name, for messages.

    Raises
    ------
    InputError
        If positions do not exist or come twice, or the degrees do not fit them.

    Examples
    --------
    >>> from simcore.models.network.topology import Block
    >>> pod = Topology("pod", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 128)))
    >>> place(pod, [range(8), range(0, 128, 2)], 16, 32)
    Groups(tp=(8, 2), dp=(1, 32))
    """
    _check_positions(topology, positions, job)
    dimensions = tuple(
        Dimension(each.block, len(taken), each.level, each.latency)
        for each, taken in zip(topology.dimensions, positions, strict=True)
    )
    return map_parallelism(Topology(f"{topology.name}, part of {job}", dimensions), tp, dp, job)


def _check_positions(topology: Topology, positions: Sequence[Sequence[int]], job: str) -> None:
    if len(positions) != len(topology.dimensions):
        expected = f"one for each of the {len(topology.dimensions)} dimensions of network {topology.name}"
        raise InputError(job, f"{len(positions)} lists of positions", expected)
    for number, (taken, dimension) in enumerate(zip(positions, topology.dimensions, strict=True), 1):
        wrong = [at for at in taken if not 0 <= at < dimension.size]
        if wrong or len(set(taken)) < len(taken) or not taken:
            found = f"positions {', '.join(map(str, taken)) or 'none'}"
            expected = f"a subset of 0 to {dimension.size - 1}, each once"
            raise InputError(f"{job}, dimension {number}", found, expected)


@dataclass(frozen=True)
class JobRun:
    """What became of a job.

    Attributes
    ----------
    name : str
        The job's.
    start, end : float
        When it ran [s].
    compute : float
        Compute of one NPU [s].
    exposed : dict of Axis to float
        Waiting for collectives, by group [s].
    """

    name: str
    start: float
    end: float
    compute: float
    exposed: dict[Axis, float]

    @property
    def time(self) -> float:
        """How long it ran [s]."""
        return self.end - self.start


@dataclass(frozen=True)
class SharedRun:
    """What became of several jobs on one network.

    Attributes
    ----------
    jobs : tuple of JobRun
        In the order given.
    carried : dict
        Bytes that each link carried [B], by its two nodes.
    changes : int
        How often a flow started or ended: what the simulation costs.
    """

    jobs: tuple[JobRun, ...]
    carried: dict[Link, float]
    changes: int


class _JobFabric:
    """One job's view of the shared links."""

    def __init__(self, topology: Topology, index: dict[Link, int], job: Job) -> None:
        self._job, self._topology = job, topology
        self.rows: list[Array] = []
        self._kinds: dict[tuple[Axis, bool], list[tuple[int, float] | None]] = {}
        self._index = index

    def learn(self, issue: Issue, first: int) -> None:
        """Add the patterns of a collective to `rows`, which start at row `first` of the network's."""
        kind = issue.axis, issue.collective is Collective.ALL_TO_ALL
        if kind in self._kinds:
            return
        parts: list[tuple[int, float] | None] = []
        for dimension in range(len(self._topology.dimensions)):
            members = _members(self._job, issue.axis, dimension)
            if len(members[0]) == 1:
                parts.append(None)
                continue
            row = np.zeros(len(self._index))
            for group in members:
                share, counts = streams(self._topology.dimensions[dimension], group, issue.collective)
                for line in lines(self._topology, dimension, self._job.positions):
                    for (here, there), number in counts.items():
                        row[self._index[node(line, dimension, here), node(line, dimension, there)]] += number
            parts.append((first + len(self.rows), share))
            self.rows.append(row)
        self._kinds[kind] = parts

    def bind(self, clock: Clock, network: FluidNetwork) -> None:
        """Join the network once all patterns are known."""
        self._clock, self._network = clock, network

    def issue(self, issue: Issue) -> Event:
        """Start the flows of a collective, one per dimension."""
        return self._clock.all_of([self._network.start(row, size) for _, row, size in self._flows(issue)])

    def limit(self, issue: Issue) -> int | None:
        """Return the dimension whose links would be busy longest without other jobs."""
        network = self._network
        times = {
            dimension: size * float((network.patterns[row] / network.capacity).max())
            for dimension, row, size in self._flows(issue)
        }
        return max(times, key=lambda dimension: times[dimension], default=None)

    def _flows(self, issue: Issue) -> list[tuple[int, int, float]]:
        """Return dimension, pattern and bytes per stream of each flow of a collective."""
        groups = self._job.groups.tp if issue.axis is Axis.TENSOR else self._job.groups.dp
        parts = self._kinds[issue.axis, issue.collective is Collective.ALL_TO_ALL]
        volumes = traffic(issue.collective, issue.size, groups)
        return [
            (dimension, part[0], volume * part[1])
            for dimension, (part, volume) in enumerate(zip(parts, volumes, strict=True))
            if part is not None
        ]


def _members(job: Job, axis: Axis, dimension: int) -> list[tuple[int, ...]]:
    """Return the groups of a job along one dimension: neighbours are tensor-parallel, strides data-parallel."""
    taken = tuple(sorted(job.positions[dimension]))
    if axis is Axis.TENSOR:
        size = job.groups.tp[dimension]
        return [taken[i : i + size] for i in range(0, len(taken), size)]
    step = len(taken) // job.groups.dp[dimension]
    return [taken[i::step] for i in range(step)]


def simulate(jobs: Sequence[Job], topology: Topology, bandwidths: Sequence[float]) -> SharedRun:
    """Run several jobs on one network.

    Parameters
    ----------
    jobs : sequence of Job
        Who runs where. NPUs may belong to several jobs: then their links are shared, their compute is not.
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.

    Returns
    -------
    SharedRun
        Times of each job, and what each link carried.

    Raises
    ------
    InputError
        If a job's NPUs or groups do not fit the network.

    Examples
    --------
    Two jobs on alternate NPUs of a ring use the same links:

    >>> from simcore.models.network.topology import Block
    >>> from simcore.models.workload import Layer, Phase
    >>> ring = Topology("ring", (Dimension(Block.RING, 8),))
    >>> reduce = Phase(0.0, Collective.ALL_REDUCE, 8e9)
    >>> toy = Workload("toy", (Layer("mlp", Phase(0.0), Phase(0.0), reduce),), tp=1, dp=4)
    >>> jobs = [Job(f"job {i}", toy, (tuple(range(i, 8, 2)),), Groups((1,), (4,))) for i in (0, 1)]
    >>> [run.time for run in simulate(jobs[:1], ring, [1e9]).jobs]
    [12.0]
    >>> [run.time for run in simulate(jobs, ring, [1e9]).jobs]
    [24.0, 24.0]
    """
    for job in jobs:
        _check_job(topology, job)
    graph = link_graph(topology, bandwidths)
    capacity = np.zeros(graph.number_of_edges())
    index: dict[Link, int] = {}
    for start, end, edge in graph.edges(data=True):
        index[start, end] = edge["index"]
        capacity[edge["index"]] = edge["capacity"]
    clock = Clock()
    programs = [
        iteration(job.workload, job.loop, recompute=job.recompute, compute_scale=job.compute_scale) for job in jobs
    ]
    fabrics: list[_JobFabric] = []
    rows: list[Array] = []
    for job, program in zip(jobs, programs, strict=True):
        fabric = _JobFabric(topology, index, job)
        for step in program:
            if isinstance(step, Issue):
                fabric.learn(step, len(rows))
        rows += fabric.rows
        fabrics.append(fabric)
    network = FluidNetwork(clock, capacity, np.array(rows).reshape(len(rows), len(capacity)))
    logs = []
    for job, program, fabric in zip(jobs, programs, fabrics, strict=True):
        fabric.bind(clock, network)
        logs.append(Log(job.name))
        clock.process(_run(clock, Runner(clock, fabric, logs[-1]), job, program))
    finish(clock, logs)
    runs = tuple(_finished(job, log) for job, log in zip(jobs, logs, strict=True))
    carried = network.carried.tolist()
    return SharedRun(runs, {link: carried[number] for link, number in index.items()}, network.changes)


def _run(clock: Clock, runner: Runner, job: Job, program: Sequence[Step]) -> Generator[Event, Any, None]:
    yield clock.at(job.start)
    for _ in range(job.iterations):
        yield from runner.run(program)
    yield from runner.whole(())


def _finished(job: Job, log: Log) -> JobRun:
    assert log.end is not None  # finish() has seen to that
    exposed = {axis: log.total(axis=axis) for axis in Axis}
    return JobRun(job.name, job.start, log.end, log.total(axis=None), exposed)


def _check_job(topology: Topology, job: Job) -> None:
    _check_positions(topology, job.positions, job.name)
    for number, taken in enumerate(job.positions):
        for name, sizes in (("tensor-parallel", job.groups.tp), ("data-parallel", job.groups.dp)):
            if len(sizes) != len(job.positions) or len(taken) % sizes[number]:
                found = f"{name} groups {sizes}"
                expected = "one size per dimension, each a divisor of the job's positions there"
                raise InputError(f"{job.name}, dimension {number + 1}", found, expected)
    if job.iterations < 1:
        raise InputError(job.name, f"{job.iterations} iterations", "at least 1")

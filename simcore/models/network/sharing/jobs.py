"""Several training jobs on one network: what they do to each other where they use the same links.

Each job runs its own program; its collectives are fluid flows on the links of the network's graph. A link that two jobs
use at the same time is shared max-min fairly; jobs on disjoint links do not notice each other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from simpy.events import Event

from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.network.bandwidths import check_bandwidths
from simcore.models.network.fluid import FluidNetwork
from simcore.models.network.graph import Link, link_graph
from simcore.models.network.mapping import Axis
from simcore.models.network.sharing.fabric import Array, JobFabric
from simcore.models.network.sharing.job import Job, check_job
from simcore.models.network.topology import Topology
from simcore.models.training.execute import Log, Runner, Span, finish
from simcore.models.training.program import Issue, Step, iteration


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
    spans : tuple of Span
        What its NPUs did, in order of time.
    """

    name: str
    start: float
    end: float
    compute: float
    exposed: dict[Axis, float]
    spans: tuple[Span, ...] = ()

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


def simulate(
    jobs: Sequence[Job],
    topology: Topology,
    bandwidths: Sequence[float],
    progress: Callable[[], None] | None = None,
) -> SharedRun:
    """Run several jobs on one network.

    Parameters
    ----------
    jobs : sequence of Job
        Who runs where. NPUs may belong to several jobs: then their links are shared, their compute is not.
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    progress : callable, optional
        Called at the end of each iteration of a job.

    Returns
    -------
    SharedRun
        Times of each job, and what each link carried.

    Raises
    ------
    InputError
        If a job's NPUs or groups do not fit the network or its workload, or a bandwidth is not above 0.

    Examples
    --------
    Two jobs on alternate NPUs of a ring use the same links:

    >>> from simcore.models.network.mapping import Groups
    >>> from simcore.models.network.topology import Block, Dimension
    >>> from simcore.models.network.collectives import Collective
    >>> from simcore.models.training.workload import Layer, Phase, Workload
    >>> ring = Topology("ring", (Dimension(Block.RING, 8),))
    >>> reduce = Phase(0.0, Collective.ALL_REDUCE, 8e9)
    >>> toy = Workload("toy", (Layer("mlp", Phase(0.0), Phase(0.0), reduce),), tp=1, dp=4)
    >>> jobs = [Job(f"job {i}", toy, (tuple(range(i, 8, 2)),), Groups((1,), (4,))) for i in (0, 1)]
    >>> [run.time for run in simulate(jobs[:1], ring, [1e9]).jobs]
    [12.0]
    >>> [run.time for run in simulate(jobs, ring, [1e9]).jobs]
    [24.0, 24.0]
    """
    if not jobs:
        raise InputError("jobs", "none", "at least one", "Give jobs=[Job(...)].")
    check_bandwidths(topology, bandwidths)
    for job in jobs:
        check_job(topology, job)
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
    fabrics: list[JobFabric] = []
    rows: list[Array] = []
    for job, program in zip(jobs, programs, strict=True):
        fabric = JobFabric(topology, index, job)
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
        clock.process(_run(clock, Runner(clock, fabric, logs[-1]), job, program, progress))
    finish(clock, logs)
    runs = tuple(_finished(job, log) for job, log in zip(jobs, logs, strict=True))
    carried = network.carried.tolist()
    return SharedRun(runs, {link: carried[number] for link, number in index.items()}, network.changes)


def _run(
    clock: Clock, runner: Runner, job: Job, program: Sequence[Step], progress: Callable[[], None] | None
) -> Generator[Event, object, None]:
    yield clock.at(job.start)
    for _ in range(job.iterations):
        yield from runner.run(program)
        if progress is not None:
            progress()
    yield from runner.whole(())


def _finished(job: Job, log: Log) -> JobRun:
    assert log.end is not None  # finish() has seen to that
    used = dict.fromkeys((Axis.TENSOR, Axis.DATA, *job.workload.axes()))
    exposed = {axis: log.total(axis=axis) for axis in used}
    return JobRun(job.name, job.start, log.end, log.total(axis=None), exposed, tuple(log.spans))

"""A training job on some NPUs of a network: which ones, how its groups lie on them, and whether that fits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from numbers import Integral, Real

from simcore.errors import InputError, written
from simcore.models.network.mapping import Groups, map_parallelism
from simcore.models.network.topology import Topology
from simcore.models.training.program import Loop
from simcore.models.training.workload import Workload


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


def place(
    topology: Topology, positions: Sequence[Sequence[int]], tp: int, dp: int, job: str = "job", *, ep: int = 1
) -> Groups:
    """Map parallel groups onto a part of a network, as `map_parallelism` does onto a whole one.

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
    ep : int
        Degree of expert parallelism.

    Raises
    ------
    InputError
        If positions do not exist or come twice, or the degrees do not fit them.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> pod = Topology("pod", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 128)))
    >>> place(pod, [range(8), range(0, 128, 2)], 16, 32)
    Groups(tp=(8, 2), dp=(1, 32), ep=(), grid=(), cp=())
    """
    _check_positions(topology, positions, job)
    for name, degree in (("TP", tp), ("DP", dp)):
        if not isinstance(degree, Integral):
            raise InputError(f"{job}, {name}", repr(degree), "a whole number of at least 1", "Give it as an int.")
    dimensions = tuple(
        replace(each, size=len(taken)) for each, taken in zip(topology.dimensions, positions, strict=True)
    )
    return map_parallelism(Topology(f"{topology.name}, part of {job}", dimensions), tp, dp, job, ep=ep)


def _check_positions(topology: Topology, positions: Sequence[Sequence[int]], job: str) -> None:
    if len(positions) != len(topology.dimensions):
        expected = f"one for each of the {len(topology.dimensions)} dimensions of network {topology.name}"
        raise InputError(job, f"{len(positions)} lists of positions", expected, "Give range(n) for a whole dimension.")
    for number, (taken, dimension) in enumerate(zip(positions, topology.dimensions, strict=True), 1):
        if not isinstance(taken, Collection):
            raise InputError(f"{job}, dimension {number}", repr(taken), "a list of positions", "Write it in brackets.")
        wrong = [at for at in taken if not isinstance(at, Integral) or not 0 <= at < dimension.size]
        if wrong or len(set(taken)) < len(taken) or not len(taken):
            found = f"positions {', '.join(map(str, taken)) or 'none'}"
            expected = f"a subset of the whole numbers 0 to {dimension.size - 1}, each once"
            remedy = "Give each position of the job there once, for example range(4)."
            raise InputError(f"{job}, dimension {number}", found, expected, remedy)


def check_job(topology: Topology, job: Job) -> None:
    """Refuse a job that does not fit the network, or groups that fit neither its NPUs nor its workload.

    Raises
    ------
    InputError
        Naming the job, what was found, what it should be, and how to get there.
    """
    _check_positions(topology, job.positions, job.name)
    remedy = "Let simcore.network.place() choose groups that fit."
    for name, sizes in (("tensor-parallel", job.groups.tp), ("data-parallel", job.groups.dp)):
        if len(sizes) != len(job.positions):
            expected = f"one for each of the {len(job.positions)} dimensions of network {topology.name}"
            raise InputError(job.name, f"{len(sizes)} {name} group sizes {sizes}", expected, remedy)
    for number, (taken, tp, dp) in enumerate(zip(job.positions, job.groups.tp, job.groups.dp, strict=True), 1):
        for name, size in (("tensor-parallel", tp), ("data-parallel", dp)):
            if not isinstance(size, Integral) or size < 1 or len(taken) % size:
                found, expected = f"{name} groups of {size}", f"a divisor of the job's {len(taken)} positions there"
                raise InputError(f"{job.name}, dimension {number}", found, expected, remedy)
        if tp * dp != len(taken):
            found = f"tensor-parallel groups of {tp} x data-parallel groups of {dp} = {tp * dp} NPUs"
            raise InputError(
                f"{job.name}, dimension {number}", found, f"the job's {len(taken)} positions there", remedy
            )
    work = job.workload
    if work.pipeline is not None:
        found = f"workload {work.name}, which is one of {work.pipeline.stages} pipeline stages"
        raise InputError(job.name, found, "a workload without a pipeline", "simcore.train() takes it alone.")
    degrees = (("tensor", job.groups.tp, work.tp), ("data", job.groups.dp, work.dp), ("expert", job.groups.ep, work.ep))
    for name, sizes, degree in degrees:
        if prod(sizes) != degree:
            found = f"{name}-parallel groups {sizes} of {prod(sizes)} NPUs"
            expected = f"{degree}, the workload's degree of {name} parallelism"
            raise InputError(job.name, found, expected, remedy)
    if not isinstance(job.loop, Loop):  # text would be taken for the loop `simulate`
        expected = f"one of {', '.join(f'Loop.{loop.name}' for loop in Loop)}"
        raise InputError(job.name, f"the loop {job.loop!r}", expected, "Loop is in simcore.models.training.program.")
    if not isinstance(job.iterations, Integral) or job.iterations < 1:
        found, remedy = f"{written(job.iterations)} iterations", "Leave a job that runs none out."
        raise InputError(job.name, found, "a whole number of at least 1", remedy)
    if not isinstance(job.start, Real) or not 0 <= job.start < inf:
        found = f"a start at {written(job.start)} s"
        raise InputError(job.name, found, "a finite time of at least 0", "The simulation starts at 0.")
    if not isinstance(job.compute_scale, Real) or not 0 < job.compute_scale < inf:
        found = f"a compute scale of {written(job.compute_scale)}"
        raise InputError(job.name, found, "a finite number above 0", "1 is as is.")

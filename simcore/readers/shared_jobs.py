"""Files of jobs that share a network: who runs what, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.sharing.job import Job, place
from simcore.models.network.topology import Topology
from simcore.models.training.program import Loop
from simcore.models.training.workload import Workload
from simcore.readers.quantities import Entry, Name, NotEmpty, Real, Strict, Time, Whole
from simcore.readers.ranks import listed
from simcore.readers.read import InputFile, Read, read_path
from simcore.readers.workloads import read_workload, workload_file

MOST = 64
"""Jobs of a file."""
LATEST = 1e6
"""When a job starts at the latest [s]: by then a clock still tells times of 1e-10 s apart."""
EVERYWHERE = "all"

EXAMPLE = "jobs: [{workload: bert-base, tp: 1}, {workload: resnet50, start: 2 s}]"
_Degree = Annotated[Whole, Field(ge=1)]


class _Job(Strict):
    name: Name = ""
    workload: Annotated[str, Field(min_length=1)]
    variant: Literal["optimizer", "evaluation"] = "optimizer"
    tp: _Degree | None = None
    dp: _Degree | None = None
    sequence: _Degree | None = None
    batch: _Degree | None = None
    positions: Annotated[list[Name], NotEmpty] | None = None
    iterations: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    start: Annotated[Time, Field(le=LATEST)] = 0.0
    loop: Literal["simulate", "Overlap", "NoOverlap"] = "simulate"
    recompute: Literal["none", "full"] | None = None
    compute_scale: Annotated[Real, Field(gt=0)] = 1.0


class _JobsFile(Entry):
    jobs: Annotated[list[_Job], NotEmpty]


def read_shared_jobs(
    path: str | Path | InputFile,
    topology: Topology,
    place_of: str = "jobs",
    *,
    profile: KernelProfile | None = None,
    dtype: str | None = None,
) -> tuple[Read[tuple[Job, ...]], dict[str, str]]:
    """Read the jobs that share a network.

    Parameters
    ----------
    path : str, Path or InputFile
        A YAML file with ``jobs``; a workload is a name of the zoo, or a path from where the file is.
    topology : Topology
        The network on which they are placed.
    place_of : str
        The field that gave the file, for messages.
    profile : KernelProfile, optional
        Of the device whose predicted times take the place of a transformer's constant rate.
    dtype : str, optional
        Number format of the profile's kernels.

    Returns
    -------
    jobs : Read of tuple of Job
        In the order of the file.
    sha256 : dict of str to str
        Of the workloads that are files, by job.

    Raises
    ------
    InputError
        Naming file, job and field; also for a workload that cannot be read, and positions that the network has not.
    """
    file = path if isinstance(path, InputFile) else read_path(Path(path), "jobs", str(path))
    data = read_yaml(file.path, _JobsFile, "jobs", file.text, EXAMPLE)
    if len(data.jobs) > MOST:
        raise InputError(f"{place_of}, {file.path}", f"{len(data.jobs)} jobs", f"{MOST} at most", "Split the file.")
    names = [entry.name or f"job {number}" for number, entry in enumerate(data.jobs, 1)]
    again = next((name for name in names if names.count(name) > 1), None)
    if again is not None:
        raise InputError(f"{file.path}, field 'jobs'", f"two jobs named '{again}'", "each name once", "Rename one.")
    jobs, hashes = [], dict[str, str]()
    for name, entry in zip(names, data.jobs, strict=True):
        where = f"{file.path}, {name}"
        positions = _positions(entry.positions, topology, where)
        source = workload_file(_workload_path(entry.workload, file.path), f"{where}, field 'workload'")
        with _named(where):
            read = read_workload(
                source, f"{where}, field 'workload'",
                variant=entry.variant, tp=entry.tp, dp=entry.dp, sequence=entry.sequence, batch=entry.batch,
                npus=prod(map(len, positions)), profile=profile, dtype=dtype,
            )  # fmt: skip
        hashes[f"workload of {name}"] = read.sha256
        jobs.append(_job(name, entry, read.value, topology, positions, where))
    return file.of(tuple(jobs)), hashes


def _workload_path(given: str, file: Path) -> str | Path:
    """Return a path from where the file of jobs is, where one lies there, or else the word itself."""
    beside = file.parent / given
    return beside if beside.is_file() else given


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Name the job whose fields an error speaks of; on the command line they are no options."""
    try:
        yield
    except InputError as error:
        said = error.renamed(str)
        place = said.place if where in said.place else f"{where}, {said.place}"
        raise InputError(place, said.found, said.expected, said.remedy, said.pointer) from None


def _positions(given: Sequence[str] | None, topology: Topology, where: str) -> tuple[Sequence[int], ...]:
    """Return where a job sits along each dimension; everywhere where nothing is said."""
    whole = tuple(range(dimension.size) for dimension in topology.dimensions)
    if given is None:
        return whole
    here = f"{where}, field 'positions'"
    if len(given) != len(whole):
        expected = f"one entry for each of the {len(whole)} dimensions of network {topology.name}"
        raise InputError(here, f"{len(given)} entries", expected, "Write all for a whole dimension.")
    taken = []
    for number, (entry, everywhere) in enumerate(zip(given, whole, strict=True), 1):
        if entry == EVERYWHERE:
            taken.append(tuple(everywhere))
            continue
        at = f"{here}, dimension {number}"
        size = len(everywhere)

        def check(last: int, at: str = at, size: int = size) -> None:
            if last >= size:
                raise InputError(at, f"position {last}", f"0 to {size - 1}", "Positions are counted from 0.")

        taken.append(tuple(listed(entry, at, check, "positions")))
    return tuple(taken)


def _job(
    name: str, entry: _Job, workload: Workload, topology: Topology, positions: tuple[Sequence[int], ...], where: str
) -> Job:
    loop = Loop(entry.loop)
    recompute = loop is Loop.SIMULATE and workload.recomputes if entry.recompute is None else entry.recompute == "full"
    return Job(
        name,
        workload,
        tuple(tuple(here) for here in positions),
        place(topology, positions, workload.tp, workload.dp, where, ep=workload.ep),
        iterations=entry.iterations,
        start=entry.start,
        loop=loop,
        recompute=recompute,
        compute_scale=entry.compute_scale,
    )

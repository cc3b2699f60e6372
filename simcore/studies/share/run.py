"""``simcore share``: jobs alone, in pairs and together on one network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations

from simcore.errors import InputError, field
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.sharing.job import Job
from simcore.models.network.sharing.jobs import SharedRun, simulate
from simcore.models.network.topology import Topology
from simcore.models.training.notes import notes_on
from simcore.progress import counter
from simcore.readers.networks import read_network
from simcore.readers.profiles import read_profile
from simcore.readers.shared_jobs import read_shared_jobs
from simcore.results import Provenance, versions
from simcore.studies.inputs import parse_budget, resolve_network
from simcore.studies.request import study
from simcore.studies.share.request import ShareRequest
from simcore.studies.share.result import ShareResult


@study(ShareRequest)
def share(request: ShareRequest) -> ShareResult:
    """Run jobs that share a network: each alone, each pair, and all of them.

    Raises
    ------
    InputError
        If an input is wrong.
    """
    started = time.process_time()
    topology, bandwidths, hashes, notes = _network(request)
    profile = _profile(request)
    read, of_workloads = read_shared_jobs(request.jobs, topology, field("jobs"), profile=profile, dtype=request.dtype)
    jobs = read.value
    together = _simulated(jobs, topology, bandwidths, "all jobs")
    alone = [_simulated([job], topology, bandwidths, f"{job.name} alone") for job in jobs]
    return ShareResult(
        request=request,
        topology=topology,
        bandwidths=bandwidths,
        shared_jobs=jobs,
        run=together,
        alone=tuple(one.jobs[0].time for one in alone),
        beside=_beside(jobs, topology, bandwidths),
        compute="" if profile is None else f"profile {profile.name}",
        warnings=(*notes, *_warnings(jobs)),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(
                budget=None if request.budget is None else parse_budget(request.budget, field("budget"))
            ).inputs(),
            sha256={
                "jobs": read.sha256,
                **hashes,
                **of_workloads,
                **({} if profile is None else {"profile": profile.sha256}),
            },
            counts={"changes": together.changes},
            versions=versions("simpy", "numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _warnings(jobs: Sequence[Job]) -> list[str]:
    """Return what is to be said of each job's file, and of compute that a profile predicted."""
    of_files = [f"{job.name}: {said}" for job in jobs for said in job.workload.cautions]
    cautions = {said for job in jobs for said in job.workload.cautions}
    return [*of_files, *(note for note in notes_on([job.workload for job in jobs]) if note not in cautions)]


def _network(request: ShareRequest) -> tuple[Topology, tuple[float, ...], dict[str, str], tuple[str, ...]]:
    """Return a network with its bandwidths, the hash of its file, and what is to be said of it."""
    if request.budget is None:
        named, hashes = resolve_network(request.network, field("network"), more=f"Or give {field('budget')}.")
        return named.topology, named.bandwidths or (), hashes, (*named.notes, *named.of_bandwidth)
    budget = parse_budget(request.budget, field("budget"))
    if not str(request.network).strip():
        raise InputError(field("network"), "nothing", "the name of a network, or a file", "For example 4D.")
    read = read_network(request.network, field("network"))
    topology = read.value.topology
    bandwidths = (budget / len(topology.dimensions),) * len(topology.dimensions)
    return topology, bandwidths, {"network": read.sha256}, read.value.notes


def _profile(request: ShareRequest) -> KernelProfile | None:
    if request.profile is None:
        if request.dtype is not None:
            found, expected = f"'{request.dtype}' without a profile", f"{field('profile')} beside it"
            raise InputError(field("dtype"), found, expected, f"Add {field('profile')}.")
        return None
    given = request.profile
    return given if isinstance(given, KernelProfile) else read_profile(given, field("profile")).value


def _simulated(jobs: Sequence[Job], topology: Topology, bandwidths: Sequence[float], who: str) -> SharedRun:
    """Run some jobs, and tell how many of their iterations are done."""
    return simulate(jobs, topology, bandwidths, counter(f"iterations of {who}", sum(job.iterations for job in jobs)))


def _beside(jobs: Sequence[Job], topology: Topology, bandwidths: Sequence[float]) -> dict[tuple[int, int], float]:
    """Return how long each job runs with one other alone beside it [s], by its number and the other's."""
    times = {}
    for first, second in combinations(range(len(jobs)), 2):
        names = f"{jobs[first].name} and {jobs[second].name}"
        pair = _simulated([jobs[first], jobs[second]], topology, bandwidths, names)
        times[first, second], times[second, first] = (one.time for one in pair.jobs)
    return times

"""``simcore workload``: what a trace holds, counted."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace, WorkUnit
from simcore.readers.clusters import read_cluster
from simcore.readers.read import Read
from simcore.results import Provenance, Table, versions
from simcore.studies.request import study
from simcore.studies.workload.request import WorkloadRequest
from simcore.studies.workload.result import WorkloadResult
from simcore.traces.sources import read_trace

Floats = NDArray[np.float64]
ANY = Cluster("any", ("gpu",), (1,))
"""Stands for a cluster that was not given."""
HOUR, DAY = 3600.0, 86400.0
LONG = 30 * DAY
"""Duration from which a job is odd [s]."""


@study(WorkloadRequest)
def workload(request: WorkloadRequest) -> WorkloadResult:
    """Read a trace and count its jobs, users, gangs and durations.

    Raises
    ------
    InputError
        If the trace is malformed, or does not say how long jobs run.
    """
    started = time.process_time()
    cluster = _cluster(request)
    read = read_trace(
        request.trace,
        field("trace"),
        cluster=ANY if cluster is None else cluster.value,
        file_format=request.file_format,
        format_place=field("file_format"),
        keep_going=request.keep_going,
    )
    jobs = read.value
    if jobs.counted_in is WorkUnit.SAMPLES:
        found = "work in samples, whose durations follow from step times"
        raise InputError(field("trace"), found, "a trace of durations", "Run it with simcore trace.")
    sizes = jobs.gpus
    gpus = None if cluster is None else cluster.value
    return WorkloadResult(
        trace=jobs,
        cluster=gpus,
        sizes=sizes,
        groups={name: _grouped(name, keys, jobs, sizes, gpus) for name, keys in _keys(jobs, sizes).items()},
        odd=_odd(jobs, sizes),
        warnings=jobs.notes,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved().inputs(),
            sha256={"trace": read.sha256} | ({"cluster": cluster.sha256} if cluster is not None else {}),
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _cluster(request: WorkloadRequest) -> Read[Cluster] | None:
    given = request.cluster
    if given is None or isinstance(given, Cluster):
        return None if given is None else Read(given, given.name, "")
    return read_cluster(given, field("cluster"))


def _keys(jobs: Trace, sizes: Floats) -> dict[str, Sequence[object]]:
    """Return by what jobs are grouped: a value per job."""
    classes = [jobs.classes[index] for index in jobs.class_index.tolist()]
    hours = np.floor((jobs.submit - jobs.submit.min()) % DAY / HOUR).astype(int)
    groups: dict[str, Sequence[object]] = {
        "user": jobs.more.get("user", ()),
        "vc": [job.vc for job in classes] if any(job.vc for job in jobs.classes) else (),
        "gpu_type": [job.gpu_type for job in classes],
        "gang": [job.gpus for job in classes],
        "status": jobs.more.get("status", ()),
        "hour": hours.tolist(),
    }
    return {name: keys for name, keys in groups.items() if len(keys)}


def _grouped(name: str, keys: Sequence[object], jobs: Trace, sizes: Floats, cluster: Cluster | None) -> Table:
    """Return a row per group: jobs, GPU-hours and their share, and the load where GPUs belong to groups."""
    order = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    index = np.array([order[key] for key in keys])
    counts = np.bincount(index, minlength=len(order))
    hours = np.bincount(index, weights=sizes * jobs.work / HOUR, minlength=len(order))
    loads = _loads(name, jobs, cluster)
    columns = [name, "jobs", "gpu_hours", "share", *(("load",) if loads else ())]
    rows = [
        (key, int(counts[place]), float(hours[place]), float(hours[place] / hours.sum()),
         *((loads.get(str(key), None) and float(hours[place]) / loads[str(key)],) if loads else ()))
        for key, place in order.items()
    ]  # fmt: skip
    numeric = name in ("gang", "hour")
    return Table(columns, sorted(rows, key=lambda row: row[0] if numeric else (-row[2], str(row[0]))))


def _loads(name: str, jobs: Trace, cluster: Cluster | None) -> dict[str, float]:
    """Return the GPU-hours that the cluster has between the first and the last submission, by group."""
    span = float(np.ptp(jobs.submit)) / HOUR
    if cluster is None or not span:
        return {}
    if name == "gpu_type":
        return {gpu: count * span for gpu, count in zip(cluster.types, cluster.counts, strict=True) if count}
    if name == "vc":
        there: dict[str, float] = {}
        for node in cluster.nodes:
            there[node.vc] = there.get(node.vc, 0.0) + node.gpus * span
        return {vc: hours for vc, hours in there.items() if vc and hours}
    return {}


def _odd(jobs: Trace, sizes: Floats) -> Table:
    """Return what a reader should look at: how many jobs, and the first of them."""
    checks = {
        f"run for more than {LONG / DAY:.0f} days": jobs.work > LONG,
        "run for less than 1 s": jobs.work < 1.0,
        "have a gang that is no power of 2": (sizes >= 1.0) & (np.log2(sizes) % 1.0 != 0.0),
        "are submitted at the instant of another job": np.append(np.diff(jobs.submit) == 0.0, False),
    }
    rows = []
    for what, found in checks.items():
        if found.any():
            first = int(np.flatnonzero(found)[0])
            rows.append((what, int(found.sum()), jobs.names[first], jobs.lines[first]))
    return Table(["what", "jobs", "first", "line"], rows)

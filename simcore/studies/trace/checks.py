"""Checks of the study's inputs against each other, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field, unknown_name
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.demand_room import open_room
from simcore.models.cluster.jobs import JobClass, Trace, WorkUnit
from simcore.models.cluster.node_room import NodeRoom
from simcore.models.cluster.overheads import Overheads
from simcore.models.cluster.packing import Placer
from simcore.models.cluster.placement import class_gangs
from simcore.models.cluster.policy import Policy
from simcore.models.cluster.room import Stock
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes
from simcore.units import counted

# Beyond these, floats no longer resolve a tick or a sum overflows
LATEST = 1e12  # submission [s]
MOST_WORK = 1e18  # samples, or seconds
FASTEST, SLOWEST = 1e-12, 1e9  # mini-batch [s]
MOST_ROUNDS = 1e9
MOST_REASONS = 10
"""Reasons why jobs can never run that are told one by one."""
_ALIKE = 0.8
"""Types and virtual clusters that are less alike are two: an A100 is no misspelt V100."""


def runnable(
    trace: Trace,
    cluster: Cluster,
    step_times: StepTimes,
    policies: Mapping[str, Policy],
    rules: Rules,
    placer: type[Placer],
    *,
    keep_going: bool = False,
) -> tuple[Trace, list[str]]:
    """Refuse a study that cannot run: unknown names, step times that are missing, jobs that can never fit.

    Parameters
    ----------
    keep_going : bool
        Whether jobs that can never run are left out instead; without any job left the study is refused all the same.

    Returns
    -------
    Trace, list of str
        The jobs that run, and how many do not, by what is wrong with them.

    Raises
    ------
    InputError
        Naming the job's line and field.
    """
    _check_whole(trace, cluster)
    for name, policy in policies.items():
        if cluster.vcs and not policy.divided:
            found = f"virtual clusters, which {name} does not keep apart"
            raise InputError(f"cluster '{cluster.name}'", found, "none under this policy", f"Leave {name} out.")
    fits = _Fits(trace, cluster, step_times, placer)
    wrong: dict[int, tuple[int, InputError]] = {}
    first = np.unique(trace.class_index, return_index=True)[1]
    for row in sorted(first.tolist()):
        try:
            _check_class(trace, row, cluster, step_times, policies, rules, fits)
        except InputError as error:
            if not keep_going:
                raise
            wrong[int(trace.class_index[row])] = row, error
    return _without(trace, wrong)


def _without(trace: Trace, wrong: Mapping[int, tuple[int, InputError]]) -> tuple[Trace, list[str]]:
    """Leave out the jobs of some classes, and say how many and why, each reason once.

    Parameters
    ----------
    trace : Trace
        All jobs.
    wrong : mapping of int to (int, InputError)
        By class, the first row of it and what is wrong with it, in the order of rows.
    """
    if not wrong:
        return trace, []
    left_out = np.isin(trace.class_index, list(wrong))
    if bool(left_out.all()):
        raise next(error for _, error in wrong.values())
    counts = np.bincount(trace.class_index, minlength=len(trace.classes))
    alike: dict[tuple[str, str], list[int]] = {}
    for index, (row, error) in wrong.items():
        reason = error.place.removeprefix(trace.place(row)), error.found
        alike.setdefault(reason, []).append(index)
    of_reason = [(int(counts[classes].sum()), wrong[classes[0]][1]) for classes in alike.values()]
    said = [f"{jobs:,} left out, the first: {error}" for jobs, error in of_reason[:MOST_REASONS]]
    if others := of_reason[MOST_REASONS:]:
        said.append(f"{sum(jobs for jobs, _ in others):,} left out for {counted(len(others), 'further reason')}")
    return trace.take(np.flatnonzero(~left_out)), [
        f"{trace.name}: {int(left_out.sum()):,} of {len(trace):,} jobs are left out, because they can never run",
        *said,
    ]


def _check_whole(trace: Trace, cluster: Cluster) -> None:
    """Refuse what is wrong with a trace or a cluster as a whole, or with a number of a job."""
    if not len(trace):
        raise InputError(trace.name, "no jobs", "at least one job")
    if len(set(trace.names)) < len(trace):
        twice = next(name for name, number in Counter(trace.names).items() if number > 1)
        raise InputError(trace.name, f"jobs that share the name '{twice}'", "a name for each job alone", "Rename one.")
    if not cluster.gpus:
        raise InputError(f"cluster '{cluster.name}'", "no GPUs", "at least one GPU")
    _check_range(trace, trace.submit, "submission time", 0.0, LATEST)
    what = "number of samples" if trace.counted_in is WorkUnit.SAMPLES else "running time [s]"
    _check_range(trace, trace.work, what, 1e-12, MOST_WORK)


class _Fits:
    """Whether a gang fits the nodes of an empty cluster."""

    def __init__(self, trace: Trace, cluster: Cluster, step_times: StepTimes, placer: type[Placer]) -> None:
        self.room: NodeRoom | None = None
        if cluster.nodes:
            self.room = open_room(Stock(cluster, cluster.counts, trace.classes), placer())

    def check(self, trace: Trace, row: int, job: JobClass, cluster: Cluster) -> None:
        """Refuse a gang that no nodes can hold."""
        if self.room is None or self.room.fits_empty(int(trace.class_index[row])):
            return
        sizes = self.room.nodes_of(int(trace.class_index[row]))
        whose = f"VC '{job.vc}'" if cluster.vcs else f"cluster '{cluster.name}'"
        there = f"{whose} has {counted(len(sizes), 'node')} of {', '.join(map(str, sorted(set(sizes), reverse=True)))}"
        quota = dict(cluster.quotas).get(job.vc)
        there = f"{there} GPUs{_most_of(job, cluster)}" if sizes else f"{whose} has no {_types(job)}"
        raise InputError(
            f"{trace.place(row)}, field 'gpus'",
            f"a job that needs {job.gpus:g} {_types(job)} at once{_beside(job.cpus, job.memory)}",
            f"what fits: {there}" + (f", and a quota of {quota}" if quota is not None else ""),
            "It can never start. Make it smaller, or the cluster larger, or leave it out with --keep-going.",
        )


def _types(job: JobClass) -> str:
    """Say of which type a job's GPUs are."""
    return job.gpu_type or "GPUs"


def _beside(cpus: float, memory: float) -> str:
    """Say what a job needs beside GPUs, or a node has."""
    said = [f"{cpus:g} cores"] if cpus else []
    said += [f"{memory / 2**30:.4g} GiB of memory"] if memory else []
    return f", with {' and '.join(said)}" if said else ""


def _most_of(job: JobClass, cluster: Cluster) -> str:
    """Say the most cores and memory of a node that a job may use, as far as it asks for them."""
    able = cluster.types_of(job.gpu_type, job.vc)
    nodes = [node for node in cluster.nodes if node.type in able and (not cluster.divided or node.vc == job.vc)]
    cpus = max(node.cpus for node in nodes) if job.cpus else 0.0
    memory = max(node.memory for node in nodes) if job.memory else 0.0
    return _beside(cpus, memory) and f"{_beside(cpus, memory)} at most"


def _elsewhere() -> str:
    """Say what helps against a type or a virtual cluster that the cluster lacks."""
    return f"Name a cluster that has it with {field('cluster')}, or leave out such jobs with {field('keep_going')}."


def _check_class(
    trace: Trace,
    row: int,
    cluster: Cluster,
    step_times: StepTimes,
    policies: Mapping[str, Policy],
    rules: Rules,
    fits: _Fits,
) -> None:
    """Refuse a class of jobs that cannot run, by the first of them."""
    job = trace.classes[trace.class_index[row]]
    if cluster.vcs and job.vc not in cluster.vcs:
        place = f"{trace.place(row)}, field 'vc'"
        if not job.vc:
            raise InputError(place, "no virtual cluster", f"one of {', '.join(cluster.vcs)}", "Add a column vc.")
        raise unknown_name(place, job.vc, cluster.vcs, _elsewhere(), _ALIKE)
    for gpu in job.gpu_type.split("|") if job.gpu_type not in ("", *cluster.types) else ():
        if gpu not in cluster.types:
            place = f"{trace.place(row)}, field 'gpu_type'"
            raise unknown_name(place, gpu, cluster.types, _elsewhere(), _ALIKE)
    _check_step_times(trace, row, job, cluster, step_times, policies)
    _check_memory(trace, row, job, cluster, step_times, policies)
    for name, policy in policies.items():
        _check_rigid(trace, row, job, cluster, name, policy)
        _check_fit(trace, row, job, cluster, name, policy)
        if policy.gang:
            fits.check(trace, row, job, cluster)
        found = policy.refuses(job, cluster, step_times, rules)
        if found is not None:
            place = f"{trace.place(row)}, field '{trace.gang_column}'"
            raise InputError(place, found, f"fewer, under {name}", "Make the job smaller, or the cluster simpler.")


def _check_rigid(trace: Trace, row: int, job: JobClass, cluster: Cluster, name: str, policy: Policy) -> None:
    """Refuse a share of a GPU, or several types, where jobs grow and shrink."""
    if policy.gang:
        return
    if job.share < 1.0:
        found = f"{job.share:g} of a GPU under {name}, whose jobs grow by whole GPUs"
        raise InputError(f"{trace.place(row)}, field 'gpu_share'", found, "1, or nothing", f"Leave {name} out.")
    if len(cluster.types_of(job.gpu_type, job.vc)) > 1:
        found = f"several types under {name}, whose jobs have one"
        raise InputError(f"{trace.place(row)}, field 'gpu_type'", found, "one type", f"Leave {name} out.")


def check_types(overheads: Overheads, cluster: Cluster) -> None:
    """Refuse what was measured on a device that the cluster has none of.

    Raises
    ------
    InputError
        Naming both.
    """
    if not any(overheads.holds(gpu) for gpu in cluster.types):
        assert overheads.gpus is not None
        found = f"'{overheads.name}', which was measured on the type {', '.join(overheads.gpus)}"
        expected = f"costs of {' or '.join(cluster.types)}, which {cluster.name} has"
        raise InputError(field("overheads"), found, expected, "One device's costs never stand for another's.")


def costless(trace: Trace, overheads: Overheads | None) -> list[str]:
    """Say of which models the overheads know no step, so that sharing costs their jobs nothing."""
    if overheads is None:
        return []
    models = sorted({job.model for job in _classes(trace)} - overheads.steps.keys())
    return [f"overheads {overheads.name} have no step of {', '.join(models)}: sharing costs nothing"] if models else []


def _classes(trace: Trace) -> list[JobClass]:
    """Return the classes that jobs have."""
    return [trace.classes[index] for index in np.unique(trace.class_index).tolist()]


def boundless(trace: Trace, step_times: StepTimes) -> list[str]:
    """Say of which models memory is not known at a job's batch size, so that any number is packed on a GPU."""
    if step_times.overheads is None or step_times.workers == "sharing":
        return []
    unknown = sorted({
        job.model
        for job in _classes(trace)
        if step_times.overheads.memory(job.model, job.batch_size, step_times.workers) is None
    })  # fmt: skip
    said = f"overheads {step_times.overheads.name} have no memory of packed workers at each batch size of"
    return [f"{said} {', '.join(unknown)}: there any number fits a GPU"] if unknown else []


def _check_range(trace: Trace, values: NDArray[np.float64], what: str, low: float, high: float) -> None:
    """Refuse the first value that is not a number from `low` to `high`."""
    wrong = np.flatnonzero(~((values >= low) & (values <= high)))
    if len(wrong):
        remedy = "Times are in seconds." if values[wrong[0]] > high == LATEST else ""
        found = f"a {what} of {values[wrong[0]]:g}"
        raise InputError(trace.place(int(wrong[0])), found, f"{low:g} to {high:g}", remedy)


def _check_step_times(
    trace: Trace, row: int, job: JobClass, cluster: Cluster, step_times: StepTimes, policies: Mapping[str, Policy]
) -> None:
    if job.model not in step_times.models:
        place = f"{trace.place(row)}, field 'model'"
        raise unknown_name(place, job.model, step_times.models, f"Or add it to the step times {step_times.name}.")
    if job.batch_size not in step_times.batch_sizes(job.model):
        sizes = ", ".join(map(str, step_times.batch_sizes(job.model)))
        raise InputError(
            f"{trace.place(row)}, field 'batch_size'",
            str(job.batch_size),
            f"a batch size of {job.model} in the step times {step_times.name}: {sizes}",
            "Change it, or add rows to the step times (--rates FILE).",
        )
    for gpu in _types_of(job, cluster, policies):
        if (job.model, job.batch_size, gpu) not in step_times.seconds:
            raise InputError(
                f"step times {step_times.name}",
                f"no entry for model {job.model}, batch size {job.batch_size}, GPU type {gpu}",
                f"one, because job '{trace.names[row]}' needs it ({trace.place(row)})",
                "Add the row, or give other step times with --rates FILE.",
            )
        if not FASTEST <= step_times.seconds[job.model, job.batch_size, gpu] <= SLOWEST:
            raise InputError(
                f"step times {step_times.name}, model {job.model}, batch size {job.batch_size}, GPU type {gpu}",
                f"{step_times.seconds[job.model, job.batch_size, gpu]:g} s per mini-batch",
                f"{FASTEST:g} to {SLOWEST:g} s",
            )


def _types_of(job: JobClass, cluster: Cluster, policies: Mapping[str, Policy]) -> list[str]:
    """Return the GPU types that a job may run on under some of the policies."""
    if job.heterogeneous and any(policy.all_types for policy in policies.values()):
        return [gpu for gpu, number in zip(cluster.types, cluster.counts, strict=True) if number]
    own = cluster.types_of(job.gpu_type, job.vc)
    return [gpu for gpu in own if cluster.gpus_of(gpu) or len(own) == 1]


def _check_memory(
    trace: Trace, row: int, job: JobClass, cluster: Cluster, step_times: StepTimes, policies: Mapping[str, Policy]
) -> None:
    """Refuse a job whose workers on one GPU need more memory than it has: one in a gang, else all of them."""
    workers = 1 if all(policy.gang for policy in policies.values()) else job.max_parallelism
    costs = step_times.overheads
    for gpu in _types_of(job, cluster, policies) if costs is not None else ():
        most = step_times.most_workers(job.model, job.batch_size, gpu)
        if costs is None or most is None or workers <= most:
            continue
        one = costs.memory(job.model, job.batch_size, step_times.workers)
        assert one is not None
        there = f"the {costs.capacity / 2**30:.1f} GiB of a {gpu} in {costs.name}"
        if step_times.workers == "packing" and most:
            place = f"{trace.place(row)}, field '{trace.gang_column}'"
            found = f"{job.model}, whose {workers} packed workers need {workers * costs.shrink * one / 2**30:.1f} GiB"
            remedy = "Take fewer, a smaller batch, or workers that share; --keep-going leaves the job out."
            raise InputError(place, found, f"at most {most}, which fit {there}", remedy)
        found = f"{job.model}, of which one worker needs {one / 2**30:.1f} GiB"
        remedy = "Take a smaller batch; --keep-going leaves the job out."
        raise InputError(f"{trace.place(row)}, field 'batch_size'", found, f"at most {there}", remedy)


def _check_fit(trace: Trace, row: int, job: JobClass, cluster: Cluster, name: str, policy: Policy) -> None:
    there = max(map(cluster.gpus_of, cluster.types_of(job.gpu_type, job.vc)), default=0)
    needed: float
    if policy.gang:
        needed, field = job.gpus, trace.gang_column
    else:
        there = cluster.gpus if job.heterogeneous and policy.all_types else there
        needed, field = 1, "gpu_type"
    if needed > there:
        raise InputError(
            f"{trace.place(row)}, field '{field}'",
            f"a job that needs {needed:g} {_types(job)} at once under {name}",
            f"at most the {there} of cluster '{cluster.name}'",
            "It can never start. Make it smaller, or the cluster larger (--cluster FILE).",
        )


def gang_seconds(trace: Trace, cluster: Cluster, step_times: StepTimes, startup_delay: float) -> NDArray[np.float64]:
    """Return how long each job runs on its gang, start-up included [s]."""
    gang_step = [gang.step_time for gang in class_gangs(trace, cluster, step_times)]
    running: NDArray[np.float64] = trace.steps(gang_step) * np.array(gang_step)[trace.class_index] + startup_delay
    return running


def check_rounds(trace: Trace, cluster: Cluster, running: NDArray[np.float64], interval: float | None) -> None:
    """Refuse an interval that cuts the run into more rounds than it ends with.

    The run is taken to last until the last job would end on its gang if it started at once, and no less than all gangs
    keep the cluster busy.

    Raises
    ------
    InputError
        Naming the interval, and about how many rounds it makes.
    """
    if interval is None:
        return
    busy = float(trace.submit.min()) + float((trace.gpus * running).sum()) / cluster.gpus
    rounds = max(busy, float((trace.submit + running).max())) / interval
    if rounds > MOST_ROUNDS:
        found = f"{interval:g} s, which makes about {rounds:.2g} rounds"
        expected = f"an interval that makes at most {MOST_ROUNDS:g}"
        raise InputError(field("interval"), found, expected, "Take a longer interval, or 'event'.")


def row_warnings(trace: Trace) -> list[str]:
    """Warn of rows that are not in the order of submission, where policies see jobs by row."""
    early = np.flatnonzero(np.diff(trace.submit) < 0)
    if not len(early):
        return []
    row = int(early[0]) + 1
    return [
        f"{trace.place(row)}, is submitted before the job above it, and policies see jobs by row. "
        "Sort the trace, or give --order submission"
    ]

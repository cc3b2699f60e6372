"""A trace that is like another one: jobs drawn from it, arrivals by its hours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field
from simcore.files import csv_text
from simcore.models.cluster.jobs import Trace, WorkUnit
from simcore.studies.workload.run import ANY, DAY, HOUR
from simcore.traces.sources import read_trace

Floats = NDArray[np.float64]


def trace_like(
    like: str, jobs: int, seed: int, *, file_format: str | None = None, keep_going: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Return the CSV text of a trace that is like another one, and the notes on that.

    Each job has gang, duration, virtual cluster, user and GPU type of a random job. Arrivals fall on the hours of the
    day as there, and as many on a day.

    Parameters
    ----------
    like : str
        Path of a trace of durations.
    jobs, seed : int
        How many, and of which random numbers.

    Raises
    ------
    InputError
        If the trace is malformed, or does not say how long jobs run.
    """
    read = read_trace(
        like, field("like"), cluster=ANY, file_format=file_format, format_place=field("format"), keep_going=keep_going
    )
    trace = read.value
    if trace.counted_in is WorkUnit.SAMPLES:
        raise InputError(field("like"), "work in samples", "a trace of durations", "Take another one.")
    arrivals, rows = (np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(2))
    submit = _arrivals(arrivals, trace, jobs)
    drawn = rows.integers(len(trace), size=jobs).tolist()
    classes = [trace.classes[trace.class_index[row]] for row in drawn]
    columns: dict[str, list[object]] = {
        "name": [f"job-{number}" for number in range(jobs)],
        "submit_s": submit.tolist(),
        "duration_s": trace.work[drawn].tolist(),
        "gpus": [job.max_parallelism for job in classes],
    }
    if any(job.vc for job in trace.classes):
        columns["vc"] = [job.vc for job in classes]
    if "user" in trace.more:
        columns["user"] = [trace.more["user"][row] for row in drawn]
    if any(job.gpu_type != ANY.types[0] for job in trace.classes):
        columns["gpu_type"] = [job.gpu_type for job in classes]
    return csv_text(list(columns), zip(*columns.values(), strict=True)), trace.notes


def _arrivals(random: np.random.Generator, trace: Trace, jobs: int) -> Floats:
    """Return sorted submissions [s], to the millisecond, as many on a day as in the trace."""
    since = trace.submit - trace.submit.min()
    span = float(since.max()) * jobs / len(trace)
    if span <= DAY:
        return np.sort(np.round(random.uniform(0.0, span, jobs), 3))
    hours = np.bincount((since % DAY // HOUR).astype(int), minlength=24) / len(trace)
    drawn = random.choice(24, size=jobs, p=hours) * HOUR + random.uniform(0.0, HOUR, jobs)
    submit: Floats = np.sort(np.round(random.integers(int(np.ceil(span / DAY)), size=jobs) * DAY + drawn, 3))
    return submit

"""``simcore workload synthesise``: a trace that is like another one, jobs drawn from it, arrivals by its hours."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field, one_line
from simcore.models.cluster.jobs import Trace, WorkUnit
from simcore.outputs import check_file, write_atomic
from simcore.report import Block, Column, Grid, Headline
from simcore.results import Provenance, Result, Table, versions
from simcore.studies.request import study
from simcore.studies.workload.request import SynthesiseRequest
from simcore.studies.workload.run import ANY, DAY, HOUR
from simcore.traces.sources import read_trace

Floats = NDArray[np.float64]
SHOWN = 10
"""Jobs that a report lists."""


@dataclass(frozen=True, kw_only=True)
class SynthesisedResult(Result):
    """A trace that is like another one.

    Attributes
    ----------
    table : Table
        A row per job, in the columns of simcore's format of durations.
    like : str
        The trace that jobs were drawn from.
    """

    stem = "synthesised"

    table: Table
    like: str

    def tables(self) -> Mapping[str, Table]:
        """Return the jobs."""
        return {"trace": self.table}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {
            "trace": [dict(row) for row in self.table],
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def report(self) -> Sequence[Block]:
        """Return the first jobs."""
        rows = [[str(cell) for cell in row.values()] for row in self.table[:SHOWN]]
        head = f"{len(self.table):,} jobs like those of {self.like}"
        under = f"the first {SHOWN}" if len(self.table) > SHOWN else ""
        return [Headline(head, under), Grid([Column(name) for name in self.table.columns], rows)]

    def to_csv(self) -> str:
        """Return the trace in simcore's format of durations."""
        source = f"Source: simcore workload synthesise, like {self.like}, seed {self.provenance.seed}"
        return f"# {one_line(source)}\n{self.table.to_csv()}"

    def write_trace(self, path: str | Path) -> None:
        """Write the trace, which ``simcore trace`` and ``simcore workload`` read.

        Raises
        ------
        InputError
            If the place cannot be written, or holds a file that simcore did not write.
        """
        check_file(Path(path), own="trace")
        write_atomic(Path(path), self.to_csv())


@study(SynthesiseRequest)
def synthesise(request: SynthesiseRequest) -> SynthesisedResult:
    """Draw a trace that is like another one.

    Each job has gang, duration, virtual cluster, user and GPU type of a random job. Arrivals fall on the hours of the
    day as there, and as many on a day.

    Raises
    ------
    InputError
        If the trace or the number of jobs is not given, the trace is malformed, or does not say how long jobs run.
    """
    started = time.process_time()
    like, jobs = _given(request)
    read = read_trace(
        like,
        field("like"),
        cluster=ANY,
        file_format=request.file_format,
        format_place=field("file_format"),
        keep_going=request.keep_going,
    )
    trace = read.value
    if trace.counted_in is WorkUnit.SAMPLES:
        found = "work in samples, whose durations follow from step times"
        raise InputError(field("like"), found, "a trace of durations", "Take another one.")
    return SynthesisedResult(
        table=_drawn(trace, jobs, request.seed),
        like=read.name,
        warnings=trace.notes,
        provenance=Provenance(
            request.study, request.inputs(), {"like": read.sha256}, seed=request.seed, versions=versions("numpy")
        ),
        cpu_seconds=time.process_time() - started,
    )


def _given(request: SynthesiseRequest) -> tuple[str | Path, int]:
    """Return the trace and the number of jobs, or say what is missing and how to give it."""
    like = request.like if request.like is not None and str(request.like).strip() else None
    if like is not None and request.jobs is not None:
        return like, request.jobs
    missing = [("like", "FILE", "a trace of durations")] if like is None else []
    missing += [("jobs", "N", "how many jobs are drawn")] if request.jobs is None else []
    expected = " and ".join(what for _, _, what in missing)
    remedy = " and ".join(f"{field(name)} {value}" for name, value, _ in missing)
    raise InputError(field(missing[0][0]), "nothing", expected, f"Add {remedy}.")


def _drawn(trace: Trace, jobs: int, seed: int) -> Table:
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
    return Table(list(columns), list(zip(*columns.values(), strict=True)))


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

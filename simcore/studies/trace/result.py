"""What the cluster study returns: tables, figures, a timeline, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simcore.errors import InputError, unknown_name
from simcore.models.cluster import metrics
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes
from simcore.outputs import atomic_directory
from simcore.results import Provenance, Table, to_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMMARY = (
    "policy",
    "jobs",
    "mean_jct_s",
    "median_jct_s",
    "p95_jct_s",
    "p99_jct_s",
    "mean_queueing_s",
    "makespan_s",
    "mean_allocated_gpus",
    "utilisation",
)
FIGURES = ("jct_makespan", "trace_alloc")
MOST_TICKS = 10_000_000  # rows that allocation.csv may have: a year of ticks every 3 s


@dataclass(frozen=True)
class Run:
    """One policy's run: what happened, and what it amounts to."""

    policy: str
    log: PlacementLog
    segments: metrics.Segments
    times: metrics.JobTimes


@dataclass(frozen=True)
class TraceResult:
    """Result of the cluster study.

    Attributes
    ----------
    table : Table
        A row per policy; columns as in summary.csv.
    provenance : Provenance
        Inputs, versions, hashes, notes and event counts.
    cluster, trace : Cluster, Trace
        What was simulated, rows in the order of the policies.
    runs : tuple of Run
        The policies' runs.
    interval : float or None
        Scheduling interval [s]; None for event-driven decisions.
    rules : Rules
        The rule set.
    cpu_seconds : float
        Cost of the simulation alone [s]; not written to any file.
    """

    table: Table
    provenance: Provenance
    cluster: Cluster
    trace: Trace
    runs: tuple[Run, ...]
    interval: float | None
    rules: Rules
    cpu_seconds: float

    @cached_property
    def jobs(self) -> Table:
        """A row per policy and job: times [s], GPU-seconds by type, rescales."""
        columns = ["policy", "name", "submit_s", "start_s", "end_s", "jct_s", "queueing_s", "running_s"]
        columns += [f"gpu_seconds_{t}" for t in self.cluster.types]
        rows: list[Sequence[Any]] = []
        for run in self.runs:
            t = run.times
            table = np.column_stack((self.trace.submit, t.start, t.end, t.jct, t.queueing, t.running, t.gpu_seconds))
            for name, values, rescales in zip(self.trace.names, table.tolist(), t.rescales.tolist(), strict=True):
                rows.append((run.policy, name, *values, rescales))
        return Table([*columns, "rescales"], rows)

    @cached_property
    def allocation(self) -> Table:
        """A row per policy and tick: allocated GPUs by type, and the time as the published figure labels it.

        ``time_s`` is the decision's clock less the interval under published counting (the figure's labels are one
        interval early), else the clock itself.
        """
        ticks = sum(run.log.clock for run in self.runs) / (self.interval or float("inf"))
        if ticks > MOST_TICKS:
            raise InputError(
                "--interval",
                f"{self.interval:g} s, which makes {ticks:.2g} rows of allocation",
                f"an interval that makes at most {MOST_TICKS:,}",
                "Take a longer interval, or 'event'.",
            )
        early = (self.interval or 0.0) if self.rules.makespan == "published" else 0.0
        rows: list[Sequence[Any]] = []
        for run in self.runs:
            clock, gpus = metrics.allocation(run.log, run.segments, self.interval, self.rules)
            for at, held in zip(clock.tolist(), gpus.tolist(), strict=True):
                rows.append((run.policy, at - early, at, *held, sum(held)))
        return Table(["policy", "time_s", "clock_s", *self.cluster.types, "total"], rows)

    def to_dict(self) -> dict[str, Any]:
        """Return rows and provenance as plain containers."""
        return {"rows": [dict(row) for row in self.table], "provenance": self.provenance.as_dict()}

    def plot(self, figure: str = "jct_makespan") -> Figure:
        """Draw ``jct_makespan`` (Figure 14) or ``trace_alloc`` (Figure 15).

        Raises
        ------
        InputError
            If there is no such figure.
        """
        from simcore.studies.trace.figures import jct_makespan, trace_alloc

        if figure == "jct_makespan":
            return jct_makespan(self.table, self._caption())
        if figure == "trace_alloc":
            return trace_alloc(self.allocation, self.cluster.gpus, self._caption())
        raise unknown_name("plot()", figure, FIGURES)

    def timeline(self) -> dict[str, Any]:
        """Return the runs as a Chrome trace document, which ui.perfetto.dev opens."""
        from simcore.timeline.cluster import cluster_timeline

        return cluster_timeline(self.trace, self.cluster, [(run.policy, run.segments) for run in self.runs])

    def write(self, directory: str | Path, *, force: bool = False) -> None:
        """Write tables, figures and provenance into a directory, whole or not at all.

        Parameters
        ----------
        directory : str or Path
            Gets summary.json, summary.csv, jobs.csv, allocation.csv, jct_makespan and trace_alloc as .png and .pdf.
        force : bool
            Replace an existing directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false.
        """
        from simcore.plots import save

        with atomic_directory(Path(directory), force=force) as scratch:
            (scratch / "summary.json").write_text(to_json(self.to_dict()), encoding="utf-8")
            for name, table in (("summary", self.table), ("jobs", self.jobs), ("allocation", self.allocation)):
                (scratch / f"{name}.csv").write_text(table.to_csv(), encoding="utf-8")
            for name in FIGURES:
                save(self.plot(name), scratch / name)

    def _caption(self) -> str:
        decided = "at every event" if self.interval is None else f"every {self.interval:g} s"
        rates = self.provenance.inputs["rates"]
        return (
            f"trace {self.trace.name} ({len(self.trace)} jobs) on cluster {self.cluster.name}, decided {decided}, "
            f"step times {rates['name']}{' (' + ', '.join(rates['kinds']) + ')' if rates['kinds'] else ''}"
        )


def summarise(
    runs: Sequence[Run], jobs: Trace, cluster: Cluster, rates: StepTimes, rules: Rules, interval: float | None
) -> Table:
    """Return a row per policy: the named columns first, then by GPU type, then the improvement over the first row."""
    columns = [*SUMMARY]
    columns += [f"{column}_{t}" for column in ("mean_allocated_gpus", "utilisation") for t in cluster.types]
    columns += ["jct_improvement", "makespan_improvement", "rates", "rates_kinds"]
    counts = np.asarray(cluster.counts, dtype=np.float64)
    rows: list[list[Any]] = []
    for run in runs:
        jct = run.times.jct
        held = metrics.mean_allocated(run.log, run.segments)
        share = np.divide(held, counts, out=np.zeros_like(held), where=counts > 0)
        median, p95, p99 = np.percentile(jct, [50, 95, 99]).tolist()
        end = metrics.makespan(jobs, run.log, rules, interval)
        row = [run.policy, len(jobs), float(jct.mean()), median, p95, p99, float(run.times.queueing.mean()), end]
        row += [float(held.sum()), float(held.sum() / counts.sum()), *held.tolist(), *share.tolist()]
        base = rows[0] if rows else row
        row += [
            base[2] / row[2] if row[2] else None,
            base[7] / row[7] if row[7] else None,
            rates.name,
            " ".join(rates.kinds),
        ]
        rows.append(row)
    return Table(columns, rows)

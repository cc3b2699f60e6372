"""A trace under several policies: what happened in each run, and the tables that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from functools import cached_property
from typing import Any

import numpy as np

from simcore.errors import InputError, field
from simcore.models.cluster import metrics
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.intervals import Interval, mean_interval, within_noise
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.quality import QUALITY, quality
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes
from simcore.results import Result, Table
from simcore.studies.trace.groups import group_table
from simcore.studies.trace.one_run import Run
from simcore.studies.trace.seeds import apart, over_seeds
from simcore.studies.trace.window import Window, submitted_in

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
WINNERS = {
    "mean_jct_s": 1,
    "median_jct_s": 1,
    "p95_jct_s": 1,
    "p99_jct_s": 1,
    "mean_queueing_s": 1,
    "p99_queueing_s": 1,
    "makespan_s": 1,
    "mean_bounded_slowdown": 1,
    "worst_finish_time_fairness": 1,
    "jain_slowdown": -1,
    "utilisation_arrivals": -1,
    "preemptions": 1,
    "deadlines_met": -1,
}
"""Metrics by which policies are compared: 1 where less is better, -1 where more is."""
MOST_TICKS = 10_000_000  # rows that allocation.csv may have: a year of ticks every 3 s


@dataclass(frozen=True, kw_only=True)
class TraceOutcome(Result):
    """A trace under several policies, in numbers.

    Attributes
    ----------
    table : Table
        A row per policy; columns as in summary.csv.
    cluster, trace : Cluster, Trace
        What was simulated, rows in the order of the policies.
    step_times : StepTimes
        Seconds per mini-batch.
    runs : tuple of Run
        The policies' runs.
    interval : float or None
        Scheduling interval [s]; None for event-driven decisions.
    rules : Rules
        The rule set.
    restart_costs : mapping of str to float
        Delay of a job that starts again, by policy, where it was given beside the rules [s].
    window : (float, float) or None
        Between which times the numbers of `table` are taken [s]; None for the whole run.
    samples : tuple of Table
        The table of each seed, that of `table` first; empty where one seed ran.
    varied : tuple of str
        What differs from seed to seed.
    """

    table: Table
    cluster: Cluster
    trace: Trace
    step_times: StepTimes
    runs: tuple[Run, ...]
    interval: float | None
    rules: Rules
    restart_costs: Mapping[str, float] = field_of(default_factory=dict)
    window: Window | None = None
    samples: tuple[Table, ...] = ()
    varied: tuple[str, ...] = ()

    @cached_property
    def intervals(self) -> Table:
        """A row per policy and metric: the mean over seeds and its 95 % confidence interval."""
        return over_seeds(self.samples or (self.table,))

    def mean_over_seeds(self, policy: str, metric: str) -> Interval:
        """Return one metric of a policy over seeds."""
        tables = self.samples or (self.table,)
        return mean_interval([row[metric] for table in tables for row in table if row["policy"] == policy])

    @cached_property
    def jobs(self) -> Table:
        """A row per policy and job, as in the file: times [s], GPU-seconds by type, and what the trace says."""
        columns = ["policy", "name", "submit_s", "start_s", "end_s", "jct_s", "queueing_s", "running_s"]
        columns += [f"gpu_seconds_{t}" for t in self.cluster.types]
        columns += ["rescales", "model", "batch_size", "gang", "gpu_type"]
        own = self._own_columns()
        columns += own
        names = [f"trace_{name}" if name in columns else name for name in self.trace.more if name not in own]
        kinds = [(job.model, job.batch_size, job.gpus, job.gpu_type) for job in self.trace.classes]
        given = [
            (*kinds[kind], *more)
            for kind, *more in zip(
                self.trace.class_index,
                *own.values(),
                *(values for name, values in self.trace.more.items() if name not in own),
                strict=True,
            )
        ]
        in_file = np.argsort(self.trace.lines, kind="stable").tolist() if self.trace.by_submission else None
        rows: list[Sequence[Any]] = []
        for run in self.runs:
            t = run.times
            nodes = self._nodes(run.log) if "nodes" in own else None
            table = np.column_stack((self.trace.submit, t.start, t.end, t.jct, t.queueing, t.running, t.gpu_seconds))
            of_jobs = zip(self.trace.names, table.tolist(), t.rescales.tolist(), given, strict=True)
            own_rows = [(run.policy, name, *values, rescales, *more) for name, values, rescales, more in of_jobs]
            if nodes is not None:
                own_rows = _with(own_rows, columns.index("nodes"), nodes)
            rows += own_rows if in_file is None else [own_rows[row] for row in in_file]
        return Table([*columns, *names], rows)

    @cached_property
    def groups(self) -> Table:
        """A row per policy and virtual cluster, user and GPU type, see `group_table`."""
        return group_table(self.runs, self.trace, self.cluster, self.window)

    @cached_property
    def winners(self) -> Table:
        """A row per metric: the best policies, the next one, by how much it misses [1], and whether that is noise.

        With seeds the values are means over them. The difference of the two is taken seed by seed.
        """
        rows: list[Sequence[Any]] = []
        tables = self.samples or (self.table,)
        for metric, sign in WINNERS.items():
            there = [policy for policy in self.table.column("policy") if self._says(policy, metric)]
            if len(there) < 2:
                continue
            values = [(sign * self.mean_over_seeds(policy, metric).mean, policy) for policy in there]
            ordered = sorted(values, key=lambda pair: pair[0])
            best, first = ordered[0]
            tied = ", ".join(name for value, name in ordered if value == best)
            later = [pair for pair in ordered if pair[0] != best]
            if not later:
                rows.append((metric, tied, abs(best), *[None] * 3, len(tables), *[None] * 3))
                continue
            next_best, second = later[0]
            gap = abs(next_best / best - 1.0) if best else None
            off = apart(tables, metric, first, second)
            rows.append(
                (metric, tied, abs(best), second, abs(next_best), gap, len(tables), off.low, off.high,
                 within_noise(off))
            )  # fmt: skip
        columns = ["metric", "winner", "value", "next", "next_value", "gap", "seeds"]
        return Table([*columns, "difference_low", "difference_high", "within_noise"], rows)

    def _says(self, policy: str, metric: str) -> bool:
        """Tell whether a policy has a metric in every run."""
        rows = [row for table in self.samples or (self.table,) for row in table if row["policy"] == policy]
        return all(row[metric] is not None for row in rows)

    def _own_columns(self) -> dict[str, Sequence[str]]:
        """Return columns on nodes, virtual clusters and users, for a trace of durations or a cluster with nodes."""
        if not (self.trace.by_submission or self.cluster.nodes):
            return {}
        nothing = [""] * len(self.trace)
        vcs = [self.trace.classes[index].vc for index in self.trace.class_index.tolist()]
        return {"nodes": nothing, "vc": vcs, "user": self.trace.more.get("user", nothing)}

    def _nodes(self, log: PlacementLog) -> list[str]:
        """Return on which nodes each job ran last, ``node:GPUs`` with blanks between."""
        nodes = [""] * len(self.trace)
        for row, held in zip(log.row, log.nodes, strict=False):
            if held:
                nodes[row] = " ".join([f"{node}:{gpus:g}" for node, gpus, _ in held])
        return nodes

    @cached_property
    def allocation(self) -> Table:
        """A row per policy and tick: allocated GPUs by type, and the time as the published figure labels it.

        ``time_s`` is the decision's clock less the interval under published counting (the figure's labels are one
        interval early), else the clock itself.
        """
        origin = self.trace.origin
        ticks = sum(run.log.clock - origin for run in self.runs) / (self.interval or float("inf"))
        if ticks > MOST_TICKS:
            raise InputError(
                field("interval"),
                f"{self.interval:g} s, which makes {ticks:.2g} rows of allocation",
                f"an interval that makes at most {MOST_TICKS:,}",
                "Take a longer interval, or 'event'.",
            )
        early = (self.interval or 0.0) if self.rules.makespan == "published" else 0.0
        rows: list[Sequence[Any]] = []
        for run in self.runs:
            clock, gpus = metrics.allocation(run.log, run.segments, self.interval, self.rules, origin)
            for at, held in zip(clock.tolist(), gpus.tolist(), strict=True):
                rows.append((run.policy, at - early, at, *held, round(sum(held), DIGITS)))
        return Table(["policy", "time_s", "clock_s", *self.cluster.types, "total"], rows)


def _with(rows: list[tuple[Any, ...]], place: int, values: Sequence[str]) -> list[tuple[Any, ...]]:
    """Put a value into each row in place of what stands there."""
    return [(*row[:place], value, *row[place + 1 :]) for row, value in zip(rows, values, strict=True)]


def summarise(
    runs: Sequence[Run],
    jobs: Trace,
    cluster: Cluster,
    rates: StepTimes,
    rules: Rules,
    interval: float | None,
    window: Window | None = None,
) -> Table:
    """Return a row per policy: the named columns first, then by GPU type, then the improvement over the first row.

    With a window completion times and queueing are those of the jobs that are submitted in it, and GPUs are averaged
    over it. The makespan is always that of the whole run.
    """
    columns = [*SUMMARY]
    columns += [f"{column}_{t}" for column in ("mean_allocated_gpus", "utilisation") for t in cluster.types]
    columns += ["jct_improvement", "makespan_improvement", "rates", "rates_kinds", "utilisation_arrivals"]
    columns += [*QUALITY, "delay_gpu_hours", "useful_share"]
    counted = submitted_in(window, jobs)
    first, last = float(jobs.submit.min()), float(jobs.submit.max())
    counts = np.asarray(cluster.counts, dtype=np.float64)
    rows: list[list[Any]] = []
    for run in runs:
        jct, queueing = run.times.jct[counted], run.times.queueing[counted]
        delays = metrics.delayed(run.log, run.segments)
        held = metrics.mean_allocated(run.segments, *(window or (jobs.origin, run.log.clock)))
        share = np.divide(held, counts, out=np.zeros_like(held), where=counts > 0)
        median, p95, p99 = np.percentile(jct, [50, 95, 99]).tolist()
        end = metrics.makespan(jobs, run.log, rules, interval)
        row = [run.policy, len(counted), float(jct.mean()), median, p95, p99, float(queueing.mean()), end]
        row += [float(held.sum()), float(held.sum() / counts.sum()), *held.tolist(), *share.tolist()]
        base = rows[0] if rows else row
        row += [
            base[2] / row[2] if row[2] else None,
            base[7] / row[7] if row[7] else None,
            rates.name,
            " ".join(rates.kinds),
            float(metrics.mean_allocated(run.segments, first, last).sum() / counts.sum()) if last > first else None,
            *quality(jobs, cluster, run.times, run.segments, counted),
            float(delays[counted].sum() / 3600.0),
            float(1.0 - delays[counted].sum() / run.times.gpu_seconds[counted].sum()),
        ]
        rows.append(row)
    return Table(columns, rows)

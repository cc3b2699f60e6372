"""The cluster study: one trace of jobs under several scheduling policies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simcore import traces
from simcore.errors import InputError, unknown_name
from simcore.files import atomic_directory
from simcore.models.cluster import metrics
from simcore.models.cluster.checks import check, overload_warnings
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.policies import factories
from simcore.models.cluster.rates import RateTable
from simcore.models.cluster.rules import RULES, Rules
from simcore.models.cluster.simulator import Log, simulate
from simcore.results import Provenance, Table, to_json, versions
from simcore.zoo.load_clusters import load_cluster
from simcore.zoo.load_rates import load_rates

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

Progress = Callable[[str, float, int, int], None]


@dataclass(frozen=True)
class Run:
    """One policy's run: what happened, and what it amounts to."""

    policy: str
    log: Log
    spans: metrics.Segments
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
        early = (self.interval or 0.0) if self.rules.makespan == "published" else 0.0
        rows: list[Sequence[Any]] = []
        for run in self.runs:
            clock, gpus = metrics.allocation(run.log, run.spans, self.interval, self.rules)
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
        from simcore import plots

        if figure == "jct_makespan":
            return plots.jct_makespan(self.table, self._caption())
        if figure == "trace_alloc":
            return plots.trace_alloc(self.allocation, self.cluster.gpus, self._caption())
        raise unknown_name("plot()", figure, FIGURES)

    def timeline(self) -> dict[str, Any]:
        """Return the runs as a Chrome trace document, which ui.perfetto.dev opens."""
        from simcore.timeline import cluster_timeline

        return cluster_timeline(self.trace, self.cluster, [(run.policy, run.spans) for run in self.runs])

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
        from simcore import plots

        with atomic_directory(Path(directory), force=force) as scratch:
            (scratch / "summary.json").write_text(to_json(self.to_dict()), encoding="utf-8")
            for name, table in (("summary", self.table), ("jobs", self.jobs), ("allocation", self.allocation)):
                (scratch / f"{name}.csv").write_text(table.to_csv(), encoding="utf-8")
            for name in FIGURES:
                plots.save(self.plot(name), scratch / name)

    def _caption(self) -> str:
        decided = "at every event" if self.interval is None else f"every {self.interval:g} s"
        rates = self.provenance.inputs["rates"]
        return (
            f"trace {self.trace.name} ({len(self.trace)} jobs) on cluster {self.cluster.name}, decided {decided}, "
            f"step times {rates['name']}{' (' + ', '.join(rates['kinds']) + ')' if rates['kinds'] else ''}"
        )


def trace(
    source: str | Path | Trace = "sc23",
    *,
    policies: Sequence[str] | None = None,
    cluster: str | Path | Cluster = "sc23",
    rates: str | Path | RateTable | None = None,
    interval: float | str = 60.0,
    rules: str | Rules = "published",
    seed: int = 0,
    file_format: str | None = None,
    progress: Progress | None = None,
) -> TraceResult:
    """Run a trace of training jobs through scheduling policies.

    Parameters
    ----------
    source : str, Path or Trace
        ``sc23``, ``synthetic:jobs=N,load=X``, ``synthetic-elastic:...``, a path, or a `Trace`.
    policies : sequence of str, optional
        By default yarn-cs, fifo, easyscale-homo and easyscale-heter. The first is what the others are compared with.
    cluster : str, Path or Cluster
        A cluster of the zoo, a YAML file, or a `Cluster`.
    rates : str, Path or RateTable, optional
        Step times: by default ``sc23-fitted``, and ``unit`` for the rigid generator.
    interval : float or 'event'
        Scheduling interval [s], or a decision at every arrival and completion.
    rules : {'published', 'corrected'} or Rules
        The rule set.
    seed : int
        Seed of a generated trace.
    file_format : {'simcore', 'easyscale'}, optional
        Format of a trace file; by default its header decides.
    progress : callable, optional
        Called with policy, simulated time [s], finished jobs and all jobs.

    Returns
    -------
    TraceResult
        Table, jobs, allocation and figures.

    Raises
    ------
    InputError
        If anything given is unknown, malformed or cannot run.

    Examples
    --------
    >>> result = trace(policies=["yarn-cs", "easyscale-homo"])
    >>> [round(jct, 4) for jct in result.table.column("mean_jct_s")]
    [8898.9656, 1068.2315]
    """
    step = _interval(interval)
    rule_set = _rules(rules)
    known = factories()
    chosen = list(dict.fromkeys(policies or known))
    for name in chosen:
        if name not in known:
            raise unknown_name("--policy", name, known)
    cluster, cluster_hash = (cluster, "") if isinstance(cluster, Cluster) else load_cluster(cluster)
    jobs, trace_hash = (
        (source, "") if isinstance(source, Trace) else traces.load(source, cluster, seed=seed, file_format=file_format)
    )
    if rates is None:
        rates = "unit" if str(jobs.name).split(":")[0] == "synthetic" else "sc23-fitted"
    table, rates_hash = (rates, "") if isinstance(rates, RateTable) else load_rates(rates)
    check(jobs, cluster, table, chosen)
    notes = [*jobs.notes, *overload_warnings(jobs, cluster, table, rule_set.startup_delay)]
    if rule_set.order == "submission":
        jobs = jobs.take(sorted(range(len(jobs)), key=lambda row: (jobs.submit[row], jobs.names[row])))

    started = time.process_time()
    runs = []
    for name in chosen:
        report = None if progress is None else _reporter(progress, name, len(jobs))
        policy = known[name](jobs.classes, cluster, table, rule_set)
        log = simulate(jobs, cluster, policy, interval=step, rules=rule_set, progress=report)
        spans = metrics.segments(log, len(cluster.types))
        runs.append(Run(name, log, spans, metrics.job_times(jobs, spans)))
    provenance = Provenance(
        command="trace",
        inputs={
            "trace": jobs.name,
            "jobs": len(jobs),
            "cluster": {"name": cluster.name, "gpus": dict(zip(cluster.types, cluster.counts, strict=True))},
            "rates": {"name": table.name, "kinds": list(table.kinds), "note": table.note},
            "interval_s": "event" if step is None else step,
            "policies": chosen,
            "rules": asdict(rule_set),
        },
        sha256={k: v for k, v in {"trace": trace_hash, "cluster": cluster_hash, "rates": rates_hash}.items() if v},
        notes=notes,
        counts={f"{kind}_{run.policy}": getattr(run.log, kind) for run in runs for kind in ("events", "rounds")},
        seed=None if trace_hash or isinstance(source, Trace) else seed,
        versions=versions("numpy", "simpy"),
    )
    summary = _summary(runs, jobs, cluster, table, rule_set, step)
    return TraceResult(summary, provenance, cluster, jobs, tuple(runs), step, rule_set, time.process_time() - started)


def _interval(interval: float | str) -> float | None:
    expected = "a number of seconds of more than 0, or 'event'"
    if interval == "event":
        return None
    try:
        seconds = float(interval)
    except ValueError:
        raise InputError("--interval", f"'{interval}'", expected) from None
    if not 0 < seconds < float("inf"):
        raise InputError("--interval", f"{interval}", expected, "The published experiment uses 60.")
    return seconds


def _rules(rules: str | Rules) -> Rules:
    if isinstance(rules, str):
        if rules not in RULES:
            raise unknown_name("--rules", rules, RULES)
        rules = RULES[rules]
    if not 0 <= rules.startup_delay < float("inf"):
        raise InputError("--startup-delay", f"{rules.startup_delay}", "a number of seconds of at least 0")
    return rules


def _reporter(progress: Progress, policy: str, jobs: int) -> Callable[[float, int], None]:
    return lambda now, finished: progress(policy, now, finished, jobs)


def _summary(
    runs: Sequence[Run], jobs: Trace, cluster: Cluster, rates: RateTable, rules: Rules, interval: float | None
) -> Table:
    """One row per policy: the named columns first, then by GPU type, then the improvement over the first row."""
    columns = [*SUMMARY]
    columns += [f"{column}_{t}" for column in ("mean_allocated_gpus", "utilisation") for t in cluster.types]
    columns += ["jct_improvement", "makespan_improvement", "rates", "rates_kinds"]
    counts = np.asarray(cluster.counts, dtype=np.float64)
    rows: list[list[Any]] = []
    for run in runs:
        jct = run.times.jct
        held = metrics.mean_allocated(run.log, run.spans)
        share = np.divide(held, counts, out=np.zeros_like(held), where=counts > 0)
        median, p95, p99 = np.percentile(jct, [50, 95, 99]).tolist()
        end = metrics.makespan(jobs, run.log, rules, interval)
        row = [run.policy, len(jobs), float(jct.mean()), median, p95, p99, float(run.times.queueing.mean()), end]
        row += [float(held.sum()), float(held.sum() / counts.sum()), *held.tolist(), *share.tolist()]
        base = rows[0] if rows else row
        row += [base[2] / row[2], base[7] / row[7] if row[7] else None, rates.name, " ".join(rates.kinds)]
        rows.append(row)
    return Table(columns, rows)

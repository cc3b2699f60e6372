"""What is said of a trace: a column per policy, and what its baseline means."""

from __future__ import annotations

import numpy as np

from simcore.report import Block, Column, Grid, Headline, Text
from simcore.results import Row
from simcore.studies.trace.outcome import TraceOutcome
from simcore.units import counted, times_as_long

_SECONDS = (
    ("mean JCT [s]", "mean_jct_s"),
    ("median JCT [s]", "median_jct_s"),
    ("p95 JCT [s]", "p95_jct_s"),
    ("p99 JCT [s]", "p99_jct_s"),
    ("mean queueing [s]", "mean_queueing_s"),
    ("makespan [s]", "makespan_s"),
)
QUALITIES = (
    ("p99 queueing [s]", "p99_queueing_s"),
    ("mean bounded slowdown", "mean_bounded_slowdown"),
    ("worst finish-time fairness", "worst_finish_time_fairness"),
    ("Jain of slowdown", "jain_slowdown"),
    ("preemptions", "preemptions"),
    ("restarts after them", "restarts"),
    ("other changes of GPUs", "rescales"),
    ("GPU-hours of delays", "delay_gpu_hours"),
    ("deadlines met", "deadlines_met"),
    ("free GPUs while jobs wait", "idle_while_waiting_gpus"),
)


def report(result: TraceOutcome) -> list[Block]:
    """Return what was simulated, a column per policy, and what the baseline means."""
    cluster, times = result.cluster, result.step_times
    gpus = " + ".join(f"{number} {gpu}" for gpu, number in zip(cluster.types, cluster.counts, strict=True))
    decided = "at every arrival and completion" if result.interval is None else f"every {result.interval:g} s"
    return [
        Headline(
            f"trace {result.trace.name}: {counted(len(result.trace), 'job')}, decided {decided}",
            f"cluster {cluster.name}: {gpus}\n{_needs(result)}step times: {times.label()}"
            f"{': ' + times.note if times.note else ''}\n{_assumed(result)}",
        ),
        *_window(result),
        *_seeds(result),
        _policies(result),
        *_winners(result),
        *map(Text, [f"Improvements are over {result.table[0]['policy']}.", *baseline(result)]),
    ]


def _needs(result: TraceOutcome) -> str:
    """Say what jobs ask for beside whole GPUs of one type, in a line; nothing where they ask for nothing else."""
    trace, cluster = result.trace, result.cluster
    of_class = np.bincount(trace.class_index, minlength=len(trace.classes)).tolist()
    jobs = list(zip(trace.classes, of_class, strict=True))
    share = sum(number for job, number in jobs if job.share < 1.0)
    several = sum(number for job, number in jobs if len(cluster.types_of(job.gpu_type, job.vc)) > 1)
    kept = [what for what, there in (("cores", any(job.cpus for job in trace.classes)),
                                     ("memory", any(job.memory for job in trace.classes))) if there]  # fmt: skip
    said = [f"{share:,} of {len(trace):,} share a GPU"] if share else []
    said += [f"{several:,} may run on several GPU types"] if several else []
    said += [f"nodes give {' and '.join(kept)} too"] if kept else []
    return f"jobs: {'; '.join(said)}\n" if said else ""


def _assumed(result: TraceOutcome) -> str:
    """Say by which rules a run counts, and what a generated trace was drawn with."""
    rules, seed = result.rules, result.provenance.seed
    paid = "once per job" if rules.startup == "once" else "after every change"
    last = None if seed is None or not result.samples else seed + len(result.samples) - 1
    drawn = [] if seed is None else [f"seed {seed}" if last is None else f"seeds {seed} to {last}"]
    return "; ".join([
        f"rules: start-up delay {rules.startup_delay:g} s {paid}",
        *(f"restart of {name} {seconds:g} s" for name, seconds in result.restart_costs.items()),
        f"assignment {rules.assignment}",
        f"single-type speed-up {rules.single_type_speedup}", f"idle GPUs {rules.idle_gpus}",
        f"order {rules.order}", f"makespan {rules.makespan}", *drawn,
    ])  # fmt: skip


def baseline(result: TraceOutcome) -> list[str]:
    """Say how much of an improvement over the published baseline comes from its running one job at a time."""
    jct = {row["policy"]: row["mean_jct_s"] for row in result.table}
    if "yarn-cs" not in jct:
        return []
    line = "yarn-cs, the published baseline, is serial: one job at a time on the whole cluster"
    if "fifo" in jct:
        line += f"; packing gangs (fifo) alone improves mean JCT {jct['yarn-cs'] / jct['fifo']:.2f}x"
    return [f"{line}."]


def _window(result: TraceOutcome) -> list[Text]:
    """Say between which times numbers are taken."""
    if result.window is None:
        return []
    start, end = (f"{time:,.15g}" for time in result.window)
    return [Text(f"Jobs submitted, and GPUs allocated, from {start} to {end} s; the makespan is of all jobs.")]


def _seeds(result: TraceOutcome) -> list[Text]:
    """Say what differs from seed to seed, and what stands behind a number."""
    if not result.samples:
        return []
    return [
        Text(
            f"{len(result.samples)} seeds vary {' and '.join(result.varied)}. Numbers are means over seeds, ± half of "
            "their 95 % confidence interval (Student's t). Jobs, groups and figures over time are of the first seed."
        )
    ]


def _winners(result: TraceOutcome) -> list[Grid]:
    """Name the winner per metric, where a trace of durations or several seeds ran under several policies."""
    if not (result.trace.by_submission or result.samples) or len(result.runs) < 2:
        return []
    names = [Column(each, left=True, whole=True) for each in ("metric", "winner")]
    noise = {True: "within noise", False: "clear", None: ""}
    rows = [
        (row["metric"], row["winner"], f"{row['value']:{_digits(row['metric'])}}", _share(row["gap"]),
         *((noise[row["within_noise"]],) if result.samples else ()), row["next"] or "-")
        for row in result.winners
    ]  # fmt: skip
    columns = [*names, Column("value", whole=True), Column("next is off by", whole=True)]
    columns += [Column("which is", left=True)] if result.samples else []
    return [Grid([*columns, Column("next", left=True, whole=True)], rows, keys=1)]


def _policies(result: TraceOutcome) -> Grid:
    rows = list(result.table)
    lines = [
        ("jobs", *(f"{row['jobs']:,}" for row in rows)),
        *((label, *(_said(result, row, key, ",.1f") for row in rows)) for label, key in _SECONDS),
        *(
            (label, *(_said(result, row, key, _digits(key)) for row in rows))
            for label, key in QUALITIES
            if result.trace.by_submission and rows[0][key] is not None
        ),
        ("mean allocated GPUs", *(_held(result, row, "") for row in rows)),
        *((f"  {t}", *(_held(result, row, f"_{t}") for row in rows)) for t in result.cluster.types),
        ("allocated over arrivals", *(_share(_mean(result, row, "utilisation_arrivals")) for row in rows)),
        ("JCT improvement", *(_ratio(_mean(result, row, "jct_improvement")) for row in rows)),
        ("makespan improvement", *(_ratio(_mean(result, row, "makespan_improvement")) for row in rows)),
    ]
    return Grid([Column("policy", left=True), *(Column(row["policy"]) for row in rows)], lines, keys=1)


def _digits(metric: str) -> str:
    """Return how a metric is written: seconds to a tenth, all others in four digits."""
    return ",.1f" if metric.endswith("_s") else ",.4g"


def _said(result: TraceOutcome, row: Row, key: str, how: str) -> str:
    """Write a metric; over seeds its mean, and half the width of its confidence interval."""
    if not result.samples or row[key] is None:
        return "-" if row[key] is None else f"{row[key]:{how}}"
    interval = result.mean_over_seeds(row["policy"], key)
    return f"{interval.mean:{how}} ±{interval.half:{'.2g' if interval.half and interval.half < 100 else ',.0f'}}"


def _mean(result: TraceOutcome, row: Row, key: str) -> float | None:
    """Return a metric, over seeds its mean."""
    return row[key] if row[key] is None or not result.samples else result.mean_over_seeds(row["policy"], key).mean


def _held(result: TraceOutcome, row: Row, gpu: str) -> str:
    """Write the mean of allocated GPUs, and which share of the GPUs they are."""
    gpus, share = (_mean(result, row, f"{key}{gpu}") for key in ("mean_allocated_gpus", "utilisation"))
    return f"{gpus:.1f} {share:4.0%}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else times_as_long(value)

"""What is said of jobs that share a network."""

from __future__ import annotations

from simcore.models.network.sharing.job import Job
from simcore.report import Block, Column, Grid, Headline, Sentences, Text
from simcore.studies.share.outcome import ShareOutcome
from simcore.units import counted, format_si

MOST_PAIRS = 8
"""Jobs up to which the report has a table of who slows whom."""
MOST_LINKS = 5
"""Busiest links that the report lists."""


def report(result: ShareOutcome) -> list[Block]:
    """Return the jobs, who slows whom, and how full the links are."""
    per_npu = format_si(sum(result.bandwidths), "B/s")
    where = result.compute or "each workload's own rate or times"
    alike: dict[str, list[str]] = {}
    for job in result.shared_jobs:
        alike.setdefault(_runs(job), []).append(job.name)
    assumed = "".join(f"\n{', '.join(names)}: {words}" for words, names in alike.items())
    blocks: list[Block] = [
        Headline(
            f"{counted(len(result.shared_jobs), 'job')} on network {result.topology.name}, {per_npu} per NPU",
            f"bandwidths are of one direction; compute: {where}\n"
            f"links are shared max-min fairly; no latency, no chunks: the limit of many small ones{assumed}",
        ),
        _jobs(result),
        Sentences("Who hurts whom", result.sentences()),
    ]
    if 2 < len(result.shared_jobs) <= MOST_PAIRS:
        blocks.append(_pairs(result))
    return [*blocks, _dimensions(result), _links(result), _cost(result)]


def _runs(job: Job) -> str:
    """Say what a job trains, and what its times rest on."""
    work = job.workload
    setting = "" if work.setting is None else f"; {work.setting.words(work.dp)}"
    scale = "" if job.compute_scale == 1 else f"; compute times {job.compute_scale:g}"
    again = "recomputed" if job.recompute else "kept"
    return f"{work.title}, TP {work.tp} x DP {work.dp}{setting}; activations {again}; loop {job.loop.value}{scale}"


def _jobs(result: ShareOutcome) -> Grid:
    columns = [
        Column("job", left=True),
        Column("workload", left=True),
        *(Column(name, whole=True) for name in ("NPUs", "alone", "together", "slow-down", "compute", "waiting")),
    ]
    rows = [
        (row["job"], row["workload"], str(row["npus"]), *(format_si(row[name], "s") for name in ("alone", "together")),
         f"{row['slowdown']:.4f}", format_si(row["compute"], "s"), format_si(row["exposed"], "s"))
        for row in result.table
    ]  # fmt: skip
    return Grid(columns, rows)


def _pairs(result: ShareOutcome) -> Grid:
    """Return a table of the slow-down of the job in a row by the job of a column alone."""
    names = [job.name for job in result.shared_jobs]
    rows = []
    for one, name in enumerate(names):
        cells = [
            "-" if one == other else f"{result.beside[one, other] / result.alone[one]:.4f}"
            for other in range(len(names))
        ]
        rows.append((name, *cells))
    return Grid([Column("slow-down beside", left=True), *map(Column, names)], rows)


def _dimensions(result: ShareOutcome) -> Grid:
    columns = [
        Column("dim", left=True), Column("network", left=True),
        *(Column(name, whole=True) for name in ("links", "carried", "mean load", "most")),
    ]  # fmt: skip
    rows = [
        ("-" if row["dimension"] is None else str(row["dimension"]), row["network"], f"{row['links']:,}",
         format_si(row["carried"], "B"), f"{row['mean_utilisation']:.1%}", f"{row['most_utilisation']:.1%}")
        for row in result.dimensions
    ]  # fmt: skip
    return Grid(columns, rows)


def _links(result: ShareOutcome) -> Text:
    """Return the busiest links, the ones that are equally busy counted."""
    by_load: dict[float, list[str]] = {}
    for row in result.links:
        if row["carried"] > 0:
            by_load.setdefault(round(row["utilisation"], 9), []).append(f"{row['from']} to {row['to']}")
    lines = []
    for load in sorted(by_load, reverse=True)[:MOST_LINKS]:
        links = by_load[load]
        more = f" and {len(links) - 1:,} more" if len(links) > 1 else ""
        lines.append(f"{load:7.1%}  {links[0]}{more}")
    return Text("busiest links, until the last job ends\n" + "\n".join(lines or ["none carries anything"]))


def _cost(result: ShareOutcome) -> Text:
    return Text(f"{counted(result.run.changes, 'change')} of flows, {result.cpu_seconds:.3f} CPU seconds")

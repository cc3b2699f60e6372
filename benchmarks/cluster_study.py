"""CPU budgets of the cluster study on public traces, beside what a user would pick: a bare loop over a heap.

    python benchmarks/cluster_study.py SHARED [--only WORD]

CPU seconds of the simulation alone, imports and input excluded unless the row says so; the best of three runs where a
run is short. SHARED is the folder of public traces. Exits with 1 if a budget is missed.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import sys
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from heapq import heappop, heappush
from pathlib import Path

import simcore
from rich.console import Console
from rich.table import Table
from simcore.cluster import CORRECTED, Cluster, JobClass, Node, StepTimes, Trace, build_trace, cluster_of_nodes
from simcore.models.cluster.policies.registry import find_policy
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import same_everywhere
from simcore.readers.clusters import read_cluster
from simcore.readers.step_times import read_step_times
from simcore.traces import durations, read_trace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.philly import cluster_text, philly_jobs, trace_text, week

FREE_START = replace(CORRECTED, startup_delay=0.0)
Row = tuple[str, float, float, str]


def best_of(count: int, run: Callable[[], object]) -> float:
    """Return the least CPU seconds of some runs."""
    least = float("inf")
    for _ in range(count):
        gc.collect()
        started = time.process_time()
        run()
        least = min(least, time.process_time() - started)
    return least


def peak_gib() -> float:
    """Return the peak memory of this process so far [GiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run(jobs: Trace, cluster: Cluster, policy: str, times: StepTimes | None = None) -> None:
    """Simulate one policy at every event."""
    simulate(
        jobs, cluster, times or same_everywhere(jobs, cluster), find_policy(policy), interval=None, rules=FREE_START
    )


def bare_loop(submit: list[float], duration: list[float], gpus: list[int], free: int) -> list[float]:
    """Return the ends of jobs under a strict queue: a heap of completions, and nothing else."""
    ends = [0.0] * len(submit)
    running: list[tuple[float, int]] = []
    queue: deque[int] = deque()
    arriving, jobs, never = 0, len(submit), float("inf")
    while arriving < jobs or running:
        arrival = submit[arriving] if arriving < jobs else never
        if running and running[0][0] <= arrival:
            now, job = heappop(running)
            free += gpus[job]
        else:
            now = arrival
            queue.append(arriving)
            arriving += 1
        while queue and gpus[queue[0]] <= free:
            job = queue.popleft()
            free -= gpus[job]
            ends[job] = now + duration[job]
            heappush(running, (ends[job], job))
    return ends


def on_philly(shared: Path) -> Iterator[Row]:
    """Rows of Philly's jobs, on its virtual clusters of nodes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "philly.yaml").write_text(cluster_text())
        cluster = read_cluster(Path(folder) / "philly.yaml").value
    everything = philly_jobs(shared)
    first = min(job[0] for job in everything)
    traces = {"week": week(shared), "all": [(submit - first, *rest) for submit, *rest in everything]}
    jobs = {
        name: durations.with_types(durations.read(trace_text(rows), name), cluster) for name, rows in traces.items()
    }
    for name, policy, budget in (
        ("week", "fifo", 0.1), ("all", "fifo", 1.2), ("all", "srtf", 10.0), ("all", "tiresias", 10.0),
    ):  # fmt: skip
        seconds = best_of(3 if policy == "fifo" else 1, lambda n=name, p=policy: run(jobs[n], cluster, p))
        yield f"{policy} with placement, Philly, {len(jobs[name]):,} jobs", seconds, budget, ""


def beside_a_heap() -> Iterator[Row]:
    """FIFO without nodes beside the bare loop."""
    cluster, times = read_cluster("v100-4096").value, read_step_times("unit").value
    jobs = read_trace("synthetic:jobs=100000,load=0.9", cluster=cluster).value
    seconds = best_of(3, lambda: run(jobs, cluster, "fifo", times))
    columns = (
        jobs.submit.tolist(),
        jobs.work.tolist(),
        [jobs.classes[index].max_parallelism for index in jobs.class_index.tolist()],
    )
    bare = best_of(3, lambda: bare_loop(*columns, cluster.gpus))
    yield (
        "fifo, 100,000 jobs, 4,096 GPUs, every event",
        seconds,
        5.0 * bare,
        f"bare loop {bare:.3f} s, x{seconds / bare:.1f}",
    )


def a_million() -> Iterator[Row]:
    """Read a CSV of a million jobs, and run them on nodes."""
    dice = random.Random(1)
    now, rows = 0.0, ["name,submit_s,duration_s,gpus"]
    for number in range(1_000_000):
        now += dice.expovariate(1.4)
        rows.append(f"j{number},{now:.3f},{dice.lognormvariate(6.5, 1.0):.3f},{dice.choice((1, 1, 1, 2, 4, 8, 8, 16))}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        path.write_text("\n".join(rows) + "\n")
        del rows
        cluster = cluster_of_nodes("512", [Node("v100", 8)] * 512)
        started = time.process_time()
        jobs = read_trace(path, cluster=cluster).value
        yield "a CSV of 1,000,000 rows is read", time.process_time() - started, 3.0, ""
    gc.collect()
    seconds = best_of(1, lambda: run(jobs, cluster, "fifo"))
    yield (
        "fifo with placement, 1,000,000 jobs, 512 nodes of 8",
        seconds,
        15.0,
        f"peak so far {peak_gib():.2f} GiB of 1.5",
    )


def on_pollux(shared: Path) -> Iterator[Row]:
    """Rows of Pollux's workload 6: reading, simulating and all tables."""
    source = shared / "traces" / "pollux_workloads"
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name in ("pollux_app_profiles", "pollux_workloads"):
            with tarfile.open(source / f"{name}.tar.gz") as archive:
                archive.extractall(folder, filter="data")
        for policy, theirs in (("tiresias:thresholds=57600,within=entry", 35), ("optimus:growth=batch", 224)):
            seconds = best_of(
                3,
                lambda p=policy: simcore.trace(
                    folder / "workloads" / "workload-6.csv",
                    cluster=cluster_of_nodes("pollux", [Node("t4", 4)] * 16),
                    rates=folder / "traces",
                    policies=[p],
                    placement="freest",
                    startup="every-change",
                    startup_delay=30,
                ),
            )
            yield (
                f"{policy.split(':')[0]}, 160 jobs of Pollux, input included",
                seconds,
                0.5,
                f"the artifact: {theirs} s",
            )


class Enough(Exception):
    """Enough rounds were timed."""


def gavel_rounds() -> Iterator[Row]:
    """Time the rounds of max-min fairness with 2,000 active jobs on three GPU types."""
    dice = random.Random(2)
    types = ("v100", "p100", "k80")
    models = [f"m{number}" for number in range(26)]
    times = StepTimes("random", {(m, 1, gpu): dice.uniform(0.1, 1.0) for m in models for gpu in types})
    classes = [
        JobClass(dice.choice(models), 1, dice.choice((1, 1, 2, 4)), True, dice.choice(types)) for _ in range(2_000)
    ]
    jobs = build_trace("2000", [f"j{n}" for n in range(2_000)], [0.0] * 2_000, [1e7] * 2_000, classes)
    policy = find_policy("gavel")
    decide, taken = policy.decide, []

    def timed(view: object) -> object:
        if len(taken) == 4:
            raise Enough
        started = time.process_time()
        decision = decide(view)
        taken.append(time.process_time() - started)
        return decision

    policy.decide = timed
    with suppress(Enough):
        simulate(jobs, Cluster("c", types, (512, 512, 512)), times, policy, interval=360.0, rules=FREE_START)
    yield "gavel, 2,000 active jobs: the slowest of four rounds", max(taken), 1.0, f"others {sorted(taken)[1]:.3f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="the folder of public traces")
    parser.add_argument("--only", default="", help="philly, heap, million, pollux or gavel")
    given = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "philly": lambda: on_philly(given.shared),
        "heap": beside_a_heap,
        "pollux": lambda: on_pollux(given.shared),
        "gavel": gavel_rounds,
        "million": a_million,
    }
    rows = [row for name, part in parts.items() if given.only in name for row in part()]
    table = Table("what", "CPU [s]", "budget [s]", "note", title="cluster study on public traces")
    for what, seconds, budget, note in rows:
        table.add_row(what, f"{seconds:.3f}", f"{budget:.3g}", note, style="red" if seconds > budget else "")
    Console(width=150).print(table)
    return int(any(seconds > budget for _, seconds, budget, _ in rows))


if __name__ == "__main__":
    sys.exit(main())

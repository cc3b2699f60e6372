"""CPU budgets of the cluster study: prints a row per budget and exits with 1 if one is missed.

    python benchmarks/trace.py [--quick]

CPU seconds of the simulation alone, imports and input excluded; the best of three runs where a run is short.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import simcore
from rich.console import Console
from rich.table import Table
from simcore.models.cluster.policies import find_policy
from simcore.models.cluster.rules import PUBLISHED
from simcore.models.cluster.simulator import simulate
from simcore.readers.clusters import read_cluster
from simcore.readers.step_times import read_step_times
from simcore.traces import read_trace


def simulation(
    trace: str, cluster_name: str, step_times_name: str, policy: str, interval: float | None, repeat: int = 1
):
    """Return the best CPU seconds [s] and the log of simulating one policy."""
    cluster = read_cluster(cluster_name).value
    step_times = read_step_times(step_times_name).value
    jobs = read_trace(trace, cluster=cluster).value
    best, log = float("inf"), None
    for _ in range(repeat):
        started = time.process_time()
        log = simulate(jobs, cluster, step_times, find_policy(policy), interval=interval, rules=PUBLISHED)
        best = min(best, time.process_time() - started)
    return best, log, len(jobs)


def child_cpu(command: list[str]) -> float:
    """Return the best CPU seconds [s] of a whole process out of five."""
    best = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def peak_mib() -> float:
    """Return the peak memory of this process so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the million jobs")
    quick = parser.parse_args().quick
    rows: list[tuple[str, float, float, str]] = []

    cold = simcore.trace().cpu_seconds  # the first run: no proposal is cached yet
    rows.append(("published policies on the SC'23 trace", cold, 1.0, "artifact's simulator: 50 to 60 CPU-seconds"))

    for jobs in (2_500, 20_000):
        trace = f"synthetic-elastic:jobs={jobs},load=0.9"
        seconds, log, _ = simulation(trace, "mixed-4096", "sc23-measured", "easyscale-heter", 60.0)
        note = f"{jobs / seconds:,.0f} jobs/s, {log.rounds:,} rounds, peak memory so far {peak_mib():.0f} MiB"
        rows.append((f"easyscale-heter, {jobs:,} elastic jobs, 4,096 GPUs", seconds, float("inf"), note))

    for jobs, budget in ((100_000, 1.0), (1_000_000, 8.0))[: 1 if quick else 2]:
        for interval, name in ((60.0, "60"), (None, "event")):
            trace = f"synthetic:jobs={jobs},load=0.9"
            seconds, log, _ = simulation(trace, "v100-4096", "unit", "fifo", interval, 3 if jobs < 1e6 else 1)
            note = f"{log.events / jobs:.3f} events per job, peak memory so far {peak_mib():.0f} MiB"
            rows.append((f"fifo, {jobs:,} rigid jobs, --interval {name}", seconds, budget, note))

    bare = child_cpu([sys.executable, "-c", "pass"])
    helped = child_cpu([sys.executable, "-m", "simcore", "--help"])
    rows.append(("simcore --help over bare Python", helped - bare, 0.25, f"bare Python {bare:.3f} s"))

    table = Table("what", "CPU [s]", "budget [s]", "note", title="cluster study")
    for what, seconds, budget, note in rows:
        shown = "-" if budget == float("inf") else f"{budget:g}"
        table.add_row(what, f"{seconds:.3f}", shown, note, style="red" if seconds > budget else "")
    Console(width=150).print(table)
    return int(any(seconds > budget for _, seconds, budget, _ in rows))


if __name__ == "__main__":
    sys.exit(main())

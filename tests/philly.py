"""The week of Philly that scheduling is held against, and a literal scheduler of nodes without a line of simcore's.

The scheduler steps through the instants of each virtual cluster: first all releases, then all arrivals, then the queue.
It looks at every node every time.
"""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from functools import cache
from pathlib import Path

NODES = {
    "6214e9": 20, "7f04ca": 16, "11cb48": 2, "b436b2": 5, "ee9e8c": 16, "e13805": 4,
    "6c71a0": 16, "2869ce": 16, "ed69ec": 1, "103959": 4, "0e4a51": 2,
}  # fmt: skip
SIZE = 8


@cache
def philly_jobs(shared: Path) -> list[tuple[int, int, int, str]]:
    """Return (submission, duration, GPUs, VC) of all jobs that fit their virtual cluster, in the order of the file."""
    with gzip.open(shared / "traces" / "philly_pollux" / "philly.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    jobs = []
    for row in rows:
        submit = int((datetime.fromisoformat(row["timestamp"]) - datetime(2017, 10, 1)).total_seconds())
        gpus = int(float(row["num_gpus"]))
        if gpus <= SIZE * NODES.get(row["cluster"], 0):
            jobs.append((submit, int(float(row["duration"])), gpus, row["cluster"]))
    return jobs


def week(shared: Path) -> list[tuple[int, int, int, str]]:
    """Return the jobs of the seven days from 1 October 2017, with submissions that count from there [s]."""
    return [job for job in philly_jobs(shared) if 0 <= job[0] < 7 * 86400]


def trace_text(jobs: list[tuple[int, int, int, str]]) -> str:
    lines = [f"j{i},{submit},{length},{gpus},{vc}" for i, (submit, length, gpus, vc) in enumerate(jobs)]
    return "\n".join(["name,submit_s,duration_s,gpus,vc", *lines]) + "\n"


def cluster_text(nodes: dict[str, int] = NODES, size: int = SIZE) -> str:
    lines = [f"  - {{type: v100, gpus: {size}, count: {count}, vc: '{vc}'}}" for vc, count in nodes.items()]
    return "\n".join(["name: philly", "nodes:", *lines]) + "\n"


def fit(free: list[int], gpus: int, size: int) -> list[tuple[int, int]] | None:
    """Return (node, GPUs) of a gang by best fit, None where it does not fit."""
    held: list[tuple[int, int]] = []
    if gpus > size:
        whole = [n for n, left in enumerate(free) if left == size][: gpus // size]
        if len(whole) < gpus // size:
            return None
        held = [(n, size) for n in whole]
        gpus %= size
    if gpus:
        taken = {n for n, _ in held}
        able = [(left - gpus, n) for n, left in enumerate(free) if left >= gpus and n not in taken]
        if not able:
            return None
        held.append((min(able)[1], gpus))
    return held


def schedule(
    jobs: list[tuple[int, int, int, str]], nodes: dict[str, int], policy: str, size: int = SIZE
) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Return start, end and nodes within its VC of every job under a strict queue."""
    done: list[tuple[int, int, list[tuple[int, int]]]] = [(-1, -1, [])] * len(jobs)
    for vc, count in nodes.items():
        rows = [i for i, job in enumerate(jobs) if job[3] == vc]
        key = (lambda i: (jobs[i][0], i)) if policy == "fifo" else (lambda i: (jobs[i][1], jobs[i][0], i))
        free, queue, running = [size] * count, [], []
        coming = sorted(rows, key=lambda i: (jobs[i][0], i))
        while coming or running:
            now = min([jobs[i][0] for i in coming[:1]] + [done[i][1] for i in running])
            for i in [i for i in running if done[i][1] == now]:
                for node, gpus in done[i][2]:
                    free[node] += gpus
                running.remove(i)
            while coming and jobs[coming[0]][0] == now:
                queue.append(coming.pop(0))
            queue.sort(key=key)
            while queue and (held := fit(free, jobs[queue[0]][2], size)) is not None:
                i = queue.pop(0)
                for node, gpus in held:
                    free[node] -= gpus
                done[i] = (now, now + jobs[i][1], held)
                running.append(i)
    return done

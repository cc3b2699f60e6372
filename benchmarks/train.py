"""CPU time of simulated training iterations and of the network study's figures, and errors against ASTRA-sim.

Budgets: an iteration of 1T on 4D at most 0.5 CPU-seconds (ASTRA-sim: 5 to 22), all figures at most 10 minutes on two
cores. ``python benchmarks/train.py`` prints a table of each; errors and ratios only where the published runs lie in a
folder ``shared`` beside the checkout. ASTRA-sim's CPU times in the ratios are those published with its runs.
"""

from __future__ import annotations

import csv
import re
import tempfile
import time
from pathlib import Path

from simcore.models.network.conventions import ASTRA_SIM
from simcore.models.network.mapping import map_parallelism
from simcore.models.network.schedulers import SCHEDULERS, Ascending, Themis, scheduler
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.program import Loop, iteration
from simcore.models.training.simulated import Settings, run_iteration
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload
from simcore.studies.evaluate import EvaluateRequest, evaluate

from tables import table

ITERATION_BUDGET, SUITE_BUDGET, REPEAT = 0.5, 600.0, 5
FIGURES = ("network-fig12", "network-fig13", "network-fig14", "network-fig15")
ASTRA_SCHEDULES = {"ascending": Ascending, "offlineGreedy": Themis}


def cpu(call):
    """Least CPU time of a few runs [s], and what the last returned."""
    least = float("inf")
    for _ in range(REPEAT):
        started = time.process_time()
        found = call()
        least = min(least, time.process_time() - started)
    return least, found


def published():
    path = table("data/network/astra_training.csv")
    if path is None:
        return []
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def case(row):
    pairs = re.findall(r"(\w+?)\((\d+)\)x?", row["topology"])
    latencies = [float(word) * 1e-9 for word in row["link_latency_ns"].split()]
    dimensions = (Dimension(Block(b), int(n), "", h) for (b, n), h in zip(pairs, latencies, strict=True))
    topology = Topology(row["net"], tuple(dimensions))
    links = zip(row["links_per_dim"].split(), row["link_bw_GBps(2^30)"].split(), strict=True)
    bandwidths = [float(n) * float(b) * 2**30 for n, b in links]
    workload = read_workload(row["workload"], "workload", variant="evaluation", npus=topology.npus).value
    steps = iteration(workload, Loop.SIMULATE, compute_scale=float(row["comp_scale"]), counted=True)
    return steps, topology, bandwidths, map_parallelism(topology, workload.tp, workload.dp)


def errors():
    print(
        "ASTRA-sim's training iterations     schedule        theirs [ms]    ours [ms]     error  CPU [s]   theirs/ours"
    )
    for row in published():
        settings = Settings(int(row["chunks"]), ASTRA_SCHEDULES[row["inter_dim_sched"]], ASTRA_SIM)
        arguments = case(row)
        seconds, run = cpu(lambda a=arguments, s=settings: run_iteration(*a, s))
        theirs = float(row["result_ns"]) * 1e-6
        name = f"{row['net']} {row['workload']} {row['bw_setup']} x{row['comp_scale']}"
        ratio = f"{float(row['cpu_s']) / seconds:8.0f} x" if row["cpu_s"] else ""
        error = f"{run.time * 1e3 / theirs - 1:+9.4%}"
        numbers = f"{theirs:12.4f} {run.time * 1e3:12.4f} {error} {seconds:8.4f} {ratio:>13s}"
        print(f"{name:35s} {settings.schedule.name:14s} {numbers}")


def iterations():
    topology, workload = read_network("4D", "network").value.topology, read_workload("1T", "workload").value
    groups = map_parallelism(topology, workload.tp, workload.dp)
    steps = iteration(workload, Loop.SIMULATE)
    print(f"\n1T on 4D, 325 GB/s, 64 chunks       CPU [s]   events  time [ms]   (budget {ITERATION_BUDGET} s)")
    for schedule in SCHEDULERS:
        settings = Settings(64, scheduler(schedule))
        seconds, run = cpu(lambda s=settings: run_iteration(steps, topology, [81.25e9] * 4, groups, s))
        verdict = "" if seconds <= ITERATION_BUDGET else "  OVER BUDGET"
        print(f"{schedule:34s} {seconds:8.4f} {run.events:8d} {run.time * 1e3:10.3f}{verdict}")


def suite():
    print(f"\nfigures, two processes    wall [s]   (budget {SUITE_BUDGET:g} s)")
    with tempfile.TemporaryDirectory() as folder:
        state, started = Path(folder) / "points.jsonl", time.perf_counter()
        for figure in FIGURES:
            begun = time.perf_counter()
            found = evaluate.of(EvaluateRequest(figure, engine="simulate"), jobs=2, state=state)
            counts = found.provenance.counts
            seconds = time.perf_counter() - begun
            print(f"{figure:24s} {seconds:9.2f}   {counts['points']} points, {counts['events']} events")
        total, points = time.perf_counter() - started, len(state.read_text(encoding="utf-8").splitlines())
    verdict = "" if total <= SUITE_BUDGET else "  OVER BUDGET"
    print(f"{'all':24s} {total:9.2f}   {points} simulated{verdict}")


if __name__ == "__main__":
    if published():
        errors()
    iterations()
    suite()

"""The network simulator: errors against ASTRA-sim, CPU time against its budgets.

Run it with ``python benchmarks/network.py``. The published runs are read from ``../shared``; without them only the
budgets are measured.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for tests.astra, which reads the published runs

from simcore.models.network.bounds import bounds
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import PHYSICAL
from simcore.models.network.schedulers import Ascending, LatencyAware, Scheduler
from simcore.models.network.simulation.run import CollectiveRun, simulate_collective
from simcore.models.network.topology import Block, Dimension, Topology
from tests.astra import SCHEDULES, AstraRun, astra_runs, fresh_runs

ALLOWED = 0.001
"""Relative error that a collective may have; almost all are exact."""

REPEATS = 5
FOUR = Topology(
    "4D, 1,024 NPUs",
    tuple(
        Dimension(block, size, "", 1e-9)
        for block, size in ((Block.RING, 2), (Block.FULLY_CONNECTED, 8), (Block.RING, 8), (Block.SWITCH, 8))
    ),
)
FIVE = Topology(
    "5D, 131,072 NPUs",
    tuple(
        Dimension(block, size, "", 500e-9)
        for block, size in (
            (Block.RING, 8), (Block.FULLY_CONNECTED, 16), (Block.SWITCH, 16), (Block.SWITCH, 8), (Block.SWITCH, 8),
        )
    ),
)  # fmt: skip


def main() -> None:
    runs = astra_runs()
    if runs:
        errors([*runs, *fresh_runs()])
        latency_aware(runs)
    budgets(runs)


def errors(runs: list[AstraRun]) -> None:
    print(f"{'against ASTRA-sim':62s} {'runs':>4s} {'exact':>5s} {'median':>9s} {'largest':>9s} {'allowed':>8s}  worst")
    groups: dict[str, list[AstraRun]] = {}
    for run in runs:
        groups.setdefault(run.kind, []).append(run)
    started = time.process_time()
    for kind, members in groups.items():
        found = [(abs(run.error()), run) for run in members]
        exact = sum(error * run.nanoseconds < 0.5 for error, run in found)
        worst, name = max((error, run.name) for error, run in found)
        median = statistics.median(error for error, _ in found)
        verdict = "" if worst <= ALLOWED else "  MISSED"
        print(f"{kind:62s} {len(members):4d} {exact:5d} {median:9.4%} {worst:9.4%} {ALLOWED:8.1%}  {name}{verdict}")
    print(f"all {len(runs)} runs in {time.process_time() - started:.2f} CPU seconds\n")


def latency_aware(runs: list[AstraRun]) -> None:
    """Compare the schedules on the published networks of several dimensions, by physics."""
    cases = {}
    for run in runs:
        if len(run.bandwidths) > 1 and run.chunks > 1:
            cases.setdefault((run.topology, run.bandwidths, run.collective, run.size), run)
    print(
        f"{'share of the bound, 64 chunks, physical':44s} {'cases':>5s} "
        + " ".join(f"{s.name:>13s}" for s in SCHEDULES)
    )
    shares: dict[str, list[list[float]]] = {}
    for run in cases.values():
        groups = [dimension.size for dimension in run.topology.dimensions]
        least = bounds(run.collective, run.size, run.topology, run.bandwidths, groups).alpha_beta
        settings = {"chunks": 64, "in_flight": 1, "convention": PHYSICAL}
        row = [least / run.simulate(schedule=schedule, **settings).time for schedule in SCHEDULES]
        size = f"{run.size / 2**20:g} MiB" if run.size < 2**30 else "1 GiB"
        late = "latency 250 ns and more" if max(d.latency for d in run.topology.dimensions) > 1e-7 else "latency 1 ns"
        shares.setdefault(f"{run.collective.value}, {size}, {late}", []).append(row)
    for name in sorted(shares):
        rows = shares[name]
        means = [statistics.geometric_mean(column) for column in zip(*rows, strict=True)]
        print(f"{name:44s} {len(rows):5d} " + " ".join(f"{mean:13.1%}" for mean in means))
    print()


def budgets(runs: list[AstraRun]) -> None:
    print(f"{'CPU time, best of ' + str(REPEATS):62s} {'seconds':>9s} {'budget':>8s} {'events':>8s} {'us/event':>9s}")
    seconds = {}
    for topology, budget in ((FOUR, 0.05), (FIVE, 0.1)):
        for schedule in SCHEDULES:
            bandwidths = [100e9] * len(topology.dimensions)

            def run(
                at: Topology = topology, b: list[float] = bandwidths, each: type[Scheduler] = schedule
            ) -> CollectiveRun:
                return simulate_collective(Collective.ALL_REDUCE, 2**30, at, b, chunks=64, schedule=each)

            cpu, result = best(run)
            seconds[topology.name, schedule] = cpu
            name = f"all-reduce of 1 GiB in 64 chunks, {topology.name}, {schedule.name}"
            verdict = "" if cpu <= budget else "  MISSED"
            per_event = cpu / result.events * 1e6
            print(f"{name:62s} {cpu:9.4f} {budget:8.2f} {result.events:8d} {per_event:9.2f}{verdict}")
    late = Topology("4D, 500 ns", tuple(replace(each, latency=500e-9) for each in FOUR.dimensions))
    for size in (2**18, 2**20, 2**26, 2**30):

        def small(s: int = size) -> CollectiveRun:
            return simulate_collective(Collective.ALL_REDUCE, s, late, [100e9] * 4, chunks=64, schedule=LatencyAware)

        cpu, result = best(small)
        name = f"all-reduce of {size / 2**20:g} MiB, {late.name}, latency-aware"
        verdict = "" if cpu <= 0.05 else "  MISSED"
        print(f"{name:62s} {cpu:9.4f} {0.05:8.2f} {result.events:8d} {cpu / result.events * 1e6:9.2f}{verdict}")
    ascending = seconds[FOUR.name, Ascending]
    theirs = [run.cpu_seconds for run in runs if run.topology.npus == 1024 and len(run.bandwidths) == 4]
    if theirs:
        print(f"ASTRA-sim's {max(theirs):.2f} s (slowest 4D run, its machine) over ours: {max(theirs) / ascending:.0f}")
    print(f"131,072 NPUs in 5 dimensions over 1,024 in 4: {seconds[FIVE.name, Ascending] / ascending:.2f}")


def best(run: Callable[[], CollectiveRun]) -> tuple[float, CollectiveRun]:
    """Return the least CPU time of some runs, after one that loads what is loaded lazily."""
    result, times = run(), []
    for _ in range(REPEATS):
        started = time.process_time()
        result = run()
        times.append(time.process_time() - started)
    return min(times), result


if __name__ == "__main__":
    main()

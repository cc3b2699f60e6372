"""CPU time of the bandwidth optimiser: every preset, a deep workload, and the command as a whole.

Run with ``python benchmarks/optimize.py``; numeric threads are pinned to one. The exit status is 1 if a time is over
its budget.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402 - the threads are pinned before numpy starts them
from simcore.models.bandwidth.plan import best_split  # noqa: E402
from simcore.models.bandwidth.region import make_region  # noqa: E402
from simcore.models.bandwidth.target import Target  # noqa: E402
from simcore.models.network.collectives import Collective  # noqa: E402
from simcore.models.network.cost import cost_coefficients  # noqa: E402
from simcore.models.network.mapping import Groups, map_parallelism  # noqa: E402
from simcore.models.training.closed_form import StepModel, compile_step, mean_step  # noqa: E402
from simcore.models.training.program import CLOSED_FORM_LOOPS, Loop  # noqa: E402
from simcore.models.training.workload import Layer, Phase, Workload  # noqa: E402
from simcore.readers.costs import read_costs  # noqa: E402
from simcore.readers.networks import read_network  # noqa: E402
from simcore.readers.workloads import read_workloads  # noqa: E402

BUDGET = 325e9
SECONDS = {Target.PERF: 0.1, Target.PER_COST: 1.0}
GAPS = {Target.PERF: 1e-7, Target.PER_COST: 1e-6}
DEEP_SECONDS = 1.0
COMMAND_SECONDS = {Target.PERF: 1.5, Target.PER_COST: 2.5}
ORIGINAL_MINUTES = (15, 80)  # 500,000 steps of the original optimiser on idle and on busy machines


def compiled(net: str, name: str, loop: Loop) -> tuple[StepModel, np.ndarray]:
    network, workloads = read_network(net, "benchmark").value.topology, read_workloads(name, "benchmark").value
    models = [compile_step(w, map_parallelism(network, w.tp, w.dp), loop) for w in workloads]
    model = models[0] if len(models) == 1 else mean_step(models, [w.name for w in workloads])
    return model, np.array(cost_coefficients(network, read_costs("sc245", "benchmark").value))


def deep(loop: Loop) -> StepModel:
    """128 layers, no two alike, on 6 dimensions."""
    rng = np.random.default_rng(0)
    kinds = list(Collective)

    def phase() -> Phase:
        return Phase(float(rng.uniform(1e-5, 1e-3)), kinds[rng.integers(4)], float(rng.integers(1e3, 1e7)))

    layers = tuple(Layer(f"layer {i}", phase(), phase(), phase()) for i in range(128))
    return compile_step(Workload("deep", layers, 64, 64), Groups((4, 4, 4, 1, 1, 1), (1, 1, 1, 4, 4, 4)), loop)


def timed(model: StepModel, prices: np.ndarray, target: Target) -> tuple[float, float, int]:
    """Return CPU seconds (the least of three runs), relative gap and linear programs."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        found, _ = best_split(model, make_region(BUDGET, len(prices)), prices, target)
        seconds.append(time.process_time() - started)
    return min(seconds), found.gap, found.programs


def command(target: Target) -> float:
    """Return the CPU seconds of a whole command, Python's start included (the least of three runs)."""
    arguments = [sys.executable, "-m", "simcore", "optimize", "4D", "325", "Group", target.value, "Overlap"]
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def main() -> int:
    timed(*compiled("2D", "17B", Loop.OVERLAP), Target.PERF)  # imports the solver
    broken = 0
    print(f"{'net':4} {'workload':8} {'loop':10} {'target':12} {'CPU s':>8} {'gap':>8} {'programs':>8}")
    for net in ("2D", "3D", "4D"):
        for name in ("17B", "175B", "1T", "Group"):
            for loop in CLOSED_FORM_LOOPS:
                model, prices = compiled(net, name, loop)
                for target in Target:
                    seconds, gap, programs = timed(model, prices, target)
                    late = seconds > SECONDS[target] or gap > GAPS[target]
                    broken += late
                    row = f"{net:4} {name:8} {loop.value:10} {target.value:12} {seconds:8.4f} {gap:8.1e} {programs:8d}"
                    print(row + ("  OVER BUDGET" if late else ""))
    for loop in CLOSED_FORM_LOOPS:
        for target in Target:
            seconds, gap, programs = timed(deep(loop), np.array([1, 2, 2, 2, 2, 57.4]) * 1e-6, target)
            late = seconds > DEEP_SECONDS
            broken += late
            row = f"{'6D':4} {'deep':8} {loop.value:10} {target.value:12} {seconds:8.4f} {gap:8.1e} {programs:8d}"
            print(row + ("  OVER BUDGET" if late else ""))
    model, prices = compiled("4D", "1T", Loop.NO_OVERLAP)
    seconds, _, _ = timed(model, prices, Target.PERF)
    least, most = ORIGINAL_MINUTES
    ratios = f"{60 * least / seconds:,.0f} to {60 * most / seconds:,.0f} times faster"
    print(f"the original needs {least} to {most} CPU minutes for one Perf plan: 4D 1T NoOverlap is {ratios}")
    for target in Target:
        seconds = command(target)
        late = seconds > COMMAND_SECONDS[target]
        broken += late
        row = f"simcore optimize 4D 325 Group {target.value} Overlap: {seconds:.2f} CPU s"
        print(row + ("  OVER BUDGET" if late else ""))
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())

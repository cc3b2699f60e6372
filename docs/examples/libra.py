"""LIBRA's six runs that an objective is known for: its network, prices, groups and constraints, read from files."""

from pathlib import Path
from tempfile import TemporaryDirectory

from simcore import optimize

GROUPS = {
    "175B": "F: [4, 4, -1, -1]\nI: [4, 4, -1, -1]\nW: [-1, 2, 4, 32]\n",
    "1T": "F: [4, 8, 4, -1]\nI: [4, 8, 4, -1]\nW: [-1, -1, -1, 32]\n",
    "17B": "F: [-1, -1, -1, -1]\nI: [-1, -1, -1, -1]\nW: [4, 8, 4, 32]\n",
}
OWN = ["b1 = 500", "b1 >= b2 >= b3", "b3 + b4 = 200"]
# name in LIBRA, ours, budget, constraints, target, objective that Gurobi found: [ns], or [ns $ / 1e10]
RUNS = [
    ("GPT_3", "175B", "1000 GB/s", OWN, "Perf", 708_438_743.38),
    ("GPT_3", "175B", "500 GB/s", [], "Perf", 722_411_771.0),
    ("GPT_3", "175B", "500 GB/s", [], "PerfPerCost", 395_990.7341),
    ("MSFT_1T", "1T", "500 GB/s", [], "Perf", 209_686_274.88),
    ("MSFT_1T", "1T", "500 GB/s", [], "PerfPerCost", 174_132.889),
    ("Turing_NLG", "17B", "500 GB/s", [], "Perf", 330_625_611.84),
]

# digits that the flat optimum settles; LIBRA's unit is the nanosecond, and 1e10 ns $ is 10 s $
print("workload    budget     target           b1     b2     b3     b4   objective, LIBRA   simcore    off by")
for theirs, name, budget, constraints, target, published in RUNS:
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{theirs}.yaml"
        file.write_text(GROUPS[name], encoding="utf-8")
        plan = optimize(
            "LIBRA-4D-4K", budget, name, target, communicator=file, constraints=constraints, variant="evaluation"
        ).plan
    assert plan.relative_gap < 1e-8
    own, unit, digits = (1e9, "ms", 5) if target == "Perf" else (0.1, "s $", 1)
    scale = 1e-6 if target == "Perf" else 10.0
    off = abs(plan.objective * own / published - 1)
    split = " ".join(f"{b / 1e9:6.1f}" for b in plan.bandwidths)
    values = f"{published * scale:12.{digits}f}  {plan.objective * own * scale:12.{digits}f} {unit:3}"
    print(f"{theirs:10}  {budget:9}  {target:11} {split}   {values}  {'under 1e-8' if off < 1e-8 else f'{off:.0e}'}")

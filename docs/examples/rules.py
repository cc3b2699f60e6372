"""What each correction of the published rules changes, alone and together, on the SC'23 trace."""

from dataclasses import replace

import simcore
from simcore.cluster import CORRECTED, PUBLISHED

CORRECTIONS = {
    "published": {},
    "assignment=best": {"assignment": "best"},
    "single_type_speedup=exact": {"single_type_speedup": "exact"},
    "idle_gpus=returned": {"idle_gpus": "returned"},
    "startup=every-change": {"startup": "every-change"},
    "order=submission": {"order": "submission"},
}
POLICIES = ["yarn-cs", "fifo", "easyscale-homo", "easyscale-heter"]

rule_sets = {name: replace(PUBLISHED, **change) for name, change in CORRECTIONS.items()}
# the makespan is counted as published in every row, so that a difference is the schedule's
rule_sets["all five together"] = replace(CORRECTED, makespan="published")
rule_sets["--rules corrected"] = CORRECTED

for rates in ("sc23-fitted", "sc23-measured"):
    print(f"step times {rates}: mean JCT [s] / makespan [s]")
    print(f"{'rules':26}" + "".join(f"{policy:>18}" for policy in POLICIES))
    for name, rules in rule_sets.items():
        table = simcore.trace(policies=POLICIES, rates=rates, rules=rules).table
        cells = [f"{row['mean_jct_s']:.1f} / {row['makespan_s']:.0f}" for row in table]
        print(f"{name:26}" + "".join(f"{cell:>18}" for cell in cells))
    print()

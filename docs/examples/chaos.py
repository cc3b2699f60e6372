"""How much easyscale-heter moves when the step times move by 0.3 %: why it is compared within a band."""

import numpy as np
import simcore
from simcore.cluster import StepTimes, read_step_times

RUNS, JITTER = 20, 0.003
fitted = read_step_times("sc23-fitted").value
generator = np.random.default_rng(np.random.SeedSequence(0))

found = {policy: {"mean_jct_s": [], "makespan_s": []} for policy in ("easyscale-homo", "easyscale-heter")}
for _ in range(RUNS):
    # one factor per entry of the P100 and T4 columns; the V100 times stay as they are
    seconds = {key: value * (1.0 + JITTER * (2.0 * generator.random() - 1.0)) for key, value in fitted.seconds.items()}
    seconds.update({key: value for key, value in fitted.seconds.items() if key[2] == "v100"})
    for row in simcore.trace(rates=StepTimes("jittered", seconds), policies=list(found)).table:
        for column, values in found[row["policy"]].items():
            values.append(row[column])

print(f"{RUNS} runs, P100 and T4 step times moved by at most {JITTER:.1%}")
for policy, columns in found.items():
    jct, makespan = columns["mean_jct_s"], columns["makespan_s"]
    print(f"{policy:15}  mean JCT {min(jct):6.1f} to {max(jct):6.1f} s  ", end="")
    print(f"makespan {min(makespan):.0f} to {max(makespan):.0f} s")

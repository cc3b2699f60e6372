"""Run the SC'23 trace experiment and read its tables."""

import simcore

result = simcore.trace()  # the 62 jobs of EasyScale's trace experiment, four policies, decisions every 60 s

print("policy           mean JCT [s]  queueing [s]  makespan [s]  utilisation")
for row in result.table:
    print(
        f"{row['policy']:15}  {row['mean_jct_s']:12.1f}  {row['mean_queueing_s']:12.1f}  "
        f"{row['makespan_s']:12.0f}  {row['utilisation']:11.3f}"
    )

print("\nThe three jobs that wait longest under easyscale-homo:")
homo = [job for job in result.jobs if job["policy"] == "easyscale-homo"]
for job in sorted(homo, key=lambda job: -job["queueing_s"])[:3]:
    print(f"{job['name']:15}  queueing {job['queueing_s']:6.1f} s of a JCT of {job['jct_s']:6.1f} s")

for note in result.warnings:
    print(f"\nnote: {note}")

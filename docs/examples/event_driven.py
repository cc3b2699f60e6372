"""Decisions at every arrival and completion instead of every 60 s, and how few decisions either takes."""

import simcore

print("interval  policy           mean JCT [s]  queueing [s]  decisions")
for interval in (60, 10, "event"):
    result = simcore.trace(interval=interval)
    for row in result.table:
        rounds = result.provenance.counts[f"rounds_{row['policy']}"]  # those at which something happened
        times = f"{row['mean_jct_s']:12.1f}  {row['mean_queueing_s']:12.1f}"
        print(f"{interval!s:8}  {row['policy']:15}  {times}  {rounds:9}")

"""CPU time of ``simcore evaluate``: every figure and table, Python start included, numeric threads pinned to one.

The budget: all 765 runs of the artifact's full suite (552 iteration times, 213 network costs) in at most 10
CPU-seconds, in closed form and with splits solved once (no --resolve). Figures 12 and 15 together hold them all, so the
sum over all targets is more than is needed. Run it from anywhere: ``python benchmarks/evaluate.py [--resolve]``.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

BUDGET = 10.0
TARGETS = ("network-fig12", "network-fig13", "network-fig14", "network-fig15", "network-table6")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cpu_seconds(*arguments: str) -> float:
    """Return user and system time of one run of the command."""
    environment = os.environ | dict.fromkeys(THREADS, "1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "simcore", "evaluate", *arguments],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> int:
    resolve = "--resolve" in sys.argv[1:]
    total = 0.0
    for target in TARGETS:
        if resolve and target == "network-table6":
            continue
        seconds = min(cpu_seconds(target, *(["--resolve"] if resolve else [])) for _ in range(3))
        total += seconds
        print(f"{target:15} {seconds:6.2f} CPU-s")
    print(f"{'all':15} {total:6.2f} CPU-s")
    if not resolve:
        print(f"budget {BUDGET:g} CPU-s: {total / BUDGET:.0%} used")
    return int(total > BUDGET and not resolve)


if __name__ == "__main__":
    sys.exit(main())

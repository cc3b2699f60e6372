"""CPU time of searches of layouts: more than 10,000 candidates of a mixture of experts, and a whole command.

Run with ``python benchmarks/search_layouts.py``; numeric threads are pinned to one. The exit status is 1 if a time is
over its budget.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from simcore.models.training.parallel.memory import held_micro_batches  # noqa: E402 - the threads are pinned before
from simcore.models.training.parallel.stages import seconds_of  # noqa: E402
from simcore.studies.search import SearchRequest, search  # noqa: E402

SEARCHES: dict[str, dict[str, Any]] = {
    "llama-2-70b on 64 GPUs": {"model": "llama-2-70b", "gpus": 64, "global_batch": 512},
    "llama-3-405b on 4,096 GPUs": {"model": "llama-3-405b", "gpus": 4096, "global_batch": 8192},
    "mixtral-8x7b on 128 GPUs": {"model": "mixtral-8x7b", "gpus": 128, "global_batch": 1024},
    "deepseek-v3 on 2,048 GPUs": {"model": "deepseek-v3", "gpus": 2048, "global_batch": 16384},
}
SECONDS = 5.0  # of 10,000 candidates
COMMAND = ["search", "llama-2-70b", "--gpus", "64", "--device", "h100", "--global-batch", "512"]


def timed(inputs: dict[str, Any]) -> tuple[float, int]:
    """Return CPU seconds of a search (the least of three runs) and its candidates."""
    seconds, tried = [], 0
    for _ in range(3):
        seconds_of.cache_clear()  # of a run before
        held_micro_batches.cache_clear()
        started = time.process_time()
        tried = search.of(SearchRequest(device="h100", **inputs)).found.tried
        seconds.append(time.process_time() - started)
    return min(seconds), tried


def command() -> float:
    """Return the CPU seconds of a whole command, Python's start included (the least of three runs)."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "simcore", *COMMAND], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def main() -> int:
    """Print what each search takes, and return 1 if 10,000 candidates take too long."""
    missed = 0
    for name, inputs in SEARCHES.items():
        seconds, tried = timed(inputs)
        each = seconds / tried * 1e4
        missed += each > SECONDS
        print(f"{name}: {tried:,} layouts in {seconds:.2f} CPU-s, {each:.2f} per 10,000 (at most {SECONDS:g})")
    print(f"simcore {' '.join(COMMAND)}: {command():.2f} CPU-s as a command")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

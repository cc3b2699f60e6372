"""Searches of layouts: CPU seconds for 10,000 candidates, and of the command ``simcore train MODEL`` with its start.

Run it with ``python benchmarks/search_layouts.py``. It exits with 1 where a budget is missed.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

from simcore.models.training.parallel.layout import Recompute
from simcore.models.training.parallel.search import search_layouts
from simcore.studies.deployment.layouts import deployed
from simcore.studies.search.request import SearchRequest

SEARCH = 5.0
"""Budget of 10,000 candidates [CPU s]."""

COMMAND = 1.5
"""Budget of the command, the start of Python included [CPU s]."""

CANDIDATES = 10_000
MODELS = (("llama-2-70b", 256, 1024), ("megatron-175b", 512, 1536), ("mixtral-8x7b", 128, 1024))
TRAIN = ("train", "llama-2-70b", "--gpus", "64", "--device", "h100", "--tp", "8", "--pp", "2", "--global-batch", "512")


def main() -> None:
    worst = 0.0
    for model, gpus, batch in MODELS:
        request = SearchRequest(model, gpus=gpus, device="h100", global_batch=batch, attention="eager")
        deployment = deployed(request, open_all=True)
        layouts = list(deployment.layouts())[:CANDIDATES]
        assert len(set(layouts)) == len(layouts)
        assert {layout.recompute for layout in layouts} == set(Recompute)
        started = time.process_time()
        found = search_layouts(deployment.evaluator, layouts)
        seconds = time.process_time() - started
        each = seconds * CANDIDATES / len(layouts)
        worst = max(worst, each)
        print(
            f"{model:15s} {len(layouts):6,} candidates, {len(found.best):6,} fit: {seconds:.2f} CPU s, {each:.2f} for 10,000"
        )
    command = _command()
    print(f"simcore {' '.join(TRAIN)}: {command:.2f} CPU s")
    sys.exit(worst > SEARCH or command > COMMAND)


def _command() -> float:
    """Return the CPU time of the command, the least of three runs [s]."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "simcore", *TRAIN], check=True, capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


if __name__ == "__main__":
    main()

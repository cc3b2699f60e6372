"""Elastic training in full: families x plans x levels x workers, faults one by one, and EasyScale's Figure 9.

    python benchmarks/elastic.py matrix [FAMILY ...]|faults|fig9

Each prints one JSON line per run; `benchmarks/elastic.jsonl` holds those of one machine, with their date.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from simcore.real.elastic import Fault, Job, Place, check, compare, parse_stages, train_job, train_reference
from simcore.real.elastic.faults import POINTS

FAMILIES = ("resnet18", "transformer", "mlp")
PLANS = {
    3: ("3x1, 1x1+1x2, 1x3", "1x3, 3x1, 1x2+1x1@alt", "1x2+1x1@alt, 1x3, 3x1"),
    4: ("4x1, 2x2, 1x4", "4x1, 2x2, 1x2+2x1@alt", "1x4, 1x1+1x3@alt, 4x1"),
}
FIG9 = "4x1, 2x2, 1x2+2x1@alt"


def run(kind: str, job: Job, reference: object = None) -> object:
    """Train a job, compare it, and print what came out; returns the reference."""
    check(job)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        reference = reference or train_reference(job, Path(folder))
        ours = train_job(job, Place(Path(folder), Path(folder) / "checkpoint"))
        stages = compare(job, ours, reference)
        row = {
            "kind": kind, "date": datetime.now(UTC).strftime("%Y-%m-%d"), "torch": torch.__version__,
            "capability": torch.backends.cpu.get_cpu_capability(), "model": job.model, "workers": job.workers,
            "determinism": job.determinism, "reduce": job.reduce, "batches": job.batches,
            "faults": [fault.point for fault in job.faults], "samples_equal": ours.samples == reference.samples,
            "stages": [vars(stage) for stage in stages], "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
    print(json.dumps(row), flush=True)
    return reference


def matrix() -> None:
    """Run every family, or those that are named, with every plan, level and number of workers."""
    for model in sys.argv[2:] or FAMILIES:
        for workers, plans in PLANS.items():
            for level in ("D1", "D2"):
                reference = None
                for plan in plans:
                    job = Job(model, workers, parse_stages([plan], workers), determinism=level)
                    reference = run("matrix", job, reference)


def faults() -> None:
    """Run each fault by itself, in mid stage."""
    plan, reference = parse_stages(["2x2, 1x4"], 4), None
    for point in POINTS:
        job = Job("mlp", 4, plan, faults=(Fault(point, 27),))
        reference = run("faults", job, reference)


def fig9() -> None:
    """Run the published 3 x 100 mini-batches at each level."""
    for level in ("D0", "D1", "D2"):
        run("fig9", Job("resnet18", 4, parse_stages([FIG9], 4), batches=100, determinism=level, every=50))


if __name__ == "__main__":
    {"matrix": matrix, "faults": faults, "fig9": fig9}[sys.argv[1]]()

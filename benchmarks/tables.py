"""Tables of the folder ``shared`` beside the checkout, which not every machine has; and the GPUs of one of them."""

from __future__ import annotations

from pathlib import Path

KERNELS = "data/measured/kernels_fp32.csv.gz"
OPERATORS = "data/measured/v100_operators.csv.gz"
ITERATIONS = "data/measured/training_iterations.csv.gz"
COLLECTIVES = "data/measured/collectives.csv.gz"

GPUS = ("v100-pcie-32gb", "p100-pcie-16gb", "t4", "a100-pcie-40gb", "a100-pcie-80gb", "h100")
"""Devices of `KERNELS`."""


def table(name: str) -> Path | None:
    """Return a file of the folder; None where there is none, after saying so."""
    for parent in Path(__file__).resolve().parents:
        path = parent / "shared" / name
        if path.is_file():
            return path
    print(f"skipped: {name} (../shared) is not on this machine")
    return None

"""Tensors of two runs compared; importing this module needs torch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from simcore.real.verify.finding import TOLERANCES, Finding

DTYPES = {"fp64": torch.float64, "fp32": torch.float32}

OUTPUT, GRADIENT = "output", "gradient of "
"""What names of tensors begin with."""


def findings(expected: Mapping[str, Tensor], seen: Mapping[str, Tensor], precision: str, rank: int) -> list[Finding]:
    """Hold the tensors that a rank has seen against those expected."""
    largest = max((_largest(one) for name, one in expected.items() if name.startswith(GRADIENT)), default=0.0)
    return [_finding(name, expected[name], one, largest, precision, rank) for name, one in seen.items()]


def _finding(name: str, expected: Tensor, seen: Tensor, largest: float, precision: str, rank: int) -> Finding:
    scale = _largest(expected)
    if name.startswith(GRADIENT) and scale < TOLERANCES[precision] * largest:
        scale = largest  # zero but for rounding
    if seen.shape != expected.shape:
        shape = f"{tuple(seen.shape)} in place of {tuple(expected.shape)}"
        return Finding(name, precision, float("inf"), scale, rank, shape)
    return Finding(name, precision, _largest(seen - expected), scale, rank)


def _largest(one: Tensor) -> float:
    return float(one.detach().abs().max()) if one.numel() else 0.0

"""The number formats in which a device multiplies matrices."""

from __future__ import annotations

import importlib

AMPERE = (8, 0)
"""Compute capability from which GPUs have TF32 and bf16 in hardware; older ones emulate or refuse them."""


def matrix_formats(kind: str) -> tuple[str, ...]:
    """Return the number formats that are worth measuring on the current device.

    Parameters
    ----------
    kind : {'cpu', 'cuda'}
        Where they are multiplied.

    Examples
    --------
    >>> matrix_formats("cpu")
    ('fp32', 'bf16')
    """
    if kind == "cpu":
        return "fp32", "bf16"
    torch = importlib.import_module("torch")
    return ("fp32", "fp16", "bf16", "tf32") if torch.cuda.get_device_capability() >= AMPERE else ("fp32", "fp16")


def experts_format(kind: str) -> str:
    """Return the number format of experts: bf16, which the grouped product wants, where a GPU has it."""
    return "bf16" if kind == "cuda" and "bf16" in matrix_formats(kind) else "fp32"

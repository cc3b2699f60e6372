"""Kernels that do not run at some shape on some device, or compute something else: no reason to stop a calibration."""

from __future__ import annotations

from collections.abc import Iterable
from subprocess import CalledProcessError
from typing import Any

from simcore.errors import RunError, SimcoreError


class Unmeasured(RunError):
    """A kernel does not run at a shape on this device, which a calibration skips.

    Parameters
    ----------
    what, why : str
        The kernel and its shape, and the reason.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what, self.why = what, why


class WrongOutput(RunError):
    """A kernel's output is further from float64 than its number format explains: its time means nothing."""


class OutOfMemory(Unmeasured):
    """The device has too little memory for the shape."""


class Unsupported(Unmeasured):
    """The device, torch or triton refuses: a type without an instruction, a tile beyond the shared memory."""


class NothingLeft(Unmeasured):
    """A mask came out empty: so few blocks at so high a sparsity that none is kept.

    The share of blocks that are kept is exact, rounded to whole ones, so another seed would not help.
    """


NOTHING_LEFT = "no block of the mask is left, and times of zeros would mean nothing"
"""Why an empty mask is not measured."""


def require_kept(mask: Any, what: str) -> None:
    """Refuse to time an empty mask, or a matrix that it makes all zeros.

    Raises
    ------
    NothingLeft
        If nothing is kept.
    """
    if not mask.any():
        raise NothingLeft(what, NOTHING_LEFT)


def unmeasured(failure: Exception, what: str) -> Unmeasured | None:
    """Return why a kernel did not run; None for an error of our own, or one after which the device is of no use."""
    words = ("can't allocate memory", "out of memory", "not enough memory", "ALLOC_FAILED")
    if isinstance(failure, MemoryError) or any(word.lower() in str(failure).lower() for word in words):
        return OutOfMemory(what, "the device has too little memory")
    # triton also runs a C compiler, whose failure subprocess reports
    refused = isinstance(failure, RuntimeError | CalledProcessError) or type(failure).__module__.startswith("triton")
    if isinstance(failure, SimcoreError) or not refused or is_lost(failure):
        return None
    return Unsupported(what, reason(failure))


def is_lost(failure: Exception) -> bool:
    """Say whether the device is of no use any more: every later call to CUDA fails as well.

    A library that declines one call leaves the device as it was; torch then names the function.

    Examples
    --------
    >>> is_lost(RuntimeError("CUDA error: an illegal memory access was encountered"))
    True
    >>> is_lost(RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx( handle, opa, ...)`"))
    False
    """
    return "CUDA error" in str(failure) and "when calling" not in str(failure)


def reason(failure: Exception) -> str:
    """Return the first line of what an exception says, or its name."""
    return (str(failure).splitlines() or [type(failure).__name__])[0][:120]


def summed_up(skipped: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Say once for each kernel and reason what was skipped: the first shape, and how many more.

    Parameters
    ----------
    skipped : iterable of (str, str)
        `Unmeasured.what` and `Unmeasured.why`.

    Examples
    --------
    >>> summed_up((f"gemm {{'m': {m}}}", "too little memory") for m in (64, 128, 256))
    ("gemm {'m': 64}: too little memory (and 2 more of gemm)",)
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for what, why in skipped:
        groups.setdefault((what.partition(" ")[0], why), []).append(what)
    return tuple(
        f"{first}: {why}{f' (and {len(rest)} more of {kernel})' if rest else ''}"
        for (kernel, why), (first, *rest) in groups.items()
    )

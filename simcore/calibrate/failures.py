"""Kernels that do not run at some shape on some device, which is no reason to stop a calibration."""

from __future__ import annotations

from simcore.errors import RunError, SimcoreError


class Unmeasured(RunError):
    """A kernel does not run at a shape on this device, which a calibration skips."""


class OutOfMemory(Unmeasured):
    """The device has too little memory for the shape."""


class Unsupported(Unmeasured):
    """The device, torch or triton refuses: a type without an instruction, a tile beyond the shared memory."""


def unmeasured(failure: Exception, what: str) -> Unmeasured | None:
    """Return why a kernel did not run; None for an error of our own, or one after which the device is of no use."""
    words = ("can't allocate memory", "out of memory", "not enough memory")
    text = str(failure)
    if isinstance(failure, MemoryError) or any(word in text.lower() for word in words):
        return OutOfMemory(f"{what}: the device has too little memory")
    refused = isinstance(failure, RuntimeError) or type(failure).__module__.startswith("triton")
    if isinstance(failure, SimcoreError) or not refused or "CUDA error" in text:
        return None
    reason = (text.splitlines() or [type(failure).__name__])[0][:120]
    return Unsupported(f"{what}: {reason}")

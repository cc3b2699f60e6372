"""One measurement that can be believed: the device, the clock, the inputs, and what to do with a kernel that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.measure.device import (
        current,
        describe,
        device_name,
        fingerprint,
        has_triton,
        require_torch,
        resolve_device,
    )
    from simcore.calibrate.measure.failures import NothingLeft, OutOfMemory, Unmeasured, Unsupported, WrongOutput
    from simcore.calibrate.measure.formats import experts_format, matrix_formats
    from simcore.calibrate.measure.passes import merge, spread_between
    from simcore.calibrate.measure.tensors import random_tensor, relative_error, torch_dtype
    from simcore.calibrate.measure.timing import TOLERANCE, Case, time_callable, time_case

__getattr__, __dir__ = attach(
    __name__,
    {
        "Case": "simcore.calibrate.measure.timing",
        "NothingLeft": "simcore.calibrate.measure.failures",
        "OutOfMemory": "simcore.calibrate.measure.failures",
        "TOLERANCE": "simcore.calibrate.measure.timing",
        "Unmeasured": "simcore.calibrate.measure.failures",
        "Unsupported": "simcore.calibrate.measure.failures",
        "WrongOutput": "simcore.calibrate.measure.failures",
        "current": "simcore.calibrate.measure.device",
        "describe": "simcore.calibrate.measure.device",
        "device_name": "simcore.calibrate.measure.device",
        "experts_format": "simcore.calibrate.measure.formats",
        "fingerprint": "simcore.calibrate.measure.device",
        "has_triton": "simcore.calibrate.measure.device",
        "matrix_formats": "simcore.calibrate.measure.formats",
        "merge": "simcore.calibrate.measure.passes",
        "random_tensor": "simcore.calibrate.measure.tensors",
        "relative_error": "simcore.calibrate.measure.tensors",
        "require_torch": "simcore.calibrate.measure.device",
        "resolve_device": "simcore.calibrate.measure.device",
        "spread_between": "simcore.calibrate.measure.passes",
        "time_callable": "simcore.calibrate.measure.timing",
        "time_case": "simcore.calibrate.measure.timing",
        "torch_dtype": "simcore.calibrate.measure.tensors",
    },
)

__all__ = [
    "TOLERANCE",
    "Case",
    "NothingLeft",
    "OutOfMemory",
    "Unmeasured",
    "Unsupported",
    "WrongOutput",
    "current",
    "describe",
    "device_name",
    "experts_format",
    "fingerprint",
    "has_triton",
    "matrix_formats",
    "merge",
    "random_tensor",
    "relative_error",
    "require_torch",
    "resolve_device",
    "spread_between",
    "time_callable",
    "time_case",
    "torch_dtype",
]

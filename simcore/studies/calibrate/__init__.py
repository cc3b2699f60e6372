"""The study behind ``simcore calibrate``: the kernels of a device, measured and fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.calibrate.request import CalibrateRequest
    from simcore.studies.calibrate.result import CalibrateResult
    from simcore.studies.calibrate.run import calibrate

__getattr__, __dir__ = attach(
    __name__,
    {
        "CalibrateRequest": "simcore.studies.calibrate.request",
        "CalibrateResult": "simcore.studies.calibrate.result",
        "calibrate": "simcore.studies.calibrate.run",
    },
)

__all__ = [
    "CalibrateRequest",
    "CalibrateResult",
    "calibrate",
]

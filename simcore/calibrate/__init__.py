"""Measurements of real kernels on the device at hand, and the profile that is fitted to them.

This package imports torch and triton only inside functions; beside it `simcore.real` alone knows torch. `measure` times
one kernel. `suites` says which kernels a calibration times. `kernels` has simcore's own. `profile` stores samples and
fits formulas to them. `sweeps` measures the figures of PIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.calibration import Calibration, calibrate
    from simcore.calibrate.measure.timing import Case, time_callable
    from simcore.calibrate.profile.held_out import measure_held_out
    from simcore.calibrate.suites.registry import SUITES, cases

__getattr__, __dir__ = attach(
    __name__,
    {
        "Calibration": "simcore.calibrate.calibration",
        "Case": "simcore.calibrate.measure.timing",
        "SUITES": "simcore.calibrate.suites.registry",
        "calibrate": "simcore.calibrate.calibration",
        "cases": "simcore.calibrate.suites.registry",
        "measure_held_out": "simcore.calibrate.profile.held_out",
        "time_callable": "simcore.calibrate.measure.timing",
    },
)

__all__ = [
    "SUITES",
    "Calibration",
    "Case",
    "calibrate",
    "cases",
    "measure_held_out",
    "time_callable",
]

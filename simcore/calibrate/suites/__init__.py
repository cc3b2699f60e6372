"""What a calibration measures: a module for each suite, and their list in `registry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.suites.registry import SUITES, cases, known_suites

__getattr__, __dir__ = attach(
    __name__,
    {
        "SUITES": "simcore.calibrate.suites.registry",
        "cases": "simcore.calibrate.suites.registry",
        "known_suites": "simcore.calibrate.suites.registry",
    },
)

__all__ = [
    "SUITES",
    "cases",
    "known_suites",
]

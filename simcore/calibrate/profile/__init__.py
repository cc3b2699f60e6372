"""From samples to a profile: the file that keeps them, the fits, and the held-out shapes measured again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.profile.fit import fit_all, fit_kernel
    from simcore.calibrate.profile.held_out import Pace, measure_held_out, require_device
    from simcore.calibrate.profile.store import Store

__getattr__, __dir__ = attach(
    __name__,
    {
        "Pace": "simcore.calibrate.profile.held_out",
        "Store": "simcore.calibrate.profile.store",
        "fit_all": "simcore.calibrate.profile.fit",
        "fit_kernel": "simcore.calibrate.profile.fit",
        "measure_held_out": "simcore.calibrate.profile.held_out",
        "require_device": "simcore.calibrate.profile.held_out",
    },
)

__all__ = [
    "Pace",
    "Store",
    "fit_all",
    "fit_kernel",
    "measure_held_out",
    "require_device",
]

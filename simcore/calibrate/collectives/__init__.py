"""Collectives of a network, fitted to measurements: lines of algorithms, factors by size, errors on held-out sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.collectives.fit import Fitting, Sample, fit_collectives

__getattr__, __dir__ = attach(
    __name__,
    {
        "Fitting": "simcore.calibrate.collectives.fit",
        "Sample": "simcore.calibrate.collectives.fit",
        "fit_collectives": "simcore.calibrate.collectives.fit",
    },
)

__all__ = ["Fitting", "Sample", "fit_collectives"]

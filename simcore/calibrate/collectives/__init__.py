"""Collectives of a network, fitted to measurements: lines of algorithms, factors by size, errors on held-out sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.collectives.fit import fit_collectives
    from simcore.calibrate.collectives.samples import Fitting, Sample
    from simcore.calibrate.collectives.table import fit_rows

__getattr__, __dir__ = attach(
    __name__,
    {
        "Fitting": "simcore.calibrate.collectives.samples",
        "Sample": "simcore.calibrate.collectives.samples",
        "fit_collectives": "simcore.calibrate.collectives.fit",
        "fit_rows": "simcore.calibrate.collectives.table",
    },
)

__all__ = ["Fitting", "Sample", "fit_collectives", "fit_rows"]

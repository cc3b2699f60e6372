"""The sweeps behind the figures of PIT that `simcore evaluate pit-...` measures, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.calibrate.sweeps.layers import experts, sequences
    from simcore.calibrate.sweeps.pit import Bench, figure15, figure16, figure17, products
    from simcore.calibrate.sweeps.summary import best_rows, break_even, left_out

__getattr__, __dir__ = attach(
    __name__,
    {
        "Bench": "simcore.calibrate.sweeps.pit",
        "best_rows": "simcore.calibrate.sweeps.summary",
        "break_even": "simcore.calibrate.sweeps.summary",
        "experts": "simcore.calibrate.sweeps.layers",
        "figure15": "simcore.calibrate.sweeps.pit",
        "figure16": "simcore.calibrate.sweeps.pit",
        "figure17": "simcore.calibrate.sweeps.pit",
        "left_out": "simcore.calibrate.sweeps.summary",
        "products": "simcore.calibrate.sweeps.pit",
        "sequences": "simcore.calibrate.sweeps.layers",
    },
)

__all__ = [
    "Bench",
    "best_rows",
    "break_even",
    "experts",
    "figure15",
    "figure16",
    "figure17",
    "left_out",
    "products",
    "sequences",
]

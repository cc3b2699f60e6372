"""The study behind ``simcore train MODEL --sweep``: a training iteration at several values of one input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.sweep.request import SweepRequest
    from simcore.studies.sweep.result import SweepResult
    from simcore.studies.sweep.run import sweep

__getattr__, __dir__ = attach(
    __name__,
    {
        "SweepRequest": "simcore.studies.sweep.request",
        "SweepResult": "simcore.studies.sweep.result",
        "sweep": "simcore.studies.sweep.run",
    },
)

__all__ = ["SweepRequest", "SweepResult", "sweep"]

"""The study behind ``simcore train MODEL --sweep``: a training iteration at several values of one input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.iteration.sweep.request import SweepRequest
    from simcore.studies.iteration.sweep.result import SweepResult
    from simcore.studies.iteration.sweep.run import sweep

__getattr__, __dir__ = attach(
    __name__,
    {
        "SweepRequest": "simcore.studies.iteration.sweep.request",
        "SweepResult": "simcore.studies.iteration.sweep.result",
        "sweep": "simcore.studies.iteration.sweep.run",
    },
)

__all__ = ["SweepRequest", "SweepResult", "sweep"]

"""The study behind ``simcore tune``: the fastest way to train within a space, from few measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.tune.request import TuneRequest
    from simcore.studies.tune.result import TuneResult
    from simcore.studies.tune.run import tune

__getattr__, __dir__ = attach(
    __name__,
    {
        "TuneRequest": "simcore.studies.tune.request",
        "TuneResult": "simcore.studies.tune.result",
        "tune": "simcore.studies.tune.run",
    },
)

__all__ = ["TuneRequest", "TuneResult", "tune"]

"""The study behind ``simcore optimize``: the best split of a bandwidth budget, with a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.optimize.request import OptimizeRequest
    from simcore.studies.optimize.result import OptimizeResult
    from simcore.studies.optimize.run import optimize

__getattr__, __dir__ = attach(
    __name__,
    {
        "OptimizeRequest": "simcore.studies.optimize.request",
        "OptimizeResult": "simcore.studies.optimize.result",
        "optimize": "simcore.studies.optimize.run",
    },
)

__all__ = ["OptimizeRequest", "OptimizeResult", "optimize"]

"""simcore: measure kernels, fit one performance model, run it through studies of clusters and networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach
from simcore._version import __version__

if TYPE_CHECKING:
    from simcore.models.network.sharing.jobs import simulate
    from simcore.studies.collective import collective
    from simcore.studies.evaluate import evaluate
    from simcore.studies.optimize import optimize
    from simcore.studies.trace import TraceResult, trace
    from simcore.studies.train import train

__getattr__, __dir__ = attach(
    __name__,
    {
        "TraceResult": "simcore.studies.trace",
        "collective": "simcore.studies.collective",
        "evaluate": "simcore.studies.evaluate",
        "optimize": "simcore.studies.optimize",
        "simulate": "simcore.models.network.sharing.jobs",
        "trace": "simcore.studies.trace",
        "train": "simcore.studies.train",
    },
)

__all__ = ["TraceResult", "__version__", "collective", "evaluate", "optimize", "simulate", "trace", "train"]

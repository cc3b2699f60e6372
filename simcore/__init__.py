"""simcore: measure kernels, fit one performance model, run it through studies of clusters and networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcore._version import __version__

if TYPE_CHECKING:
    from simcore.models.iteration.jobs import simulate
    from simcore.studies.collective import collective
    from simcore.studies.evaluate_network import evaluate
    from simcore.studies.optimize import optimize
    from simcore.studies.trace import trace
    from simcore.studies.trace_result import TraceResult
    from simcore.studies.train import train

# public name -> module; resolved on first use, so that `import simcore` costs nothing
_PUBLIC = {
    "TraceResult": "simcore.studies.trace_result",
    "collective": "simcore.studies.collective",
    "evaluate": "simcore.studies.evaluate_network",
    "optimize": "simcore.studies.optimize",
    "simulate": "simcore.models.iteration.jobs",
    "trace": "simcore.studies.trace",
    "train": "simcore.studies.train",
}

__all__ = ["TraceResult", "__version__", "collective", "evaluate", "optimize", "simulate", "trace", "train"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'simcore' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])

"""simcore: measure kernels, fit one performance model, run it through studies of clusters and networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcore._version import __version__

if TYPE_CHECKING:
    from simcore.studies.trace import trace
    from simcore.studies.trace_result import TraceResult

# public name -> module; resolved on first use, so that `import simcore` costs nothing
_PUBLIC = {
    "trace": "simcore.studies.trace",
    "TraceResult": "simcore.studies.trace_result",
}

__all__ = ["TraceResult", "__version__", "trace"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'simcore' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])

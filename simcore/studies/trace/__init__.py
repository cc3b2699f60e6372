"""The study behind ``simcore trace``: a trace of training jobs under several scheduling policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.trace.request import TraceRequest
    from simcore.studies.trace.result import TraceResult
    from simcore.studies.trace.run import trace

__getattr__, __dir__ = attach(
    __name__,
    {
        "TraceRequest": "simcore.studies.trace.request",
        "TraceResult": "simcore.studies.trace.result",
        "trace": "simcore.studies.trace.run",
    },
)

__all__ = ["TraceRequest", "TraceResult", "trace"]

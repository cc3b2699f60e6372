"""The study behind ``simcore sweep trace``: a trace at several values of several options, over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.trace.sweep.request import TraceSweepRequest
    from simcore.studies.trace.sweep.result import TraceSweepResult
    from simcore.studies.trace.sweep.run import trace_sweep

__getattr__, __dir__ = attach(
    __name__,
    {
        "TraceSweepRequest": "simcore.studies.trace.sweep.request",
        "TraceSweepResult": "simcore.studies.trace.sweep.result",
        "trace_sweep": "simcore.studies.trace.sweep.run",
    },
)

__all__ = ["TraceSweepRequest", "TraceSweepResult", "trace_sweep"]

"""The study behind ``simcore workload``: what a trace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.workload.request import WorkloadRequest
    from simcore.studies.workload.result import WorkloadResult
    from simcore.studies.workload.run import workload

__getattr__, __dir__ = attach(
    __name__,
    {
        "WorkloadRequest": "simcore.studies.workload.request",
        "WorkloadResult": "simcore.studies.workload.result",
        "workload": "simcore.studies.workload.run",
    },
)

__all__ = ["WorkloadRequest", "WorkloadResult", "workload"]

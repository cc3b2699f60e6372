"""The study behind ``simcore workload``: what a trace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.workload.request import SynthesiseRequest, WorkloadRequest
    from simcore.studies.workload.result import WorkloadResult
    from simcore.studies.workload.run import workload
    from simcore.studies.workload.similar import SynthesisedResult, synthesise

__getattr__, __dir__ = attach(
    __name__,
    {
        "SynthesiseRequest": "simcore.studies.workload.request",
        "SynthesisedResult": "simcore.studies.workload.similar",
        "WorkloadRequest": "simcore.studies.workload.request",
        "WorkloadResult": "simcore.studies.workload.result",
        "synthesise": "simcore.studies.workload.similar",
        "workload": "simcore.studies.workload.run",
    },
)

__all__ = ["SynthesiseRequest", "SynthesisedResult", "WorkloadRequest", "WorkloadResult", "synthesise", "workload"]

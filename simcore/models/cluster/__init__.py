"""Clusters: jobs, step times, placements, what a policy sees and decides, and the simulator that runs a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.cluster.cluster import Cluster
    from simcore.models.cluster.jobs import JobClass, Trace, WorkUnit, build_trace
    from simcore.models.cluster.log import PlacementLog
    from simcore.models.cluster.metrics import JobTimes, Segments
    from simcore.models.cluster.placement import Placement
    from simcore.models.cluster.policy import Decision, Policy
    from simcore.models.cluster.room import Change
    from simcore.models.cluster.rules import CORRECTED, PUBLISHED, Rules
    from simcore.models.cluster.simulator import simulate
    from simcore.models.cluster.step_times import StepTimes
    from simcore.models.cluster.view import View

__getattr__, __dir__ = attach(
    __name__,
    {
        "CORRECTED": "simcore.models.cluster.rules",
        "Change": "simcore.models.cluster.room",
        "Cluster": "simcore.models.cluster.cluster",
        "Decision": "simcore.models.cluster.policy",
        "JobClass": "simcore.models.cluster.jobs",
        "PUBLISHED": "simcore.models.cluster.rules",
        "Placement": "simcore.models.cluster.placement",
        "PlacementLog": "simcore.models.cluster.log",
        "Policy": "simcore.models.cluster.policy",
        "Rules": "simcore.models.cluster.rules",
        "StepTimes": "simcore.models.cluster.step_times",
        "Trace": "simcore.models.cluster.jobs",
        "View": "simcore.models.cluster.view",
        "WorkUnit": "simcore.models.cluster.jobs",
        "build_trace": "simcore.models.cluster.jobs",
        "JobTimes": "simcore.models.cluster.metrics",
        "Segments": "simcore.models.cluster.metrics",
        "simulate": "simcore.models.cluster.simulator",
    },
)

__all__ = [
    "CORRECTED",
    "PUBLISHED",
    "Change",
    "Cluster",
    "Decision",
    "JobClass",
    "JobTimes",
    "Placement",
    "PlacementLog",
    "Policy",
    "Rules",
    "Segments",
    "StepTimes",
    "Trace",
    "View",
    "WorkUnit",
    "build_trace",
    "simulate",
]

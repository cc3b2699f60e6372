"""What a script needs to build traces, clusters and scheduling policies of its own, for `simcore.trace`.

Examples
--------
>>> from simcore.cluster import Cluster, JobClass, build_trace
>>> job = JobClass("bert", 8, 4, True, "v100")
>>> len(build_trace("mine", ["a", "b"], [0.0, 60.0], [6400.0, 3200.0], [job, job]))
2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.cluster.cluster import Cluster, Node, cluster_of_nodes
    from simcore.models.cluster.jobs import JobClass, Trace, WorkUnit, build_trace
    from simcore.models.cluster.log import PlacementLog
    from simcore.models.cluster.placement import Placement
    from simcore.models.cluster.policy import Decision, Policy
    from simcore.models.cluster.room import Change
    from simcore.models.cluster.rules import CORRECTED, PUBLISHED, Rules
    from simcore.models.cluster.step_times import StepTimes
    from simcore.models.cluster.view import View
    from simcore.readers.clusters import read_cluster
    from simcore.readers.step_times import read_step_times
    from simcore.studies.workload import SynthesisedResult, SynthesiseRequest, synthesise
    from simcore.traces.sources import read_trace

__getattr__, __dir__ = attach(
    __name__,
    {
        "CORRECTED": "simcore.models.cluster.rules",
        "Change": "simcore.models.cluster.room",
        "Cluster": "simcore.models.cluster.cluster",
        "Decision": "simcore.models.cluster.policy",
        "JobClass": "simcore.models.cluster.jobs",
        "Node": "simcore.models.cluster.cluster",
        "PUBLISHED": "simcore.models.cluster.rules",
        "Placement": "simcore.models.cluster.placement",
        "PlacementLog": "simcore.models.cluster.log",
        "Policy": "simcore.models.cluster.policy",
        "Rules": "simcore.models.cluster.rules",
        "StepTimes": "simcore.models.cluster.step_times",
        "SynthesiseRequest": "simcore.studies.workload",
        "SynthesisedResult": "simcore.studies.workload",
        "Trace": "simcore.models.cluster.jobs",
        "View": "simcore.models.cluster.view",
        "WorkUnit": "simcore.models.cluster.jobs",
        "build_trace": "simcore.models.cluster.jobs",
        "cluster_of_nodes": "simcore.models.cluster.cluster",
        "read_cluster": "simcore.readers.clusters",
        "read_step_times": "simcore.readers.step_times",
        "read_trace": "simcore.traces.sources",
        "synthesise": "simcore.studies.workload",
    },
)

__all__ = [
    "CORRECTED",
    "PUBLISHED",
    "Change",
    "Cluster",
    "Decision",
    "JobClass",
    "Node",
    "Placement",
    "PlacementLog",
    "Policy",
    "Rules",
    "StepTimes",
    "SynthesiseRequest",
    "SynthesisedResult",
    "Trace",
    "View",
    "WorkUnit",
    "build_trace",
    "cluster_of_nodes",
    "read_cluster",
    "read_step_times",
    "read_trace",
    "synthesise",
]

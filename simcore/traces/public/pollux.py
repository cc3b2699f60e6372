"""The workloads of Pollux' and Sia's simulators: jobs of applications, whose work is in the applications' profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from simcore.errors import RunError, unknown_name
from simcore.models.cluster.applications import Application, full_nodes
from simcore.models.cluster.cluster import Cluster
from simcore.traces.public.base import Format, Job, Unfit, real, whole

POLLUX = Format(
    "pollux",
    "Pollux and Sia (Qiao et al., OSDI 2021; Jayaram Subramanya et al., SOSP 2023); needs --rates FOLDER",
    ("name", "time", "application", "num_replicas", "batch_size"),
)


def with_applications(applications: Mapping[str, Application], cluster: Cluster) -> Format:
    """Return the format for jobs of some applications: a job's duration is that on full nodes of the cluster."""
    size = max((node.gpus for node in cluster.nodes), default=cluster.gpus)

    def job(row: Mapping[str, str]) -> Job:
        gpus, batch = whole(row, "num_replicas"), whole(row, "batch_size")
        application = applications.get(row["application"])
        if application is None:
            raise unknown_name("application", row["application"], applications, "Or add its folder to the profiles.")
        if gpus < 1 or batch < gpus:
            raise Unfit(f"a batch of {batch} on {gpus} GPUs")
        try:
            pace = application.pace(batch, full_nodes(gpus, size))
        except RunError as error:
            raise Unfit(str(error)) from None
        local = application.spread(batch, gpus, alone=False).local
        more = {"model": application.name, "batch_size": str(local), "global_batch": str(batch)}
        return Job(row["name"], real(row, "time"), float(pace.before[-1]), gpus, more)

    return replace(POLLUX, job=job)

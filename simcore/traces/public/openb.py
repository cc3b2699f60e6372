"""Alibaba's openb-2023: pods with shares of GPUs."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.models.cluster.pools import PARTS
from simcore.traces.public.base import Format, Job, Unfit, kept, real, whole


def _job(row: Mapping[str, str]) -> Job:
    if not row["deletion_time"]:
        raise Unfit("a pod that was never deleted")
    begin = row["scheduled_time"] or row["creation_time"]
    duration = real(row, "deletion_time") - real({"scheduled_time": begin}, "scheduled_time")
    more = kept(row, status="pod_phase", qos="qos", gpu_milli="gpu_milli", gpu_spec="gpu_spec")
    if row["gpu_spec"]:
        more["gpu_type"] = row["gpu_spec"]
    if 0 < (parts := whole(row, "gpu_milli")) < PARTS:
        more["gpu_share"] = f"{parts / PARTS:g}"
    more["cpus"] = f"{real(row, 'cpu_milli') / 1000:g}"
    more["memory_b"] = f"{real(row, 'memory_mib') * 2**20:.0f}"
    return Job(row["name"], real(row, "creation_time"), duration, whole(row, "num_gpu"), more)


OPENB = Format(
    "openb",
    "Alibaba openb-2023 (Weng et al., USENIX ATC 2023)",
    ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "creation_time", "deletion_time", "scheduled_time"),
    _job,
)

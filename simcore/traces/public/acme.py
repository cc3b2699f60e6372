"""Shanghai AI Lab's Acme: Kalos and Seren."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.traces.public.base import Format, Job, kept, real, time, whole


def _job(row: Mapping[str, str]) -> Job:
    more = kept(row, user="user", status="state", job_type="type", cpus="cpu_num")
    return Job(row["job_id"], time(row, "submit_time"), real(row, "duration"), whole(row, "gpu_num"), more)


ACME = Format(
    "acme",
    "Acme, Kalos and Seren (Hu et al., NSDI 2024)",
    ("job_id", "user", "node_num", "gpu_num", "type", "state", "submit_time", "duration", "gpu_time"),
    _job,
)

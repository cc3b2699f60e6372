"""SenseTime's Helios clusters: Venus, Earth, Saturn, Uranus."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.traces.public.base import Format, Job, kept, real, time, whole


def _job(row: Mapping[str, str]) -> Job:
    more = kept(row, vc="vc", user="user", status="state", cpus="cpu_num")
    return Job(row["job_id"], time(row, "submit_time"), real(row, "duration"), whole(row, "gpu_num"), more)


HELIOS = Format(
    "helios",
    "Helios (Hu et al., SC 2021; S-Lab HeliosData)",
    ("job_id", "vc", "jobname", "gpu_num", "node_num", "submit_time", "duration", "queue"),
    _job,
)

"""The trace format of Muri's simulator: that of Tiresias with times in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.traces.public.base import Format, Job, kept, real, whole


def _job(row: Mapping[str, str]) -> Job:
    more = kept(row, trace_model="model_name", trace_batch_size="batch_size")
    submit, duration = real(row, "submit_time") / 1000.0, real(row, "duration") / 1000.0
    return Job(row["job_id"], submit, duration, whole(row, "num_gpu"), more)


MURI = Format(
    "muri",
    "Muri (Zhao et al., SIGCOMM 2022; Rivendile/Muri)",
    ("job_id", "num_gpu", "submit_time", "duration", "iteration_time", "resource_time_0"),
    _job,
    notes=("submit_time and duration of the file are milliseconds",),
)

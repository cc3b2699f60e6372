"""Alibaba PAI-2020: the job table joined with the task table, which says how many GPUs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from simcore.models.cluster.pools import PARTS
from simcore.traces.public.base import Format, Job, Unfit, kept, real, time

_ROUNDING = 1e-9
"""By this much a sum of shares may lie beside a whole number by rounding."""


def _job(row: Mapping[str, str]) -> Job:
    if not row["start_time"] or not row["end_time"]:
        raise Unfit("a job without a start or an end")
    if not row.get("plan_gpu"):
        raise Unfit("a job without GPUs")
    count = real(row, "inst_num") if row.get("inst_num") else 1.0
    each = real(row, "plan_gpu") / 100.0
    gpus = math.ceil(each * count - _ROUNDING)
    more = kept(row, user="user", status="status", trace_gpu_type="gpu_type", plan_gpu="plan_gpu")
    if count == 1.0 and 0.0 < each < 1.0:
        more["gpu_share"] = f"{max(round(each * PARTS), 1) / PARTS:g}"
    if row.get("plan_cpu"):
        more["cpus"] = f"{real(row, 'plan_cpu') / 100.0 * count:g}"
    if row.get("plan_mem"):
        more["memory_b"] = f"{real(row, 'plan_mem') * 1e9 * count:.0f}"
    start = time(row, "start_time")
    rounded = "gpu_share" not in more and gpus - each * count > _ROUNDING
    note = "shares of GPUs are rounded up to whole GPUs of a job" if rounded else ""
    return Job(row["job_name"], start, time(row, "end_time") - start, gpus, more, note)


PAI = Format(
    "pai",
    "Alibaba PAI-2020 (Weng et al., NSDI 2022), pai_job_table joined with pai_task_table by job_name",
    ("job_name", "status", "start_time", "end_time", "plan_gpu"),
    _job,
    notes=("the trace has no submissions: a job counts as submitted when it started",),
)

"""The trace format of Tiresias' simulator."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.traces.public.base import Format, Job, kept, real, whole


def _job(row: Mapping[str, str]) -> Job:
    more = kept(row, trace_model="model_name")
    return Job(row["job_id"], real(row, "submit_time"), real(row, "duration"), whole(row, "num_gpu"), more)


TIRESIAS = Format(
    "tiresias",
    "Tiresias (Gu et al., NSDI 2019; SymbioticLab/Tiresias)",
    ("job_id", "num_gpu", "submit_time", "duration", "model_name"),
    _job,
)

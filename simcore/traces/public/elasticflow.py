"""The trace format of ElasticFlow's simulator, with deadlines."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.traces.public.base import Format, Job, kept, real, whole


def _job(row: Mapping[str, str]) -> Job:
    more = kept(row, trace_model="model_name", deadline_s="ddl", trace_batch_size="batch_size")
    return Job(row["job_id"], real(row, "submit_time"), real(row, "duration"), whole(row, "num_gpu"), more)


ELASTICFLOW = Format(
    "elasticflow",
    "ElasticFlow (Gu et al., ASPLOS 2023; gudiandian/ElasticFlow)",
    ("job_id", "num_gpu", "submit_time", "ddl", "duration"),
    _job,
)

"""Microsoft's Philly: the published job log (JSON), and the table that Pollux's authors made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simcore.errors import InputError
from simcore.traces.public.base import Format, Job, Rows, Unfit, kept, real, time


def _table(row: Mapping[str, str]) -> Job:
    gpus = int(real(row, "num_gpus"))
    return Job("", time(row, "timestamp"), real(row, "duration"), gpus, kept(row, vc="cluster"))


def _log(text: str, name: str) -> Rows:
    try:
        jobs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(name, f"broken JSON ({error})", "the job log of Philly, a JSON list") from None
    if not isinstance(jobs, list):
        raise InputError(name, "no list", "the job log of Philly, a JSON list of jobs")
    for number, job in enumerate(jobs, 1):
        yield number, lambda job=job: _job(job)  # type: ignore[misc]


def _mapped(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unfit(f"{'an' if what == 'attempt' else 'a'} {what} that is no mapping")
    return value


def _listed(values: Mapping[str, Any], name: str) -> list[Any]:
    listed = values.get(name) or []
    if not isinstance(listed, list):
        raise Unfit(f"'{name}' that is no list")
    return listed


def _job(job: Mapping[str, Any]) -> Job:
    """Return a job whose work is what its attempts ran, together, on the largest gang that one of them had."""
    attempts = _listed(_mapped(job, "job"), "attempts")
    if not attempts:
        raise Unfit("a job without an attempt")
    duration, gpus = 0.0, 0
    for attempt in (_mapped(each, "attempt") for each in attempts):
        if not attempt.get("start_time") or not attempt.get("end_time"):
            raise Unfit("an attempt without a start or an end")
        duration += time(attempt, "end_time") - time(attempt, "start_time")
        nodes = (_mapped(node, "node") for node in _listed(attempt, "detail"))
        gpus = max(gpus, sum(len(_listed(node, "gpus")) for node in nodes))
    said = {key: str(job[key]) for key in ("vc", "user", "status") if job.get(key) is not None}
    return Job(str(job.get("jobid", "")), time(job, "submitted_time"), duration, gpus, said)


TABLE = Format(
    "philly",
    "Microsoft Philly, as Pollux's artifact holds it (petuum/adaptdl, osdi21-artifact)",
    ("timestamp", "duration", "num_gpus", "gpu_time", "cluster"),
    _table,
)
LOG = Format(
    "philly-log",
    "Microsoft Philly's cluster_job_log (msr-fiddle/philly-traces)",
    rows=_log,
    recognises=lambda text: text.lstrip().startswith("[") and '"attempts"' in text[:100_000],
    notes=("times are local, without a zone; a row is an entry of the list; work is what all attempts ran",),
)

"""Standard Workload Format of the Parallel Workloads Archive."""

from __future__ import annotations

import re

from simcore.traces.public.base import Format, Job, Rows, Unfit, real

COLUMNS = (
    "job", "submit", "wait", "run", "allocated", "cpu_time", "memory", "requested", "estimate", "requested_memory",
    "status", "user", "group", "executable", "queue", "partition", "preceding", "think",
)  # fmt: skip
_ROW = re.compile(r"\s*-?[0-9.]+(\s+-?[0-9.eE+]+){17}\s*")


def _recognises(text: str) -> bool:
    first = next((line for line in text[:100_000].splitlines() if line.strip() and not line.startswith(";")), "")
    return _ROW.fullmatch(first) is not None


def _rows(text: str, name: str) -> Rows:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith(";"):
            yield number, lambda line=line: _job(line)  # type: ignore[misc]


def _job(line: str) -> Job:
    fields = line.split()
    if len(fields) != len(COLUMNS):
        raise Unfit(f"a row of {len(fields)} columns, not {len(COLUMNS)}")
    row = dict(zip(COLUMNS, fields, strict=True))
    processors = max(real(row, "requested"), real(row, "allocated"))
    more = {"user": row["user"], "status": row["status"], "partition": row["partition"]}
    if real(row, "estimate") > 0:
        more["estimate_s"] = row["estimate"]
    return Job(row["job"], real(row, "submit"), real(row, "run"), int(processors), more)


SWF = Format(
    "swf",
    "Standard Workload Format (Chapin et al., 1999)",
    rows=_rows,
    recognises=_recognises,
    notes=("processors of the workload count as GPUs",),
)

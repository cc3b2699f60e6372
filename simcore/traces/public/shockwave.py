"""The trace format of Shockwave's simulator: Gavel's with a mode and a duration, separated by tabs."""

from __future__ import annotations

from simcore.traces.public.base import Format, Job, Rows, Unfit, real

COLUMNS = (
    "job_type", "command", "directory", "steps_argument", "needs_data", "total_steps", "scale_factor", "mode",
    "priority", "slo", "duration", "arrival",
)  # fmt: skip


def _rows(text: str, name: str) -> Rows:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, lambda line=line, number=number: _job(line, number)  # type: ignore[misc]


def _job(line: str, number: int) -> Job:
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        raise Unfit(f"a row of {len(fields)} columns, not {len(COLUMNS)}")
    row = dict(zip(COLUMNS, fields, strict=True))
    more = {"trace_model": row["job_type"], "mode": row["mode"], "priority": row["priority"]}
    return Job(f"job-{number}", real(row, "arrival"), real(row, "duration"), int(real(row, "scale_factor")), more)


SHOCKWAVE = Format(
    "shockwave",
    "Shockwave (Zheng et al., NSDI 2023; uw-mad-dash/shockwave)",
    rows=_rows,
    recognises=lambda text: text[:100_000].split("\n", 1)[0].count("\t") == len(COLUMNS) - 1,
)

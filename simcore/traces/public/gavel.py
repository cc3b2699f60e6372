"""The traces of Gavel's simulator: jobs of steps, which take as long as its throughputs say, separated by tabs."""

from __future__ import annotations

from dataclasses import replace

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.step_times import StepTimes
from simcore.readers.gavel import gavel_batch, gavel_model
from simcore.traces.public.base import Format, Job, Rows, Unfit, real

COLUMNS = (
    "job_type", "command", "directory", "steps_argument", "needs_data", "total_steps", "scale_factor", "priority",
    "slo", "arrival",
)  # fmt: skip
OLD_COLUMNS = ("job_type", "command", "steps_argument", "needs_data", "total_steps", "arrival", "scale_factor")
"""Those of the traces that were made of Philly (msr)."""


def _recognises(text: str) -> bool:
    first = text[:100_000].split("\n", 1)[0]
    return first.count("\t") + 1 in (len(COLUMNS), len(OLD_COLUMNS))


GAVEL = Format(
    "gavel",
    "Gavel (Narayanan et al., OSDI 2020; stanford-futuredata/gavel); needs --rates THROUGHPUTS.json",
    recognises=_recognises,
)


def with_throughputs(step_times: StepTimes, cluster: Cluster) -> Format:
    """Return the format for jobs whose steps take so long; a job prefers the type on which it is fastest."""

    def job(line: str, number: int) -> Job:
        fields = line.split("\t")
        columns = OLD_COLUMNS if len(fields) == len(OLD_COLUMNS) else COLUMNS
        if len(fields) != len(columns):
            raise Unfit(f"a row of {len(fields)} columns, not {len(COLUMNS)} or {len(OLD_COLUMNS)}")
        row = dict(zip(columns, fields, strict=True))
        gpus = int(real(row, "scale_factor"))
        model, batch = gavel_model(row["job_type"], gpus), gavel_batch(row["job_type"])
        known = {gpu: step_times.seconds.get((model, batch, gpu)) for gpu in cluster.types}
        able = sorted((seconds, gpu) for gpu, seconds in known.items() if seconds is not None)
        if not able:
            raise Unfit(f"no throughput of {model} on {', '.join(cluster.types)}")
        seconds, gpu = able[0]
        everywhere = "yes" if len(able) == len(known) else "no"
        more = {"model": model, "batch_size": str(batch), "gpu_type": gpu, "heterogeneous": everywhere}
        if "priority" in row:
            more["priority"] = row["priority"]
        return Job(f"job-{number}", real(row, "arrival"), real(row, "total_steps") * seconds, gpus, more)

    def rows(text: str, name: str) -> Rows:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, lambda line=line, number=number: job(line, number)  # type: ignore[misc]

    return replace(GAVEL, rows=rows)

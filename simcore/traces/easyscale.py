"""The trace format of the EasyScale artifact (SC'23), with its quirks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from simcore.errors import unknown_name
from simcore.files import csv_rows
from simcore.models.cluster.jobs import JobClass, Trace, build_trace
from simcore.numerals import parse_real
from simcore.readers.applications import read_applications
from simcore.readers.quantities import RealText, WholeText
from simcore.traces.table import columns_of, numbered_rows

COLUMNS = (
    "name",
    "time",
    "application",
    "max_parallelism",
    "batch_size",
    "epochs",
    "enable_heterogeneous_deterministic",
    "preferred_gpu",
)


class ArtifactRow(BaseModel):
    """One row of the artifact's table."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    time: RealText = Field(ge=0)
    application: str
    max_parallelism: WholeText = Field(ge=1)
    batch_size: WholeText = Field(ge=1)
    epochs: RealText = Field(gt=0)
    enable_heterogeneous_deterministic: RealText
    preferred_gpu: str = Field(min_length=1)

    @field_validator("enable_heterogeneous_deterministic", mode="before")
    @classmethod
    def _flag(cls, value: str) -> float:
        """Read a flag as the artifact does: any number but 0 means yes."""
        return parse_real({"true": "1", "yes": "1", "false": "0", "no": "0"}.get(value.lower(), value), "", "0 or 1")


def matches(header: Sequence[str]) -> bool:
    """Tell the artifact's format by its column names.

    Examples
    --------
    >>> matches(["name", "time", "application", "preferred_gpu", ""])
    True
    """
    return "application" in header and "preferred_gpu" in header


def read(text: str, name: str) -> Trace:
    r"""Read a trace in the artifact's format.

    The artifact stores jobs by name: of rows that share one the last row's data wins, at the first row's place. Work is
    epochs x samples per epoch. Every quirk that was met is a note of the trace.

    Raises
    ------
    InputError
        Naming file, line and field, if anything is malformed.

    Examples
    --------
    >>> trace = read(",".join(COLUMNS) + "\nbert-0,115,bert,16,8,4,40,v100", "example")
    >>> trace.classes[0].heterogeneous, len(trace.notes)
    (True, 1)
    """
    epoch = read_applications("easyscale-sc23").value
    jobs: dict[str, tuple[int, ArtifactRow, dict[str, str]]] = {}
    collisions: dict[str, list[int]] = {}
    odd_flags = []
    for line, row, more in numbered_rows(text, name, ArtifactRow, COLUMNS, unnamed=True):
        if row.application not in epoch:
            place = f"{name}, line {line}, field 'application'"
            raise unknown_name(place, row.application, epoch, "Other models need simcore's own trace format.")
        if row.enable_heterogeneous_deterministic not in (0.0, 1.0):
            odd_flags.append(f"{row.name} (line {line}) has {row.enable_heterogeneous_deterministic:g}")
        if row.name in jobs:
            collisions.setdefault(row.name, [jobs[row.name][0]]).append(line)
        jobs[row.name] = (line, row, more)
    rows = [row for _, row, _ in jobs.values()]
    return build_trace(
        name,
        list(jobs),
        [row.time for row in rows],
        [row.epochs * epoch[row.application] for row in rows],
        [
            JobClass(
                row.application,
                row.batch_size,
                row.max_parallelism,
                bool(row.enable_heterogeneous_deterministic),
                row.preferred_gpu,
            )
            for row in rows
        ],
        lines=[line for line, _, _ in jobs.values()],
        more=columns_of([more for _, _, more in jobs.values()]),
        notes=_notes(text, name, collisions, odd_flags, len(rows)),
    )


def _notes(text: str, name: str, collisions: dict[str, list[int]], odd_flags: list[str], jobs: int) -> list[str]:
    """Say what was mended, and how."""
    header, _ = csv_rows(text, name, "trace")
    notes = []
    if not header[-1]:
        notes.append(f"{name}: the header ends in a comma; values of the unnamed column are not read")
    if odd_flags:
        notes.append(f"{name}: a number where a flag belongs, read as yes: {'; '.join(odd_flags)}")
    if collisions:
        dropped = sum(len(lines) - 1 for lines in collisions.values())
        listed = "; ".join(f"{job} (lines {', '.join(map(str, lines))})" for job, lines in collisions.items())
        notes.append(
            f"{name}: jobs that share a name collapse into one, the last row's data at the first row's place: "
            f"{listed}; {jobs + dropped} rows give {jobs} jobs. Rename them to keep them all"
        )
    return notes

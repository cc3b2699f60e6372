"""Step times as CSV: ``model,batch_size,gpu_type,seconds_per_minibatch[,kind]``, a note in a comment line."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field

from simcore.errors import InputError
from simcore.files import check_columns, csv_rows, validate
from simcore.models.cluster.step_times import Key, StepTimes
from simcore.readers.gavel import gavel_seconds
from simcore.readers.quantities import RealText, Strict, WholeText
from simcore.readers.read import InputFile, Read, read_entry

COLUMNS = ("model", "batch_size", "gpu_type", "seconds_per_minibatch")
OPTIONAL = ("kind",)


class _Row(Strict):
    """One row: a model, a batch size and a GPU type."""

    model_config = ConfigDict(protected_namespaces=())  # a field is called model
    model: str = Field(min_length=1)
    batch_size: WholeText = Field(ge=1)
    gpu_type: str = Field(min_length=1)
    seconds_per_minibatch: RealText = Field(gt=0)
    kind: str = ""


def read_step_times(name_or_path: str | Path | InputFile, place: str = "rates") -> Read[StepTimes]:
    """Read step times of the zoo or from a file.

    A comment line ``# note: ...`` is carried along and printed wherever a result that rests on them is printed.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A zoo name, the path of a CSV file, or of Gavel's throughputs (JSON).
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        If there are no such step times, or a row is malformed or doubled, or there is none.

    Examples
    --------
    >>> read_step_times("sc23-fitted").value.label()
    'sc23-fitted (fitted)'
    """
    file = read_entry("rates", name_or_path, place, "rates")
    if file.text.lstrip().startswith("{"):
        note = "a step takes as long as Gavel measured for jobs that share their GPUs with no other"
        return file.of(StepTimes(file.name, gavel_seconds(file), ("measured",), note))
    header, rows = csv_rows(file.text, str(file.path), "rates")
    check_columns(header, COLUMNS, OPTIONAL, str(file.path))
    seconds: dict[Key, float] = {}
    kinds = set()
    for number, fields in rows:
        where = f"{file.path}, line {number}"
        if len(fields) != len(header):
            raise InputError(where, f"{len(fields)} fields", f"{len(header)}: {', '.join(header)}")
        row = validate(_Row, dict(zip(header, fields, strict=True)), where, {})
        key = (row.model, row.batch_size, row.gpu_type)
        if key in seconds:
            found = f"{row.model}, batch size {row.batch_size}, {row.gpu_type} a second time"
            raise InputError(where, found, "one row per model, batch size and GPU type", "Remove one.")
        seconds[key] = row.seconds_per_minibatch
        kinds.add(row.kind)
    if not seconds:
        raise InputError(str(file.path), "no rows", f"rows of {', '.join(COLUMNS)}")
    notes = [line.split("note:", 1)[1].strip() for line in file.text.splitlines() if line.startswith("# note:")]
    return file.of(StepTimes(file.name, seconds, tuple(sorted(kinds - {""})), " ".join(notes)))

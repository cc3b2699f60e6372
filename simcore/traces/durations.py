"""simcore's own trace of jobs that are known by their duration: name, submission, seconds and GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from simcore.errors import InputError
from simcore.files import csv_rows, is_plain
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, Trace, WorkUnit
from simcore.models.cluster.pools import DIGITS
from simcore.numerals import REAL, as_real, asked_for
from simcore.readers.quantities import RealText, WholeText
from simcore.traces.table import numbered_rows

COLUMNS = ("name", "submit_s", "duration_s", "gpus")
NUMBERS = ("priority", "deadline_s", "estimate_s", "cpus", "memory_b", "global_batch")
"""Further columns that policies read as numbers; a field may be empty."""
CLASS_COLUMNS = ("model", "batch_size", "gpu_type", "vc", "heterogeneous", "gpu_share")
"""Further columns that make a job's class."""
YES = ("yes", "true", "1")
NO_MODEL = "job"
"""Model of the jobs of a trace that names none."""
_COMMENTS = re.compile(r"(?:#[^\n]*\n)+")
_PLAIN = re.compile(r"[0-9.]+(?:,[0-9.]+)*")

Floats = NDArray[np.float64]


class DurationRow(BaseModel):
    """One job."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    submit_s: RealText = Field(ge=0)
    duration_s: RealText = Field(gt=0)
    gpus: WholeText = Field(ge=1)


def matches(header: Sequence[str]) -> bool:
    """Tell the format by its column names.

    Examples
    --------
    >>> matches(["name", "submit_s", "duration_s", "gpus", "vc"]), matches(["name", "submit_s", "model"])
    (True, False)
    """
    return "duration_s" in header and "gpus" in header


def read(text: str, name: str) -> Trace:
    r"""Read a trace of durations; its rows are put in the order of submission, ties in that of the file.

    Parameters
    ----------
    text : str
        The file's text: a header with `COLUMNS` and perhaps others in any order, a row per job, ``#`` comments.
        ``vc``, ``gpu_type``, ``model`` and those of `NUMBERS` have a meaning; others pass through.
    name : str
        The file's name, for messages.

    Raises
    ------
    InputError
        Naming file, line and field, if anything is malformed or a name comes twice.

    Examples
    --------
    >>> trace = read("name,submit_s,duration_s,gpus,vc\nb,5,60,2,x\na,0,30,1,x\n", "example")
    >>> trace.names, trace.work.tolist(), trace.classes[0].vc, trace.by_submission
    (['a', 'b'], [30.0, 60.0], 'x', True)
    """
    lines, columns = _quick(text) or _careful(text, name)
    return build(name, lines, columns)


def build(name: str, lines: Sequence[int], columns: dict[str, list[Any]]) -> Trace:
    """Return a trace of columns: those of `COLUMNS` as numbers, others as text.

    Raises
    ------
    InputError
        If a name comes twice, or a column of `NUMBERS` holds none.
    """
    names = columns.pop("name")
    _check_names(names, lines, name)
    submit, work = np.asarray(columns.pop("submit_s")), np.asarray(columns.pop("duration_s"))
    numbers = {key: _numbers(columns[key], lines, name, key) for key in NUMBERS if key in columns}
    gpus = columns.pop("gpus")
    _check_shares(gpus, columns.get("gpu_share", ()), lines, name)
    class_index, classes = _classes(gpus, columns)
    hidden = ("model", "gpu_type", "batch_size", "heterogeneous")
    trace = Trace(
        name,
        names,
        submit.astype(np.float64),
        work.astype(np.float64),
        class_index,
        classes,
        WorkUnit.GANG_SECONDS,
        lines,
        more={key: values for key, values in columns.items() if key not in hidden},
        numbers=numbers,
        by_submission=True,
    )
    order = np.argsort(trace.submit, kind="stable")
    return trace if bool((np.diff(order) == 1).all()) else trace.take(order)


def _quick(text: str) -> tuple[Sequence[int], dict[str, list[Any]]] | None:
    """Split a table without quotes, blanks and numbers with a sign or an exponent; None for any other.

    Comments may stand above its header.

    A trace has millions of rows: this takes a tenth of the time of a look at each field.
    """
    comments = _COMMENTS.match(text)
    above = 0 if comments is None else comments[0].count("\n")
    text = text if comments is None else text[comments.end() :]
    if any(sign in text for sign in '"# \t\r') or "\n\n" in text or text.startswith("\n") or not is_plain(text):
        return None
    header, _, body = text.removesuffix("\n").partition("\n")
    fields = header.split(",")
    if not body or not all(fields) or len(set(fields)) < len(fields) or not set(COLUMNS) <= set(fields):
        return None
    if not _equal_rows(body, len(fields)):
        return None
    cells = body.replace("\n", ",").split(",")
    columns: dict[str, list[Any]] = {key: cells[place :: len(fields)] for place, key in enumerate(fields)}
    for key in COLUMNS[1:]:
        values: list[str] = columns[key]
        if not _PLAIN.fullmatch(",".join(values)):
            return None
        try:
            columns[key] = list(map(int if key == "gpus" else float, values))
        except ValueError:
            return None
    right = min(columns["duration_s"]) > 0 and min(columns["gpus"]) >= 1 and all(columns["name"])
    return (range(above + 2, above + len(cells) // len(fields) + 2), columns) if right else None


def _equal_rows(body: str, fields: int) -> bool:
    """Tell whether every row has so many fields."""
    signs = np.frombuffer(body.encode() + b"\n", dtype=np.uint8)
    signs = signs[(signs == ord(",")) | (signs == ord("\n"))]
    ends = signs == ord("\n")
    return not len(ends) % fields and int(ends.sum()) * fields == len(ends) and bool(ends[fields - 1 :: fields].all())


def _careful(text: str, name: str) -> tuple[Sequence[int], dict[str, list[Any]]]:
    """Read row by row, and refuse the first field that is wrong."""
    lines, rows, others = [], [], []
    for line, row, more in numbered_rows(text, name, DurationRow, COLUMNS):
        lines.append(line)
        rows.append(row)
        others.append(more)
    columns: dict[str, list[Any]] = {key: [getattr(row, key) for row in rows] for key in COLUMNS}
    header, _ = csv_rows(text, name, "trace")
    columns |= {key: [more[key] for more in others] for key in header if key and key not in COLUMNS}
    return lines, columns


def _check_names(names: Sequence[Any], lines: Sequence[int], name: str) -> None:
    if len(set(names)) == len(names):
        return
    seen: dict[Any, int] = {}
    for one, line in zip(names, lines, strict=True):
        if one in seen:
            where = f"{name}, line {line}, field 'name'"
            found = f"'{one}', which line {seen[one]} has too"
            raise InputError(where, found, "a name for each job alone", "Rename one of the two jobs.")
        seen[one] = line


def _check_shares(gpus: Sequence[Any], shares: Sequence[Any], lines: Sequence[int], name: str) -> None:
    """Refuse a share that is none in 1/1000 of a GPU, or of several GPUs."""
    asked: dict[tuple[Any, str], int] = {}
    for number, text, line in zip(gpus, shares, lines, strict=bool(shares)):
        asked.setdefault((number, str(text)), line)
    for (number, text), line in asked.items():
        where = f"{name}, line {line}, field 'gpu_share'"
        share = as_real(text) if text else 1.0
        if share is None or not 0.0 < share <= 1.0 or round(share, DIGITS) != share:
            raise InputError(where, f"'{text}'", "a number above 0 and up to 1, in 1/1000, or nothing")
        if share < 1.0 and int(number) != 1:
            remedy = "A job of several GPUs takes whole ones."
            raise InputError(where, f"a share of {share:g} with {number} GPUs", "1 GPU", remedy)


def _numbers(values: Sequence[Any], lines: Sequence[int], name: str, key: str) -> Floats:
    """Read a column of numbers; an empty field is NaN."""
    numbers = []
    for text, line in zip(values, lines, strict=True):
        number = float("nan") if text == "" else as_real(text)
        if number is None:
            raise InputError(f"{name}, line {line}, field '{key}'", f"'{text}'", asked_for(str(text), REAL))
        numbers.append(number)
    return np.array(numbers, dtype=np.float64)


def _classes(
    gpus: Sequence[Any], columns: Mapping[str, Sequence[Any]]
) -> tuple[NDArray[np.int64], tuple[JobClass, ...]]:
    """Return each job's class and the distinct ones; a job without a GPU type has an empty one, see `with_types`."""
    places = [key for key in CLASS_COLUMNS if key in columns]
    kinds = [columns[key] for key in places]
    keys = list(zip(gpus, *kinds, strict=True))
    distinct = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    classes = []
    for size, *rest in distinct:
        said = dict(zip(places, map(str, rest), strict=True))
        batch = int(said.get("batch_size") or 1)
        model = said.get("model") or NO_MODEL
        anywhere = said.get("heterogeneous", "").lower() in YES
        share = float(said.get("gpu_share") or 1.0)
        gpu, vc = said.get("gpu_type", ""), said.get("vc", "")
        classes.append(JobClass(model, batch, int(str(size)), anywhere, gpu, vc, share))
    index = np.array(list(map(distinct.__getitem__, keys)), dtype=np.int64)
    return index, tuple(classes)


def with_types(trace: Trace, cluster: Cluster) -> Trace:
    r"""Return a trace in which a job that can run on one type says it, and lists of types are in the cluster's order.

    Examples
    --------
    >>> trace = read("name,submit_s,duration_s,gpus\na,0,30,1\n", "example")
    >>> with_types(trace, Cluster("c", ("v100",), (8,))).classes[0].gpu_type
    'v100'
    """
    return replace(trace, classes=tuple(_typed(job, cluster) for job in trace.classes))


def _typed(job: JobClass, cluster: Cluster) -> JobClass:
    own = cluster.types_of(job.gpu_type, job.vc)
    if not job.gpu_type:
        own = own or cluster.types
        return replace(job, gpu_type=own[0]) if len(own) == 1 else job
    known = set(job.gpu_type.split("|")) <= set(cluster.types)
    return replace(job, gpu_type="|".join(own)) if own and known else job

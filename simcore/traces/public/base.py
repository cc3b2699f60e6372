"""What the readers of public traces share: a job, a row that cannot run, and the way from rows to a trace."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from simcore.errors import InputError, shortened
from simcore.files import csv_rows
from simcore.models.cluster.jobs import NEAR, Trace
from simcore.numerals import as_real, as_whole
from simcore.traces.durations import build
from simcore.units import counted

_ZONE = re.compile(r"([+-][0-9]{2}):?([0-9]{2})$")


@dataclass
class Job:
    """A job of a public trace.

    Attributes
    ----------
    name : str
        Its name there; empty where it has none.
    submit, duration : float
        When it was submitted, and how long it held its GPUs [s].
    gpus : int
        How many.
    more : dict of str to str
        What else is known: ``vc``, ``user``, ``status``, ``priority``, ``deadline_s``, ``cpus`` and others.
    note : str
        What was changed so that it can run; jobs with one note are counted together.
    """

    name: str
    submit: float
    duration: float
    gpus: int
    more: dict[str, str] = field(default_factory=dict)
    note: str = ""


class Unfit(Exception):
    """A row that cannot run, and why."""


Rows = Iterator[tuple[int, Callable[[], Job]]]


@dataclass(frozen=True)
class Format:
    """A format of public traces.

    Attributes
    ----------
    name : str
        As ``--format`` takes it.
    about : str
        Whose traces these are, and where the columns are described.
    columns : tuple of str
        Columns by which a header is recognised; empty where `recognises` looks at the text.
    job : callable, optional
        From a row, by column, to a job.
    rows : callable, optional
        From a text and a name to numbered jobs, for a file that is no CSV with a header.
    recognises : callable, optional
        Whether the beginning of a text is of this format.
    notes : tuple of str
        What a reader must know of all these traces.
    """

    name: str
    about: str
    columns: tuple[str, ...] = ()
    job: Callable[[Mapping[str, str]], Job] | None = None
    rows: Callable[[str, str], Rows] | None = None
    recognises: Callable[[str], bool] | None = None
    notes: tuple[str, ...] = ()

    def matches(self, text: str, header: Sequence[str]) -> bool:
        """Tell whether a file is of this format, by its beginning."""
        if self.recognises is not None:
            return self.recognises(text)
        return set(self.columns) <= set(header)

    def read(self, text: str, name: str, *, keep_going: bool = False) -> Trace:
        """Read a trace; a row that cannot run is refused, or left out and counted.

        Raises
        ------
        InputError
            Naming the line and what is wrong with it.
        """
        rows = self.rows(text, name) if self.rows is not None else self._table(text, name)
        lines: list[int] = []
        jobs: list[Job] = []
        unfit: dict[str, list[int]] = {}
        noted: dict[str, list[int]] = {}
        for line, make in rows:
            try:
                job = make()
                _check(job)
            except Unfit as reason:
                if not keep_going:
                    remedy = "Leave out such rows with --keep-going."
                    raise InputError(f"{name}, line {line}", str(reason), "a job that can run", remedy) from None
                unfit.setdefault(str(reason), []).append(line)
                continue
            except InputError as error:
                where = f"{name}, line {line}, field '{error.place}'"
                raise InputError(where, error.found, error.expected, error.remedy) from None
            lines.append(line)
            jobs.append(job)
            if job.note:
                noted.setdefault(job.note, []).append(line)
        if not jobs:
            raise InputError(name, "no job that can run", "at least one", "Is it the right file?")
        changed = [
            f"{name}: {counted(len(those), 'job')}, the first in line {those[0]}: {note}"
            for note, those in noted.items()
        ]
        return _trace(name, lines, jobs, [*self.notes, *changed, *_left_out(name, unfit)])

    def _table(self, text: str, name: str) -> Rows:
        header, rows = csv_rows(text, name, "trace")
        assert self.job is not None
        make = self.job
        for line, fields in rows:
            row = dict(zip(header, fields, strict=False))
            missing = [column for column in self.columns if column not in row]
            if missing:
                raise InputError(f"{name}, line {line}, field '{missing[0]}'", "nothing", "a value")
            yield line, lambda row=row: make(row)  # type: ignore[misc]


def _check(job: Job) -> None:
    """Refuse a job that holds nothing, or for no time."""
    if job.gpus < 1:
        raise Unfit("a job without GPUs")
    if not job.duration > 0.0:
        raise Unfit(f"a job that ran for {job.duration:g} s")


def _left_out(name: str, unfit: Mapping[str, Sequence[int]]) -> list[str]:
    return [
        f"{name}: {counted(len(lines), 'row')} {'is' if len(lines) == 1 else 'are'} left out, the first in line "
        f"{lines[0]}: {reason}"
        for reason, lines in unfit.items()
    ]


def _name(name: str, line: int, counts: Mapping[str, int]) -> str:
    if not name:
        return f"job-{line}"
    return name if counts[name] == 1 else f"{name}@{line}"


def _trace(name: str, lines: list[int], jobs: list[Job], notes: list[str]) -> Trace:
    """Return a trace whose first submission is at 0, with names that are each unique."""
    counts = Counter(job.name for job in jobs)
    counts[""] = 0
    names = [_name(job.name, line, counts) for job, line in zip(jobs, lines, strict=True)]
    twice = sum(count for count in counts.values() if count > 1)
    if twice:
        notes.append(f"{name}: {twice:,} rows share a name with others, and are called NAME@LINE")
    columns: dict[str, list[Any]] = {
        "name": names,
        "submit_s": [job.submit for job in jobs],
        "duration_s": [job.duration for job in jobs],
        "gpus": [job.gpus for job in jobs],
    }
    for key in dict.fromkeys(key for job in jobs for key in job.more):
        columns[key] = [job.more.get(key, "") for job in jobs]
    trace = build(name, lines, columns)
    first = float(np.min(trace.submit))
    if 0.0 <= first <= NEAR:
        return replace(trace, notes=tuple(notes))
    notes.append(f"{name}: the first submission is at {first:.15g} s, and times of results count from there")
    deadlines = trace.numbers.get("deadline_s")
    numbers = trace.numbers if deadlines is None else {**trace.numbers, "deadline_s": deadlines - first}
    return replace(trace, submit=trace.submit - first, numbers=numbers, notes=tuple(notes))


def real(row: Mapping[str, str], column: str) -> float:
    """Return a number of a row.

    Raises
    ------
    InputError
        With the column as its place, if it is none.

    Examples
    --------
    >>> real({"duration": "66.0"}, "duration")
    66.0
    """
    number = as_real(row[column])
    if number is None:
        raise InputError(column, f"'{shortened(row[column], 60)}'", "a number")
    return number


def whole(row: Mapping[str, str], column: str) -> int:
    """Return a whole number of a row; errors are those of `real`."""
    number = as_whole(row[column])
    if number is None:
        raise InputError(column, f"'{shortened(row[column], 60)}'", "a whole number")
    return number


def time(row: Mapping[str, str], column: str) -> float:
    """Return a time of a row, a number or a date [s since 1970]; a date without a zone counts as UTC.

    Examples
    --------
    >>> [time({"at": text}, "at") for text in ("1970-01-02 00:00:10", "1970-01-01 08:00:05+08:00", "7")]
    [86410.0, 5.0, 7.0]
    """
    text = row[column].strip()
    number = as_real(text)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(_ZONE.sub(r"\1:\2", text.replace("T", " ").replace("/", "-")))
    except ValueError:
        raise InputError(column, f"'{shortened(text, 60)}'", "a date such as 2017-10-07 01:11:39, or seconds") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def kept(row: Mapping[str, str], **columns: str) -> dict[str, str]:
    """Return columns of a row under simcore's names, those that are there and say something.

    Examples
    --------
    >>> kept({"state": "FAILED", "vc": ""}, status="state", vc="vc", user="user")
    {'status': 'FAILED', 'vc': ''}
    """
    return {own: row[theirs] for own, theirs in columns.items() if theirs in row}

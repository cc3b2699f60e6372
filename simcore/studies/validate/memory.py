"""The model of memory against measured rows: ``simcore validate --memory``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from simcore.readers.memory_files import MemoryRow, read_memory
from simcore.report import Block, Headline, Sentences, grid
from simcore.results import Provenance, Result, Table, versions
from simcore.studies.validate.errors import relative
from simcore.studies.validate.request import ValidateRequest


@dataclass(frozen=True)
class PeakErrors:
    """How far predictions of one source are off.

    Attributes
    ----------
    source : str
        Where the rows come from.
    rows : int
        Measured rows.
    expressed : int
        Rows that the model can express, which the errors are of.
    mape, median, p90 : float or None
        Mean, median and 90th percentile of the absolute relative error; None where no row is expressed.
    bias : float or None
        Mean relative error: above 0 where the model says too much.
    """

    source: str
    rows: int
    expressed: int
    mape: float | None
    median: float | None
    p90: float | None
    bias: float | None


def peak_errors(source: str, rows: int, off: Sequence[float]) -> PeakErrors:
    """Return how far off predictions are, from their relative errors.

    Examples
    --------
    >>> peak_errors("mine", 3, [0.25, -0.75])
    PeakErrors(source='mine', rows=3, expressed=2, mape=0.5, median=0.5, p90=0.75, bias=-0.25)
    """
    return PeakErrors(source, rows, len(off), *relative(off))


@dataclass(frozen=True)
class Fitting:
    """Whether runs of one source fit into memory, beside what the model says.

    Attributes
    ----------
    source : str
        Where the rows come from.
    ran_out, said_so : int
        Expressed rows that ran out of memory, and those of them of which the model says so.
    ran, said_they_would : int
        Expressed rows that ran on a device of known memory, and those of them of which the model says so.
    """

    source: str
    ran_out: int
    said_so: int
    ran: int
    said_they_would: int


@dataclass(frozen=True)
class Row:
    """One measured row.

    Attributes
    ----------
    source, name : str
        Where it comes from, and what was run.
    measured, predicted : float or None
        Peak [B]; None where it is not known.
    reason : str
        Why the model cannot express it; empty where it can.
    """

    source: str
    name: str
    measured: float | None
    predicted: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MemoryValidation(Result):
    """The model of memory against measured rows.

    Attributes
    ----------
    name : str
        The file.
    peaks : tuple of PeakErrors
        Of the peak, by source.
    states : tuple of PeakErrors
        Of what is held between iterations, by source; empty where that was not measured.
    fitting : tuple of Fitting
        Of rows that ran out of memory, by source.
    unexpressed : mapping of (str, str) to int
        Rows by source and by the reason why they are not expressed.
    rows : tuple of Row
        The measured rows.
    """

    stem = "validate"

    name: str
    peaks: tuple[PeakErrors, ...]
    states: tuple[PeakErrors, ...]
    fitting: tuple[Fitting, ...]
    unexpressed: Mapping[tuple[str, str], int]
    rows: tuple[Row, ...]

    def tables(self) -> Mapping[str, Table]:
        """Return the errors of each source, the reasons, and every row with what the model says."""
        reasons = [(source, reason, count) for (source, reason), count in self.unexpressed.items()]
        return {
            "sources": Table([one.name for one in fields(PeakErrors)], [astuple(one) for one in self.peaks]),
            "unexpressed": Table(["source", "reason", "rows"], reasons),
            "rows": Table(
                [one.name for one in fields(Row)],
                [astuple(one) for one in self.rows],
                {"measured": "B", "predicted": "B"},
            ),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON; errors are fractions."""
        return {
            "sources": [asdict(one) for one in self.peaks],
            "state": [asdict(one) for one in self.states],
            "out_of_memory": [asdict(one) for one in self.fitting],
            "unexpressed": [
                {"source": source, "reason": reason, "rows": rows}
                for (source, reason), rows in self.unexpressed.items()
            ],
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return what the numbers mean."""
        return [
            "Errors are relative to what was measured; the bias is above 0 where the model says too much.",
            "What rows do not give is assumed or inferred; the documentation of this command lists it.",
        ]

    def report(self) -> Sequence[Block]:
        """Return the errors of each source, and why rows are not expressed."""
        rows, expressed = (sum(getattr(one, name) for one in self.peaks) for name in ("rows", "expressed"))
        blocks: list[Block] = [
            Headline(
                f"{self.name}: {expressed:,} of {rows:,} measured rows expressed",
                "peak of one GPU's memory\nmodel, batch, sequence, precision and layout are those of each row; what "
                "a row does not say is its software's usual",
            ),
            _errors(self.peaks),
        ]
        if self.states:
            blocks += [Headline("held between iterations", "weights, gradients, optimizer, workspace"),
                       _errors(self.states)]  # fmt: skip
        if self.fitting:
            told = [
                (one.source, f"{one.said_so:,} of {one.ran_out:,}", f"{one.said_they_would:,} of {one.ran:,}")
                for one in self.fitting
            ]
            blocks.append(grid("source", "out of memory, said so", "ran, said so", rows=told))
        if self.unexpressed:
            reasons = [(source, reason, f"{count:,}") for (source, reason), count in self.unexpressed.items()]
            blocks.append(grid("source", "not expressed because", "rows", left=(0, 1), rows=reasons))
        return [*blocks, Sentences("", self.sentences())]


def _errors(each: Sequence[PeakErrors]) -> Block:
    rows = [
        (one.source, f"{one.rows:,}", f"{one.expressed:,}", *map(_share, (one.mape, one.median, one.p90, one.bias)))
        for one in each
    ]
    return grid("source", "rows", "expressed", "MAPE", "median", "P90", "bias", rows=rows)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def validate_memory(
    request: ValidateRequest, path: str | Path, choose: Callable[[Sequence[str]], list[str]]
) -> MemoryValidation:
    """Hold the model of memory against measured rows.

    Parameters
    ----------
    request : ValidateRequest
        What was asked for.
    path : str or Path
        The file.
    choose : callable
        Given the sources of a file, returns those that are wanted.

    Raises
    ------
    InputError
        If the file is none of measured memory, naming the column that it lacks.
    """
    started = time.process_time()
    read = read_memory(path)
    sources = choose([row.source for row in read.rows])
    of = {source: [row for row in read.rows if row.source == source] for source in sources}
    wanted = [row for row in read.rows if row.source in of]
    return MemoryValidation(
        name=Path(path).name,
        peaks=tuple(_peaks(source, rows) for source, rows in of.items() if any(row.peak for row in rows)),
        states=tuple(_states(source, rows) for source, rows in of.items() if any(row.state for row in rows)),
        fitting=tuple(_fitting(source, rows) for source, rows in of.items() if any(row.ran_out for row in rows)),
        unexpressed=_reasons(wanted),
        rows=tuple(Row(row.source, row.name, row.peak, row.predicted, row.reason) for row in wanted),
        warnings=read.warnings,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved().inputs(),
            sha256={"memory": read.sha256},
            versions=versions(),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _peaks(source: str, rows: Sequence[MemoryRow]) -> PeakErrors:
    measured = [row for row in rows if not row.ran_out]
    off = [row.predicted / row.peak - 1 for row in measured if row.predicted is not None and row.peak]
    return peak_errors(source, len(measured), off)


def _states(source: str, rows: Sequence[MemoryRow]) -> PeakErrors:
    off = [row.predicted_state / row.state - 1 for row in rows if row.predicted_state is not None and row.state]
    return peak_errors(source, len(rows), off)


def _fitting(source: str, rows: Sequence[MemoryRow]) -> Fitting:
    """Return which rows fit; a row whose device's memory is not known is left out."""
    known = [(row.ran_out, row.predicted <= row.capacity) for row in rows if row.predicted and row.capacity]
    out, ran = ([fits for ran_out, fits in known if ran_out is kind] for kind in (True, False))
    return Fitting(source, len(out), len(out) - sum(out), len(ran), sum(ran))


def _reasons(rows: Sequence[MemoryRow]) -> dict[tuple[str, str], int]:
    return dict(Counter((row.source, row.reason) for row in rows if row.reason).most_common())

"""What was found when a model was held against measurements."""

from __future__ import annotations

import math
import statistics
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simcore.results import Result


@dataclass(frozen=True)
class Errors:
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


def errors_of(source: str, rows: int, off: Sequence[float]) -> Errors:
    """Return how far off predictions are, from their relative errors.

    Examples
    --------
    >>> errors_of("mine", 3, [0.25, -0.75])
    Errors(source='mine', rows=3, expressed=2, mape=0.5, median=0.5, p90=0.75, bias=-0.25)
    """
    if not off:
        return Errors(source, rows, 0, None, None, None, None)
    ranked = sorted(map(abs, off))
    p90 = ranked[math.ceil(0.9 * len(ranked)) - 1]
    return Errors(
        source, rows, len(off), statistics.fmean(ranked), statistics.median(ranked), p90, statistics.fmean(off)
    )


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
class ValidateOutcome(Result, ABC):
    """The model of memory against measured rows.

    Attributes
    ----------
    name : str
        The file.
    peaks : tuple of Errors
        Of the peak, by source.
    states : tuple of Errors
        Of what is held between iterations, by source; empty where that was not measured.
    fitting : tuple of Fitting
        Of rows that ran out of memory, by source.
    unexpressed : mapping of (str, str) to int
        Rows by source and by the reason why they are not expressed.
    rows : tuple of Row
        The measured rows.
    """

    name: str
    peaks: tuple[Errors, ...]
    states: tuple[Errors, ...]
    fitting: tuple[Fitting, ...]
    unexpressed: Mapping[tuple[str, str], int]
    rows: tuple[Row, ...]

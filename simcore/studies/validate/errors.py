"""How far predictions lie from measurements: statistics of rows that belong together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simcore.studies.validate.rows import Held

Group = tuple[str, str, str, str]
"""Source, device, precision and kind, as their columns have them."""


@dataclass(frozen=True)
class Errors:
    """How far predictions are off; errors are those of rows that were not fitted where there are any.

    Attributes
    ----------
    rows, expressed, fitted : int
        All rows; those with a prediction and a measurement; those of them that constants were fitted to.
    mape, median, p90 : float or None
        Mean, median and 90th percentile of |predicted / measured - 1|; None where no row is expressed.
    bias : float or None
        Mean of predicted / measured - 1: above 0 where the model says too much.
    noise : float or None
        How far measurements of equal rows lie apart, see `simcore.studies.validate.noise`; None where none is repeated.
    covered_90 : float or None
        Share of expressed rows that were not fitted whose measurement lies in its interval; None without intervals.
    """

    rows: int
    expressed: int
    fitted: int
    mape: float | None
    median: float | None
    p90: float | None
    bias: float | None
    noise: float | None
    covered_90: float | None

    @property
    def of_fitted(self) -> bool:
        """Whether the errors are those of rows that constants were fitted to, since there are no others."""
        return 0 < self.expressed == self.fitted


def relative(off: Sequence[float]) -> tuple[float | None, float | None, float | None, float | None]:
    """Return mean, median and 90th percentile of absolute relative errors, and the mean of the errors.

    The 90th percentile is the smallest error that nine of ten do not exceed.

    Examples
    --------
    >>> relative([0.25, -0.75])
    (0.5, 0.5, 0.75, -0.25)
    >>> relative([])
    (None, None, None, None)
    """
    if not off:
        return None, None, None, None
    ranked = sorted(map(abs, off))
    p90 = ranked[math.ceil(0.9 * len(ranked)) - 1]
    return statistics.fmean(ranked), statistics.median(ranked), p90, statistics.fmean(off)


def error(row: Held) -> float | None:
    """Return predicted / measured - 1; None for a row that lacks one of them.

    Examples
    --------
    >>> error(Held("1", "mine", "h100", "bf16", "pretrain", measured=2.0, predicted=2.5))
    0.25
    """
    if row.predicted is None or row.measured is None or row.measured <= 0:
        return None
    return row.predicted / row.measured - 1


def unexpressed(row: Held) -> str:
    """Return why a row has no error; an empty text for one that has.

    Examples
    --------
    >>> unexpressed(Held("1", "mine", "h100", "bf16", "OOM", measured=None, predicted=2.5))
    'nothing was measured'
    """
    if error(row) is not None:
        return ""
    return row.why_not or ("nothing is predicted" if row.predicted is None else "nothing was measured")


def judged(rows: Iterable[Held]) -> list[Held]:
    """Return the rows that errors are taken of: those that were not fitted, or all where all were.

    Examples
    --------
    >>> from dataclasses import replace
    >>> mine = Held("1", "mine", "h100", "bf16", "pretrain", measured=2.0, predicted=2.5, fitted=True)
    >>> unseen = replace(mine, row_id="2", fitted=False)
    >>> [row.row_id for row in judged([mine])], [row.row_id for row in judged([mine, unseen])]
    (['1'], ['2'])
    """
    expressed = [row for row in rows if error(row) is not None]
    return [row for row in expressed if not row.fitted] or expressed


def covered(rows: Iterable[Held]) -> float | None:
    """Return the share of measurements that lie in their intervals, of rows that were not fitted.

    Examples
    --------
    >>> from dataclasses import replace
    >>> row = Held("1", "mine", "h100", "bf16", "pretrain", measured=2.0, predicted=2.5, low=2.0, high=3.0)
    >>> covered([row, replace(row, low=2.2)]), covered([replace(row, fitted=True)])
    (0.5, None)
    """
    inside = [
        row.low <= row.measured <= row.high
        for row in rows
        if error(row) is not None and not row.fitted
        and row.measured is not None and row.low is not None and row.high is not None
    ]  # fmt: skip
    return statistics.fmean(inside) if inside else None


def errors_of(rows: Sequence[Held], noise: float | None = None) -> Errors:
    """Return how far predictions of some rows are off.

    Examples
    --------
    >>> from dataclasses import replace
    >>> row = Held("1", "mine", "h100", "bf16", "pretrain", measured=2.0, predicted=2.5)
    >>> found = errors_of([row, replace(row, measured=None)], noise=0.05)
    >>> found.rows, found.expressed, found.mape, found.bias, found.noise
    (2, 1, 0.25, 0.25, 0.05)
    """
    expressed = [row for row in rows if error(row) is not None]
    off = [value for row in judged(rows) if (value := error(row)) is not None]
    fitted = sum(row.fitted for row in expressed)
    return Errors(len(rows), len(expressed), fitted, *relative(off), noise, covered(rows))


def group_of(row: Held) -> Group:
    """Return what a row is grouped by."""
    return row.source, row.device, row.precision, row.kind

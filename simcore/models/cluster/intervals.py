"""How sure a mean over seeds is: Student's interval of a mean, and of the difference of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over runs that differ by their seed alone, with its confidence interval.

    Attributes
    ----------
    mean : float
        Of the runs.
    low, high : float or None
        Ends of the interval at `CONFIDENCE`; None for a single run, which says nothing of its spread.
    deviation : float or None
        Standard deviation of the runs; None for a single one.
    runs : int
        How many.
    """

    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    runs: int

    @property
    def half(self) -> float | None:
        """Half the width of the interval; None for a single run."""
        return None if self.high is None else self.high - self.mean


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of runs and its interval, ``mean +- t s / sqrt(n)`` with Student's t of n - 1 degrees of freedom.

    Student, Biometrika 6 (1908); the runs are independent, since each has a seed of its own.

    Parameters
    ----------
    values : sequence of float, length n
        A metric of each run.

    Examples
    --------
    >>> interval = mean_interval([1.0, 2.0, 3.0])
    >>> interval.mean, round(interval.half, 4)
    (2.0, 2.4841)
    >>> mean_interval([5.0]).half is None
    True
    """
    runs = np.asarray(values, dtype=np.float64)
    mean = float(runs.mean())
    if len(runs) < 2:
        return Interval(mean, None, None, None, len(runs))
    from scipy.special import stdtrit

    deviation = float(runs.std(ddof=1))
    half = float(stdtrit(len(runs) - 1, 0.5 + CONFIDENCE / 2)) * deviation / math.sqrt(len(runs))
    return Interval(mean, mean - half, mean + half, deviation, len(runs))


def difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return how much larger the second metric is, run by run: both come from the same seeds, so that pairs compare.

    Examples
    --------
    >>> difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).low
    1.0
    """
    return mean_interval([after - before for before, after in zip(first, second, strict=True)])


def within_noise(interval: Interval) -> bool | None:
    """Tell whether a difference may as well be none: its interval holds 0. None where there is no interval.

    Examples
    --------
    >>> within_noise(difference([1.0, 2.0, 3.0], [1.1, 1.9, 3.2])), within_noise(mean_interval([1.0]))
    (True, None)
    """
    return None if interval.low is None or interval.high is None else interval.low <= 0.0 <= interval.high

"""Break-even: from which sparsity a sparse kernel is faster than the dense product, and where the two are a tie.

A kernel's time and the dense product's each have an expected error e: of a prediction what its fit likely misses, of a
measurement its spread. Their difference is a tie where ``|dense / t - 1| <= sqrt(e_t^2 + e_dense^2)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Timing:
    """A time and by how much it is likely off.

    Attributes
    ----------
    seconds : float
        The time [s].
    error : float
        Relative; 0 where nothing is known of it.
    """

    seconds: float
    error: float = 0.0

    def plus(self, other: Timing) -> Timing:
        """Return the sum of two times, whose error is theirs, weighted by time.

        Examples
        --------
        >>> Timing(3.0, 0.25).plus(Timing(1.0, 0.75))
        Timing(seconds=4.0, error=0.375)
        """
        total = self.seconds + other.seconds
        return Timing(total, (self.seconds * self.error + other.seconds * other.error) / total if total else 0.0)


def tied(one: Timing, other: Timing) -> bool:
    """Tell whether the difference of two times lies within their expected errors.

    Examples
    --------
    >>> tied(Timing(1.0, 0.03), Timing(1.04, 0.04)), tied(Timing(1.0), Timing(1.04, 0.03))
    (True, False)
    """
    return abs(other.seconds / one.seconds - 1) <= math.hypot(one.error, other.error)


@dataclass(frozen=True)
class Trial:
    """One kernel at one sparsity, beside the dense product.

    Attributes
    ----------
    candidate, kernel : str
        The family, such as ``pit``, and the kernel of it.
    sparsity : float
        Share of the blocks that are zero.
    product, conversion : Timing
        To multiply, and to build the index or to convert the matrix first.
    dense : Timing
        The dense product.
    """

    candidate: str
    kernel: str
    sparsity: float
    product: Timing
    conversion: Timing
    dense: Timing

    def time(self, *, converted: bool) -> Timing:
        """Return the time to multiply, with the conversion or without it."""
        return self.product.plus(self.conversion) if converted else self.product

    def gain(self, *, converted: bool) -> float:
        """Return the dense product's time over this kernel's, minus 1: above 0 the kernel is faster."""
        return self.dense.seconds / self.time(converted=converted).seconds - 1

    def margin(self, *, converted: bool) -> float:
        """Return the gain up to which the two are a tie."""
        return math.hypot(self.time(converted=converted).error, self.dense.error)

    def verdict(self, *, converted: bool) -> str:
        """Return ``faster``, ``slower`` or ``tie``.

        Examples
        --------
        >>> one = Trial("csr", "csr", 0.9, Timing(1.0, 0.03), Timing(0.5), Timing(1.04, 0.04))
        >>> one.verdict(converted=False), one.verdict(converted=True)
        ('tie', 'slower')
        """
        if tied(self.time(converted=converted), self.dense):
            return "tie"
        return "faster" if self.gain(converted=converted) > 0 else "slower"


@dataclass(frozen=True)
class Edge:
    """Where a family of kernels begins to pay; each None where that is beyond the highest sparsity looked at.

    Attributes
    ----------
    candidate : str
        The family.
    converted : bool
        Whether the conversion is in the time.
    lowest, highest : float
        The lowest and the highest sparsity at which the family has a time.
    tie_from, break_even, pays_from : float or None
        From where it is no longer slower than dense by more than the expected error, from where it is as fast as dense,
        and from where it is faster by more than that. A tie lies between the first and the last.
    """

    candidate: str
    converted: bool
    lowest: float
    highest: float
    tie_from: float | None
    break_even: float | None
    pays_from: float | None


def crossing(line: Iterable[tuple[float, float]]) -> float | None:
    """Return where a line of (sparsity, value) rises above 0 for the last time, interpolated between its points.

    Returns
    -------
    float or None
        The first sparsity where all values are 0 or above, None where the last one is below.

    Examples
    --------
    >>> crossing([(0.5, -0.5), (0.9, -0.25), (0.95, 0.25)]), crossing([(0.5, 1.0)]), crossing([(0.5, -1.0)])
    (0.925, 0.5, None)
    """
    points = sorted(line)
    if points[-1][1] < 0:
        return None
    edge = points[0][0]
    for (low, below), (high, above) in pairwise(points):
        if below < 0 <= above:
            edge = low + (high - low) * -below / (above - below)
    return edge


def fastest(trials: Sequence[Trial], *, converted: bool) -> list[Trial]:
    """Return the fastest kernel of each family at each sparsity."""
    best: dict[tuple[str, float], Trial] = {}
    for one in trials:
        key = one.candidate, one.sparsity
        time = one.time(converted=converted).seconds
        if key not in best or time < best[key].time(converted=converted).seconds:
            best[key] = one
    return list(best.values())


def edges(trials: Sequence[Trial]) -> list[Edge]:
    """Return where each family begins to pay, with its conversion and without it."""
    found = []
    for candidate in dict.fromkeys(one.candidate for one in trials):
        for converted in (True, False):
            best = [one for one in fastest(trials, converted=converted) if one.candidate == candidate]
            lines = {
                sign: [
                    (one.sparsity, one.gain(converted=converted) + sign * one.margin(converted=converted))
                    for one in best
                ]
                for sign in (1, 0, -1)
            }
            timed = [one.sparsity for one in best]
            begins = (crossing(lines[sign]) for sign in (1, 0, -1))
            found.append(Edge(candidate, converted, min(timed), max(timed), *begins))
    return found

r"""What is known from below of :math:`\kappa T^*(\kappa)`, time x cost at each network cost :math:`\kappa`.

:math:`T^*(\kappa) = \min \{T(b) : C(b) = \kappa\}` is convex, as the value of a convex program in its right-hand side.
A Lagrangian bound at one cost, with price :math:`\mu` on the cost, is a line below :math:`T^*` at every cost. The
greatest of all lines found, times :math:`\kappa`, bounds the product from below on the whole range: it is a quadratic
between two kinks, so its least value is known exactly. Unlike the bound of `geometric` it holds for any limits, but
where the product is flat over decades of cost it takes thousands of lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import ROUNDING

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """``T*(kappa) >= intercept + slope kappa`` for every cost kappa [$].

    Attributes
    ----------
    intercept : float
        At cost 0 [s].
    slope : float
        Seconds per dollar.
    """

    intercept: float
    slope: float


class Envelope:
    """What is known of ``kappa T*(kappa)`` from below, between two costs.

    Parameters
    ----------
    low, high : float
        Range of costs [$].

    Attributes
    ----------
    lines : list of Line
        Below ``T*``; only those that are somewhere greatest.
    products : list of Line
        Below ``kappa T*`` itself: ``intercept + slope kappa`` [s $].
    """

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.lines: list[Line] = []
        self.products: list[Line] = []

    def add(self, line: Line, product: Line | None = None) -> None:
        """Add a line below ``T*`` and, where there is one, a line below ``kappa T*``."""
        self.lines = _greatest([*self.lines, line])
        if product is not None:
            self.products = _greatest([*self.products, product])

    def within(self, low: float, high: float) -> Envelope:
        """Return what is known between two other costs."""
        part = Envelope(low, high)
        part.lines, part.products = self.lines, self.products
        return part

    def least_product(self) -> tuple[float, float]:
        """Return the least of the bounds on ``kappa T*`` over the range, rounded down, and its kappa.

        On each piece the bound is the greater of a quadratic and a line: its least value lies at an end, at the vertex
        where the quadratic is convex, or where the two cross.
        """
        q, p, kinks = _arrays(self.lines)
        with np.errstate(over="ignore"):  # the vertex of a line that is nearly flat lies beyond every range
            costs = [kinks, -q[p > 0] / (2 * p[p > 0]), np.array([self.low, self.high])]
        if self.products:
            a, t, bends = _arrays(self.products)
            costs.append(bends)
            breaks = np.sort(np.concatenate([kinks, bends]))
            inside = np.concatenate([breaks[:1] - 1, (breaks[:-1] + breaks[1:]) / 2, breaks[-1:] + 1, [self.low]])
            i, j = np.searchsorted(kinks, inside), np.searchsorted(bends, inside)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                half = (q[i] - t[j]) / 2
                root = np.sqrt(half**2 + p[i] * a[j])
                costs += [(root - half) / p[i], (-root - half) / p[i], a[j] / (2 * half)]
        found = np.concatenate(costs)
        found = found[(found >= self.low) & (found <= self.high)]
        greatest = np.searchsorted(kinks, found)
        values = found * (q[greatest] + p[greatest] * found - ROUNDING * np.abs(q[greatest]))
        if self.products:
            greatest = np.searchsorted(bends, found)
            values = np.maximum(values, (1 - ROUNDING) * (a[greatest] + t[greatest] * found))
        least = int(np.argmin(values))
        return float(values[least]), float(found[least])


def _greatest(lines: list[Line]) -> list[Line]:
    """Sort lines by slope, and drop those that are nowhere greatest."""
    hull: list[Line] = []
    for one in sorted(lines, key=lambda line: (line.slope, line.intercept)):
        while hull and (
            one.slope == hull[-1].slope or (len(hull) > 1 and _crossing(hull[-2], one) <= _crossing(hull[-2], hull[-1]))
        ):
            hull.pop()
        hull.append(one)
    return hull


def _arrays(lines: list[Line]) -> tuple[Array, Array, Array]:
    """Return intercepts, slopes, and where each line overtakes the one before it."""
    intercepts = np.array([line.intercept for line in lines])
    slopes = np.array([line.slope for line in lines])
    with np.errstate(over="ignore"):  # lines that are all but parallel cross out of range
        return intercepts, slopes, (intercepts[:-1] - intercepts[1:]) / np.diff(slopes)


def _crossing(a: Line, b: Line) -> float:
    """Cost at which line b, of greater slope, overtakes line a."""
    return (a.intercept - b.intercept) / (b.slope - a.slope)

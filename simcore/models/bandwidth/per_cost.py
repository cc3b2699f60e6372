r"""The least iteration time x network cost: a scan over the cost with the convex problem inside.

:math:`T(b) C(b)` is not convex, but :math:`T^*(\kappa) = \min \{T(b) : C(b) = \kappa\}` is, as the value of a convex
program in its right-hand side. A Lagrangian bound of that program at one cost, with price :math:`\mu` on the cost, is
a line below :math:`T^*` at every cost. The greatest of all lines found, times :math:`\kappa`, bounds
:math:`\kappa T^*(\kappa)` from below on the whole range: it is a quadratic between two kinks, so its least value is
known exactly. Where the budget may be left in part the product is flat over decades of cost, which would take
thousands of lines; there two bounds help, :math:`\kappa T^*(\kappa) \ge t_0 \kappa + (\sum_i \sqrt{a_i c_i})^2`
and, for all costs at once, the one of `geometric`. The search solves the inner problem where
the bound is least, until it meets the best split found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.certificate import ROUNDING, lower_bound
from simcore.models.bandwidth.geometric import product_bound
from simcore.models.bandwidth.perf import Optimum, converged, least_time, search, starting_point
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.training import StepModel

Array = NDArray[np.float64]

#: Relative gap that the search aims for, and the largest it may end with.
AIM, ACCEPTED = 1e-9, 1e-6
#: Relative gap of the convex problem at the cost that was found.
POLISH = 1e-9
#: Linear programs in all, and without a gain in the gap, before the search gives up.
_PROGRAMS, _PATIENCE = 450, 120


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


def least_time_cost(model: StepModel, region: Region, prices: Array, aim: float = AIM) -> Optimum:
    """Find the split of least iteration time x network cost.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        Admissible splits.
    prices : ndarray, shape (D,)
        Network cost per bandwidth [$ per B/s].
    aim : float
        Relative gap to reach.

    Returns
    -------
    Optimum
        With a relative gap of at most `ACCEPTED`. Its bound is that of the least time at its cost, the last row.

    Raises
    ------
    RunError
        If the search does not converge.
    """
    relaxation = Relaxation(model, region)
    (cheapest, low), (dearest, high) = region.least(prices), region.least(-prices)
    high = -high
    if high - low <= 1e-9 * high:  # every split costs the same
        fastest = least_time(model, region, aim / 2, relaxation)
        cost = float(prices @ fastest.bandwidths)
        bound = replace(fastest.bound, rows=np.append(fastest.bound.rows, 0.0))
        lower = min(low, cost) * fastest.lower_bound
        return Optimum(fastest.bandwidths, cost * fastest.objective, lower, bound, fastest.programs)
    # the ends are no place for the solver, which would have to meet the cost to the last digit: they are tried as such
    margin = 1e-9 * (high - low)
    tried = [(float(model.time(b)) * float(prices @ b), b) for b in (cheapest, dearest) if region.violation(b) < 1e-12]
    least, best = min(tried, key=lambda one: one[0], default=(np.inf, starting_point(region)))
    envelope, scale = Envelope(low, high), starting_point(region)
    cost, value, since, whole = float(prices @ scale), -np.inf, 0, -np.inf
    while relaxation.solved < _PROGRAMS and since < _PATIENCE and not converged(least, value, aim):
        cost = min(max(cost, low + margin), high - margin)
        inner = region.with_row(prices, cost, equal=True)
        solution = relaxation.solve(inner, scale)
        if solution is None:
            raise RunError(f"the solver calls the bandwidth problem infeasible at a network cost of ${cost:,.2f}")
        b, weights = solution
        bound = lower_bound(model, inner, weights)
        slope = -float(bound.rows[-1])
        # whatever the budget and the limits, sum a_i / b_i >= (sum sqrt(a_i c_i))**2 / kappa, by Cauchy and Schwarz
        scale_free = Line(float(np.sqrt(bound.volumes * prices).sum() ** 2), bound.fixed)
        envelope.add(Line(bound.value - slope * cost, slope), scale_free)
        scale, gap = inner.repair(b), least - value
        product, tight = product_bound(bound, region, prices, scale)
        whole = max(whole, product)
        for candidate in (region.repair(b), region.repair(bound.point), region.repair(tight)):
            relaxation.add(candidate)
            product = float(model.time(candidate)) * float(prices @ candidate)
            if product < least and region.violation(candidate) < 1e-12:
                best, least = candidate, product
        value, cost = envelope.least_product()
        value = max(value, whole)
        since = since + 1 if least - value > 0.999 * gap else 0
    if not converged(least, value, max(aim, ACCEPTED)):
        spent = f"{relaxation.solved} linear programs"
        raise RunError(f"the search for the best bandwidth split did not converge in {spent}")
    cost = min(max(float(prices @ best), low + margin), high - margin)
    inner = region.with_row(prices, cost, equal=True)
    polished = search(model, inner, POLISH, relaxation, best)
    if polished is not None:
        bound = polished.bound
        product = polished.objective * float(prices @ polished.bandwidths)
        if product < least:
            best, least = polished.bandwidths, product
    return Optimum(best, least, min(value, least), bound, relaxation.solved)

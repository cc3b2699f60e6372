r"""Lower bounds on time x cost: one for all splits at once, and an envelope of lines over the network cost.

The first holds where the limits allow it: the product is convex in log b.

For the weights of any Lagrangian bound, :math:`T(b) \ge P(b) = t_0 + \sum_i a_i / b_i` for every b. A row of the region
either stays a row or goes into the cost: with :math:`\theta_m` of the row's own sign,

.. math:: C(b) \ge C(b) + \sum_m \theta_m (A_m b - d_m) \ge Q(b) = q_0 + \sum_i q_i b_i,

where a coefficient below 0 is replaced by 0 and its term by the value at the upper bound. So a budget that must be
spent is a budget that may be left, once every bandwidth is priced over the one that takes what is left. Where
:math:`q_0 \ge 0`, P and Q are sums of monomials with coefficients of at least 0, and with :math:`y = \log b`

.. math:: L(y) = \log P + \log Q + \sum_m \lambda_m (f_m / g_m - 1), \quad \lambda_m \ge 0,

is convex for every other row that reads :math:`f_m \le g_m` with a sum of monomials on the left and one monomial on the
right (geometric programming: Boyd, Kim, Vandenberghe and Hassibi, Optimization and Engineering 8, 2007). At any point
its tangent plane, made least over the box of the bounds, is a lower bound on log(T C).

With the duals of min T + mu C as weights and :math:`\theta = \nu / \mu` the bound is tight where mu = T / C: then L has
the split's own conditions of optimality. Every such split is then the best of all, not only of its neighbourhood.

The second holds for any limits. :math:`T^*(\kappa) = \min \{T(b) : C(b) = \kappa\}` is convex, as the value of a convex
program in its right-hand side. A Lagrangian bound at one cost, with price :math:`\mu` on the cost, is a line below
:math:`T^*` at every cost. The greatest of all lines found, times :math:`\kappa`, bounds the product from below on the
whole range. It is a quadratic between two kinks, so its least value is known exactly. Where the product is flat over
decades of cost it takes thousands of lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import ROUNDING, Bound
from simcore.models.bandwidth.region import Region

Array = NDArray[np.float64]

#: Newton steps, and the loss [of log(T C)] at which they end.
_STEPS, _TIGHT = 40, 1e-12
#: Rounding errors of L, by which a step may seem to go up.
_ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class _Product:
    """The product P Q and the rows that bind it, ``sum_i left_mi b_i + constant_m <= right_m``.

    Attributes
    ----------
    fixed : float
        ``t_0`` [s].
    volumes : ndarray, shape (D,)
        ``a_i`` [B].
    base : float
        ``q_0`` [$].
    prices : ndarray, shape (D,)
        ``q_i`` [$ per B/s].
    left : ndarray, shape (M, D)
        Coefficients of at least 0 of the left sides.
    constant : ndarray, shape (M,)
        Constants of at least 0 on the left [B/s].
    right : ndarray, shape (M, D)
        Coefficient on the right, one per row or none.
    aside : ndarray, shape (M,)
        Constant on the right where no bandwidth stands there [B/s].
    weight : ndarray, shape (M,)
        ``lambda`` of each.
    """

    fixed: float
    volumes: Array
    base: float
    prices: Array
    left: Array
    constant: Array
    right: Array
    aside: Array
    weight: Array


def product_bound(bound: Bound, region: Region, prices: Array, start: Array) -> tuple[float, Array]:
    """Return a lower bound on time x cost in a region, and the point where it is tight.

    Parameters
    ----------
    bound : Bound
        Any Lagrangian bound whose rows are those of the region, and one more, the network cost.
    region : Region
        The splits that the bound is to hold for.
    prices : ndarray, shape (D,)
        Network cost per bandwidth [$ per B/s].
    start : ndarray, shape (D,)
        Where the search for the tangent begins [B/s].

    Returns
    -------
    value : float
        No split in the region has a smaller product [s $].
    point : ndarray, shape (D,)
        The minimiser of the convex function below the product [B/s].
    """
    low, high = np.log(region.lower), np.log(region.upper)
    y = np.clip(np.log(start), low, high)
    product = _product(bound, region, prices, np.exp(y))
    if product.fixed + product.volumes.sum() <= 0 or product.base + product.prices.sum() <= 0:
        return 0.0, np.exp(y)
    value, gradient, curvature = _lagrangian(product, y)
    best, where = -np.inf, y
    for _ in range(_STEPS):
        slack = np.minimum(gradient * (low - y), gradient * (high - y)).sum()
        if value + slack > best:
            best, where = value + slack, y
        if slack > -_TIGHT:
            break
        free = ~(((y <= low) & (gradient > 0)) | ((y >= high) & (gradient < 0)))
        step = np.zeros_like(y)
        # a multiple of 1 stands in where scaling all bandwidths leaves the product as it is
        damped = curvature[np.ix_(free, free)] + 1e-13 * np.eye(int(free.sum()))
        step[free] = -np.linalg.lstsq(damped, gradient[free], rcond=None)[0]
        size = 1.0
        while size > 1e-6:
            moved = np.clip(y + np.clip(size * step, -5.0, 5.0), low, high)
            after = _lagrangian(product, moved)
            if after[0] <= value + 1e-4 * float(gradient @ (moved - y)) + _ROUNDING:
                break
            size /= 4
        else:
            break
        y, (value, gradient, curvature) = moved, after
    return float(np.exp(best) * (1 - 2 * ROUNDING)), np.exp(where)


def _product(bound: Bound, region: Region, prices: Array, b: Array) -> _Product:
    """Read the region's rows: sums of monomials stay rows, the others go into the cost where that keeps it positive.

    A row that fits neither way is left out, which is admissible too.
    """
    price, dollar = bound.rows[:-1], float(bound.rows[-1])
    sign = np.where(region.equal & (price < 0), -1.0, 1.0)  # an equality holds either way round
    rows, rhs, price = region.rows * sign[:, None], region.rhs * sign, np.abs(price)
    left, right = np.maximum(rows, 0.0), np.maximum(-rows, 0.0)
    bandwidths = (right > 0).sum(axis=1)
    fits = ((bandwidths == 0) & (rhs > 0)) | ((bandwidths == 1) & (rhs <= 0))
    kept = np.flatnonzero(fits & (price > 0))
    theta = np.where(fits, 0.0, price) / dollar if dollar > 0 else np.zeros_like(price)
    over = prices + theta @ rows
    base = float(np.minimum(over, 0.0) @ region.upper - theta @ rhs)
    if base < 0:
        base, over = 0.0, prices
    constant = np.where(rhs < 0, -rhs, 0.0)
    aside = np.where(rhs > 0, rhs, 0.0)
    time = bound.fixed + float((bound.volumes / b).sum())
    weight = price * (right @ b + aside) / time if time > 0 else price
    return _Product(
        bound.fixed, bound.volumes, base, np.maximum(over, 0.0),
        left[kept], constant[kept], right[kept], aside[kept], weight[kept],
    )  # fmt: skip


def _lagrangian(product: _Product, y: Array) -> tuple[float, Array, Array]:
    """Return L, its gradient and its Hessian at y."""
    b = np.exp(y)
    times, costs = product.volumes / b, product.prices * b
    time, cost = product.fixed + times.sum(), product.base + costs.sum()
    p, q = times / time, costs / cost
    value = float(np.log(time) + np.log(cost))
    gradient = q - p
    curvature = np.diag(p + q) - np.outer(p, p) - np.outer(q, q)
    for left, constant, right, aside, weight in zip(
        product.left, product.constant, product.right, product.aside, product.weight, strict=True
    ):
        below = float(right @ b) + aside
        terms, power = weight * left * b / below, (right > 0).astype(float)
        value += float(terms.sum() + weight * constant / below - weight)
        whole = float(terms.sum() + weight * constant / below)
        gradient = gradient + terms - whole * power
        curvature = curvature + np.diag(terms) - np.outer(terms, power) - np.outer(power, terms)
        curvature += whole * np.outer(power, power)
    return value, gradient, curvature


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
        narrower = Envelope(low, high)
        narrower.lines, narrower.products = self.lines, self.products
        return narrower

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
        candidates = np.concatenate(costs)
        candidates = candidates[(candidates >= self.low) & (candidates <= self.high)]
        greatest = np.searchsorted(kinks, candidates)
        values = candidates * (q[greatest] + p[greatest] * candidates - ROUNDING * np.abs(q[greatest]))
        if self.products:
            greatest = np.searchsorted(bends, candidates)
            values = np.maximum(values, (1 - ROUNDING) * (a[greatest] + t[greatest] * candidates))
        least = int(np.argmin(values))
        return float(values[least]), float(candidates[least])


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

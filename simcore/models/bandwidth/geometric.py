r"""A lower bound on time x cost for all costs at once, where the limits allow it: the product is convex in log b.

For the weights of any Lagrangian bound, :math:`T(b) \ge P(b) = t_0 + \sum_i a_i / b_i` for every b. P and the cost
:math:`C(b) = \sum_i c_i b_i` are sums of monomials with coefficients of at least 0, so that with :math:`y = \log b`

.. math:: L(y) = \log P + \log C + \sum_m \lambda_m (f_m / g_m - 1), \quad \lambda_m \ge 0,

is convex for every row that reads :math:`f_m \le g_m` with a sum of monomials on the left and one monomial on the right
(geometric programming: Boyd, Kim, Vandenberghe and Hassibi, Optimization and Engineering 8, 2007). At any point its
tangent plane, made least over the box of the bounds, is a lower bound on log(T C). The scan over the cost needs a line
every third of a per cent of cost where the product is flat; this bound needs one set of good weights.
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


@dataclass(frozen=True, eq=False)
class _Rows:
    """Limits ``sum_i left_mi b_i + constant_m <= right_m``, the right side one monomial, and their multipliers.

    Attributes
    ----------
    left : ndarray, shape (M, D)
        Coefficients of at least 0 of the left sides.
    constant : ndarray, shape (M,)
        Constants of at least 0 on the left [B/s].
    right : ndarray, shape (M, D)
        Coefficient on the right, one per row or none.
    bound : ndarray, shape (M,)
        Constant on the right where no bandwidth stands there [B/s].
    weight : ndarray, shape (M,)
        ``lambda`` of each.
    """

    left: Array
    constant: Array
    right: Array
    bound: Array
    weight: Array


def product_bound(bound: Bound, region: Region, prices: Array, start: Array) -> tuple[float, Array]:
    """Return a lower bound on time x cost in a region, and the point where it is tight.

    Parameters
    ----------
    bound : Bound
        Volumes of any Lagrangian bound, and prices of the region's rows (further ones are left out).
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
    rows = _rows(bound, region, np.exp(y))
    value, gradient, curvature = _lagrangian(bound, prices, rows, y)
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
            after = _lagrangian(bound, prices, rows, moved)
            if after[0] <= value + 1e-4 * float(gradient @ (moved - y)):
                break
            size /= 4
        else:
            break
        y, (value, gradient, curvature) = moved, after
    return float(np.exp(best) * (1 - 2 * ROUNDING)), np.exp(where)


def _rows(bound: Bound, region: Region, b: Array) -> _Rows:
    """Read the region's rows as sums of monomials; a row that is none gets no weight, which is admissible too."""
    price = bound.rows[: len(region.rows)]
    sign = np.where(region.equal & (price < 0), -1.0, 1.0)  # an equality holds either way round
    rows, rhs, price = region.rows * sign[:, None], region.rhs * sign, np.abs(price)
    left, right = np.maximum(rows, 0.0), np.maximum(-rows, 0.0)
    bandwidths = (right > 0).sum(axis=1)
    fits = ((bandwidths == 0) & (rhs > 0)) | ((bandwidths == 1) & (rhs <= 0))
    kept = np.flatnonzero(fits & (price > 0))
    constant = np.where(rhs < 0, -rhs, 0.0)
    aside = np.where(rhs > 0, rhs, 0.0)
    time = bound.fixed + float((bound.volumes / b).sum())
    weight = price * (right @ b + aside) / time
    return _Rows(left[kept], constant[kept], right[kept], aside[kept], weight[kept])


def _lagrangian(bound: Bound, prices: Array, rows: _Rows, y: Array) -> tuple[float, Array, Array]:
    """Return L, its gradient and its Hessian at y."""
    b = np.exp(y)
    times, costs = bound.volumes / b, prices * b
    time, cost = bound.fixed + times.sum(), costs.sum()
    p, q = times / time, costs / cost
    value = float(np.log(time) + np.log(cost))
    gradient = q - p
    curvature = np.diag(p + q) - np.outer(p, p) - np.outer(q, q)
    for left, constant, right, aside, weight in zip(
        rows.left, rows.constant, rows.right, rows.bound, rows.weight, strict=True
    ):
        below = float(right @ b) + aside
        terms, power = weight * left * b / below, (right > 0).astype(float)
        value += float(terms.sum() + weight * constant / below - weight)
        whole = float(terms.sum() + weight * constant / below)
        gradient = gradient + terms - whole * power
        curvature = curvature + np.diag(terms) - np.outer(terms, power) - np.outer(power, terms)
        curvature += whole * np.outer(power, power)
    return value, gradient, curvature

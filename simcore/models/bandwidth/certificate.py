r"""Lower bounds on the iteration time by Lagrangian duality: any multipliers give one, good multipliers a tight one.

The step model is a sum of maxima. Replacing each maximum by a convex combination of its members never makes it larger,
so for any weights

.. math:: T(b) \ge t_0 + \sum_i a_i / b_i \quad \text{for every } b > 0,

with :math:`a_i \ge 0` the volume that dimension i answers for. For b in the region and multipliers
:math:`\nu_m` (at least 0 on inequalities), :math:`\nu_m (A_m b - d_m) \le 0`, hence

.. math:: T(b) \ge t_0 - \nu d + \sum_i \min_{l_i \le b_i \le u_i} (a_i / b_i + m_i b_i), \quad m = \nu A,

where each minimum has a closed form. Nothing here depends on how the weights were found: a linear program's duals are
good ones, rounding errors in them cost tightness but never validity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.region import Region
from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]

#: Share of the bound's terms that is given away for rounding errors of double precision.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Weights:
    """Multipliers of the lower bound, of any sign and size: `lower_bound` makes them admissible.

    Attributes
    ----------
    branch : ndarray, shape (K, 2)
        Weight of the input- and weight-gradient side of each overlap term.
    share : ndarray, shape (S, D)
        Weight of each dimension in each stream.
    rows : ndarray, shape (M,)
        Price of each row of the region [s per B/s].
    """

    branch: Array
    share: Array
    rows: Array


@dataclass(frozen=True, eq=False)
class Bound:
    """A lower bound on the time of every split in a region, and what it rests on.

    Attributes
    ----------
    value : float
        The bound [s].
    volumes : ndarray, shape (D,)
        ``a_i``, the volume that dimension i answers for [B].
    stream_volumes : ndarray, shape (S, D)
        The same by stream [B].
    fixed : float
        ``t_0``, the time that no bandwidth shortens [s].
    rows : ndarray, shape (M,)
        Admissible prices of the region's rows [s per B/s].
    prices : ndarray, shape (D,)
        ``m_i``, what one B/s in dimension i has to earn [s per B/s].
    point : ndarray, shape (D,)
        The bandwidths that attain the inner minimum [B/s].
    """

    value: float
    volumes: Array
    stream_volumes: Array
    fixed: float
    rows: Array
    prices: Array
    point: Array


def _normalised(weights: Array, allowed: NDArray[np.bool_]) -> Array:
    """Make each row of weights a convex combination over the allowed places."""
    weights = np.where(allowed, np.maximum(weights, 0.0), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    fallback = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    return np.where(total > 0, weights / np.where(total > 0, total, 1.0), fallback)


def lower_bound(model: StepModel, region: Region, weights: Weights) -> Bound:
    """Return the lower bound that some weights prove.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        The splits it is to hold for.
    weights : Weights
        Any weights.

    Returns
    -------
    Bound
        Valid for every b in the region, whatever the weights.
    """
    branch = _normalised(weights.branch, np.ones_like(weights.branch, dtype=bool))
    share = _normalised(weights.share, model.shapes > 0)
    stream = model.blocking.sum(axis=0)
    np.add.at(stream, model.input_stream, model.count * branch[:, 0] * model.input_volume)
    np.add.at(stream, model.weight_stream, model.count * branch[:, 1] * model.weight_volume)
    fixed = model.fixed + float(model.count @ (branch[:, 1] * model.weight_compute))
    by_stream = stream[:, None] * share * model.shapes
    volumes = by_stream.sum(axis=0)
    rows = np.where(region.equal, weights.rows, np.maximum(weights.rows, 0.0))
    prices = rows @ region.rows
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = np.where(prices > 0, np.sqrt(volumes / np.where(prices > 0, prices, 1.0)), np.inf)
    point = np.clip(free, region.lower, region.upper)
    terms = np.concatenate([volumes / point, prices * point, -rows * region.rhs, [fixed]])
    # prices of rows that oppose each other cancel, but their rounding errors do not
    size = np.abs(terms).sum() + (np.abs(rows) @ np.abs(region.rows)) @ point
    value = float(terms.sum() - ROUNDING * size)
    return Bound(value, volumes, by_stream, fixed, rows, prices, point)

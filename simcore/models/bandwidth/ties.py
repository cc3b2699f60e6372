"""The choice among equally good splits: the cheapest, then the one nearest to equal shares.

Where the lower bound gives a dimension a positive volume, every optimum gives it the same bandwidth, because
``a / b + m b`` has one minimiser. Only the other dimensions are free: they are the bottleneck of nothing that counts,
and may take any bandwidth that keeps them so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import Bound
from simcore.models.bandwidth.region import Region
from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]

#: A dimension whose share of the bound's communication is below this is free. Nothing breaks where one is wrongly
#: taken for free: what it needs is respected all the same.
_NEGLIGIBLE = 1e-5


def settle(model: StepModel, region: Region, prices: Array | None, b: Array, bound: Bound) -> tuple[Array, list[int]]:
    """Choose among the splits that are as good as b.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        Admissible splits; with the cost as a row where it must stay what it is.
    prices : ndarray, shape (D,), or None
        Network cost per bandwidth [$ per B/s].
    b : ndarray, shape (D,)
        An optimal split [B/s].
    bound : Bound
        The proof that it is.

    Returns
    -------
    bandwidths : ndarray, shape (D,)
        The chosen split [B/s].
    free : list of int
        Dimensions (from 0) whose bandwidth could be another at the same time; empty where the optimum is unique, and
        where the choice among equals came out slower by its rounding errors, so that b stays.
    """
    load = bound.volumes / b
    free = load <= _NEGLIGIBLE * load.sum()
    lower, upper = np.where(free, region.lower, b), np.where(free, region.upper, b)
    lower = np.maximum(lower, np.where(free, np.minimum(needed(model, b), b), b))
    slack = region.with_bounds(lower, upper)
    if not free.any() or not _can_move(slack, free):
        return b, []
    chosen = b
    if prices is not None:
        chosen = slack.least(prices)[0]
        slack = slack.with_row(prices, float(prices @ chosen), equal=True)
    chosen = _nearest_to_equal(slack, chosen)
    better = model.time(chosen) <= model.time(b) * (1 + 1e-12) and region.violation(chosen) < 1e-12
    return (chosen, [int(i) for i in np.flatnonzero(free)]) if better else (b, [])


def needed(model: StepModel, b: Array) -> Array:
    """Return the least bandwidth of each dimension that leaves the iteration time at b as it is [B/s]."""
    rates = model.rates(b)
    slowest = rates.copy()
    hidden = model.blocking.sum(axis=0) == 0
    input_time, weight_time = (
        model.input_volume * rates[model.input_stream],
        model.weight_compute + model.weight_volume * rates[model.weight_stream],
    )
    hidden[model.input_stream[input_time >= weight_time * (1 - 1e-9)]] = False
    hidden[model.weight_stream[(weight_time >= input_time * (1 - 1e-9)) & (model.weight_volume > 0)]] = False
    for s in np.flatnonzero(hidden):
        behind = [
            input_time[k] - model.weight_compute[k]
            for k in np.flatnonzero((model.weight_stream == s) & (model.weight_volume > 0))
        ]
        volumes = [
            model.weight_volume[k] for k in np.flatnonzero((model.weight_stream == s) & (model.weight_volume > 0))
        ]
        behind += [weight_time[k] for k in np.flatnonzero(model.input_stream == s)]
        volumes += [model.input_volume[k] for k in np.flatnonzero(model.input_stream == s)]
        slowest[s] = min((t / v for t, v in zip(behind, volumes, strict=True)), default=np.inf)
    return np.asarray((model.shapes / slowest[:, None]).max(axis=0, initial=0.0))


def _can_move(region: Region, free: NDArray[np.bool_]) -> bool:
    """Tell whether the equalities leave the free dimensions any freedom."""
    wide = free & (region.upper - region.lower > 1e-9 * region.budget)
    equalities = region.rows[region.equal][:, wide]
    return bool(wide.any()) and int(wide.sum()) > (np.linalg.matrix_rank(equalities) if equalities.size else 0)


def _nearest_to_equal(region: Region, b: Array) -> Array:
    """Project the equal split onto the region, from a point b of it.

    With y along the null space of the equalities, this is a least-distance program: min |y| subject to G y >= h.
    Lawson and Hanson (Solving Least Squares Problems, chapter 23) reduce it to non-negative least squares.
    """
    from scipy.optimize import nnls

    wide = region.upper > region.lower
    scaled = region.rows[:, wide] / np.maximum(np.abs(region.rows).max(axis=1, keepdims=True), 1e-300)
    _, size, directions = np.linalg.svd(np.vstack([scaled[region.equal], np.zeros((1, int(wide.sum())))]))
    null = directions[int((size > 1e-9).sum()) :].T
    if not null.size:
        return b
    towards = null @ (null.T @ (1 / region.dimensions - b[wide] / region.budget))
    loose = region.rows[~region.equal]
    room = (region.rhs - region.rows @ b)[~region.equal] / np.abs(loose).max(axis=1, initial=1e-300)
    ahead = np.vstack([np.eye(int(wide.sum())), -np.eye(int(wide.sum())), -scaled[~region.equal]])
    least = np.concatenate([(region.lower - b)[wide], (b - region.upper)[wide], -room]) / region.budget
    g, h = ahead @ null, least - ahead @ towards
    target = np.append(np.zeros(null.shape[1]), 1.0)
    rest = np.vstack([g.T, h]) @ nnls(np.vstack([g.T, h]), target)[0] - target
    if abs(rest[-1]) < 1e-12:
        return b
    moved = b.copy()
    moved[wide] += region.budget * (towards + null @ (-rest[:-1] / rest[-1]))
    return region.repair(moved)

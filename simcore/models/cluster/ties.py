"""The tie rule: values within 1e-12 relative are equal, so that no decision hangs on rounding noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-12


def descending_ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank positive values from the largest (rank 0); values within 1e-12 relative of their neighbour share a rank.

    Examples
    --------
    >>> descending_ranks(np.array([1.0, 3.0, 3.0 * (1 + 1e-15), 2.0])).tolist()
    [2, 0, 0, 1]
    """
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    drops = ordered[1:] < ordered[:-1] * (1.0 - TOLERANCE)
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.concatenate(([0], np.cumsum(drops))) if len(values) else []
    return ranks


def at_least(value: NDArray[np.float64], bound: float) -> NDArray[np.bool_]:
    """Compare with the tie rule: true where `value` is more than, or equal to, `bound`."""
    return value >= bound * (1.0 - TOLERANCE)


def more_than(value: NDArray[np.float64], bound: float) -> NDArray[np.bool_]:
    """Compare with the tie rule: true where `value` is more than, and not equal to, `bound`."""
    return value > bound * (1.0 + TOLERANCE)

"""Boosted trees on what a formula misses by: each tree takes a step towards the misses that the others left.

All nodes of a level ask the same question, so a tree is a short list of questions and a table of leaves. That is small
to store and quick to read, and many rows speak to each question. Source: oblivious trees as CatBoost (NeurIPS'18) has
them, with the histograms of LightGBM (NeurIPS'17).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.models.compute.correction import UNIT, Tree

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]

BINS = 64
"""Limits that are tried of each feature, one less: its quantiles."""

PRIOR = 3.0
"""Rows that say nothing, added to each leaf, so that a leaf of few rows moves little."""

SHARE = 0.8
"""Share of the rows that each tree sees, drawn with a fixed seed."""


@dataclass(frozen=True)
class Growth:
    """How many trees, of how many levels, and which part of a miss each of them mends."""

    trees: int
    levels: int
    step: float = 0.1


def grow(features: Reals, misses: Reals, growth: Growth) -> tuple[Tree, ...]:
    """Return trees whose leaves add up to the misses.

    Parameters
    ----------
    features : array
        A row per sample, a column per feature.
    misses : array
        Logarithm of measured over predicted seconds, by row.
    growth : Growth
        How many trees of which size.

    Examples
    --------
    >>> sizes = np.arange(200.0).reshape(-1, 1)
    >>> trees = grow(sizes, np.where(sizes[:, 0] < 100, 0.0, 0.2), Growth(60, 1))
    >>> low, high = (sum(tree.leaves[side] for tree in trees) for side in (0, 1))
    >>> abs(low) < 60 and abs(high - 2000) < 60
    True
    """
    limits = [_limits(column) for column in features.T]
    bins = np.stack([np.searchsorted(of, column, "right") for of, column in zip(limits, features.T, strict=True)], 1)
    chance = np.random.default_rng(0)
    left = misses.copy()
    trees = []
    for _ in range(growth.trees):
        chosen = np.flatnonzero(chance.random(len(left)) < SHARE)
        questions = _questions(bins[chosen], left[chosen], [len(of) for of in limits], growth.levels)
        leaf = _leaves(bins, questions)
        total = np.bincount(leaf[chosen], left[chosen], 1 << len(questions))
        count = np.bincount(leaf[chosen], minlength=1 << len(questions))
        values = np.rint(growth.step * total / (count + PRIOR) / UNIT)
        left -= UNIT * values[leaf]
        asked = tuple((feature, float(limits[feature][at])) for feature, at in questions)
        trees.append(Tree(asked, tuple(int(value) for value in values)))
    return tuple(trees)


def added(trees: Sequence[Tree], features: Reals) -> Reals:
    """Return what the leaves of trees add up to for each row of features, in logarithms.

    Examples
    --------
    >>> added([Tree(((0, 2.0),), (0, 1000))], np.array([[1.0], [2.0]])).round(6).tolist()
    [0.0, 0.1]
    """
    total = np.zeros(len(features))
    for tree in trees:
        leaf = np.zeros(len(features), np.int64)
        for feature, limit in tree.questions:
            leaf = 2 * leaf + (features[:, feature] >= limit)
        total += np.asarray(tree.leaves, float)[leaf]
    return total * UNIT


def _limits(column: Reals) -> Reals:
    """Return the limits that are tried of a feature: quantiles of few digits, so that they are short to store."""
    quantiles = np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.unique([float(f"{limit:.5g}") for limit in quantiles])


def _questions(bins: Whole, left: Reals, limits: list[int], levels: int) -> list[tuple[int, int]]:
    """Return for each level the feature and the limit that split its nodes best."""
    node = np.zeros(len(left), np.int64)
    tried = np.arange(BINS) < np.asarray(limits)[:, None]
    questions: list[tuple[int, int]] = []
    for level in range(levels):
        gains = np.where(tried, _gains(node, bins, left, 1 << level), -1.0)
        feature, at = (int(each) for each in np.unravel_index(gains.argmax(), gains.shape))
        questions.append((feature, at))
        node = 2 * node + (bins[:, feature] > at)
    return questions


def _gains(node: Whole, bins: Whole, left: Reals, nodes: int) -> Reals:
    """Return for every feature (rows) and each of its limits how much less is missed if all nodes split there."""
    features = bins.shape[1]
    keys = ((np.arange(features) * nodes + node[:, None]) * BINS + bins).ravel()
    shape, size = (features, nodes, BINS), features * nodes * BINS
    total = np.bincount(keys, np.repeat(left, features), size).reshape(shape).cumsum(2)
    count = np.bincount(keys, minlength=size).reshape(shape).cumsum(2)
    above, rest = total[..., -1:] - total, count[..., -1:] - count
    gains: Reals = (total**2 / (count + PRIOR) + above**2 / (rest + PRIOR)).sum(1)
    return gains


def _leaves(bins: Whole, questions: list[tuple[int, int]]) -> Whole:
    leaf = np.zeros(len(bins), np.int64)
    for feature, at in questions:
        leaf = 2 * leaf + (bins[:, feature] > at)
    return leaf

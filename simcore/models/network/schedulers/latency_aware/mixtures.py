"""Mixtures of orders of dimensions: the schedules that `latency-aware` chooses from.

A mixture sends a share of the bytes through each of a few orders, in a number of rounds. A round is one chunk per
order, or equal chunks. Every dimension serves the phases in an order that is settled beforehand. Nothing here depends
on bandwidths, latencies or bytes. So each mixture's time grows with every phase's, and so does the least of them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

Integers = np.ndarray[tuple[int, ...], np.dtype[np.intp]]

LAGS = (1.0, 2.0)
"""Rounds by which each phase of a chunk lags behind the one before it, in the settled order of a dimension."""
LAGS_IN_FLIGHT = (*LAGS, 8.0)
"""The same with several chunks in flight, which fill their places only where later phases wait longer."""

_ALL_ORDERS = 6
"""Dimensions up to which all orders are tried: 720 of them. Above it, those that go around outwards or inwards."""
_ANY = {2: 2, 3: 5, 4: 3}
"""How many orders are mixed whichever they are, by dimensions; beyond it only those that go around the same way."""
_TENTHS = {(3, 4), (3, 5), (4, 3)}
"""Dimensions and orders mixed of which sixteenths would be too many."""
_FINER = {(2, 2): 64, (3, 2): 64}
"""Dimensions and orders mixed that are so few that finer parts are tried too."""


class Mixtures(NamedTuple):
    """Mixtures of as many orders.

    Attributes
    ----------
    orders : ndarray of int, shape (orders mixed, mixtures)
        Numbers in the list of all orders.
    parts : ndarray of int, shape (orders mixed, mixtures)
        The share of each, times `whole`.
    whole : int
        Parts that the bytes are divided into.
    shares : int
        Mixtures of the same orders, which follow one another; the parts of these are those of all others.
    """

    orders: Integers
    parts: Integers
    whole: int
    shares: int


@cache
def orders(count: int) -> list[tuple[int, ...]]:
    """Return the orders of `count` dimensions that are mixed.

    Examples
    --------
    >>> orders(2), len(orders(4)), len(orders(7))
    ([(0, 1), (1, 0)], 24, 14)
    """
    outwards = tuple(range(count))
    if count <= _ALL_ORDERS:
        return list(permutations(outwards))
    return [turned for order in (outwards, outwards[::-1]) for turned in _around(order)]


def _around(order: tuple[int, ...], fixed: int = 0) -> list[tuple[int, ...]]:
    """Return the orders that go around the same way behind the first dimensions, which are the same in all."""
    head, tail = order[:fixed], order[fixed:]
    return [head + tail[start:] + tail[:start] for start in range(len(tail))]


@cache
def mixtures(count: int, even: bool) -> list[Mixtures]:
    """Return all mixtures of 1, 2, ... orders of `count` dimensions.

    Parameters
    ----------
    count : int
        Dimensions.
    even : bool
        Whether phases have the same sizes in every order, so that there is nothing to balance: the first order alone
        then, or all that start one dimension further, with the same share.

    Notes
    -----
    In two dimensions both orders are mixed, in three any two to five, in four any two and three. Beyond it those that
    go around the same way, all of them or behind the same first dimension: these start in different dimensions, and it
    is the first that carries the most. Shares are sixteenths or tenths, in five dimensions and more eighths; where
    orders are few, sixty-fourths too.

    Examples
    --------
    >>> [each.orders.shape for each in mixtures(3, even=True)]
    [(1, 1), (3, 1)]
    >>> [each.orders.shape for each in mixtures(3, even=False)]
    [(1, 6), (2, 225), (2, 945), (3, 2100), (4, 1260), (5, 756)]
    """
    index = {order: number for number, order in enumerate(orders(count))}
    if even:
        turned = [index[order] for order in _around(orders(count)[0])]
        columns = [np.array([some]).T for some in (turned[:1], turned)]
        return [Mixtures(column, np.ones_like(column), len(column), 1) for column in columns]
    listed = []
    for mixed in range(1, max(count, _ANY.get(count, 1)) + 1):
        sets = _sets(index, mixed, every=mixed <= _ANY.get(count, 1))
        whole = 1 if mixed == 1 else 8 if count not in _ANY else 10 if (count, mixed) in _TENTHS else 16
        for divided in (whole, *([_FINER[count, mixed]] if (count, mixed) in _FINER else [])):
            shares = [] if divided < mixed else list(_shares(divided, mixed))
            if sets and shares:
                mixed_orders = np.repeat(np.array(sets).T, len(shares), axis=1)
                parts = np.tile(np.array(shares).T, len(sets))
                listed.append(Mixtures(mixed_orders, parts, divided, len(shares)))
    return listed


def _sets(index: dict[tuple[int, ...], int], mixed: int, every: bool) -> list[tuple[int, ...]]:
    """Return which orders are mixed, by number."""
    if every or mixed == 1:
        return list(combinations(range(len(index)), mixed))
    groups = [_around(order, fixed) for order in index for fixed in (0, 1)]
    numbers = [[index[each] for each in group] for group in groups if all(each in index for each in group)]
    return sorted({tuple(sorted(some)) for each in numbers for some in combinations(each, mixed)})


def _shares(whole: int, mixed: int) -> Iterable[tuple[int, ...]]:
    """Yield all divisions of `whole` parts among so many, at least one each."""
    for cuts in combinations(range(1, whole), mixed - 1):
        yield tuple(end - start for start, end in zip((0, *cuts), (*cuts, whole), strict=True))


def rounds(chunks: int, mixed: int) -> list[int]:
    """Return how often a mixture of so many orders is repeated, with `chunks` at most in all.

    Examples
    --------
    >>> rounds(64, 3)
    [1, 2, 3, 5, 7, 10, 15, 21]
    """
    counts, count = set(), chunks // mixed
    while count >= 1:
        counts |= {count, max(1, count * 3 // 4)}
        count //= 2
    return sorted(counts)

"""How many micro-tiles of a row of them hold a non-zero, where blocks of a random mask are zero: the distribution."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Chances = NDArray[np.float64]


def binomial(count: int, chance: float) -> Chances:
    """Return the probabilities of 0..count successes, through logarithms so that large counts do not overflow."""
    if chance <= 0 or chance >= 1 or count == 0:
        found = np.zeros(count + 1)
        found[count if chance >= 1 else 0] = 1.0
        return found
    kept = np.arange(1, count + 1)
    ratios = np.log((count - kept + 1) / kept) + math.log(chance) - math.log1p(-chance)
    logs = np.concatenate([[0.0], np.cumsum(ratios)]) + count * math.log1p(-chance)
    found = np.exp(logs)
    scaled: Chances = found / found.sum()
    return scaled


def rows_touched(rows: int, tile: int, block: int) -> Counter[int]:
    """Return how many row blocks of `tile` rows touch one, two... rows of the mask's blocks, the cut last one included.

    Examples
    --------
    >>> rows_touched(100, 32, 48)
    Counter({1: 3, 2: 1})
    """
    starts = range(0, rows, tile)
    return Counter((min(start + tile, rows) - 1) // block - start // block + 1 for start in starts)


@lru_cache(maxsize=4096)
def kept_chances(columns: int, micro: int, block: int, dead: float) -> Chances:
    """Return the probabilities that 0, 1... micro-tiles of a row hold a non-zero.

    Where micro-tiles and blocks share their edges, the whole ones are independent runs and the number is binomial; the
    cut ones at the right edge are one more draw. Else a micro-tile can lie in two blocks, and its neighbours share
    them: then the blocks are gone through one by one, and it is remembered whether the micro-tile that reaches into
    the next one is kept already. Both are exact.

    Parameters
    ----------
    columns : int
        Width of the row [elements].
    micro, block : int
        Width of a micro-tile and of a block of the mask [elements].
    dead : float
        Probability that a column of blocks has nothing but zeros in the row, 0 to 1.

    Examples
    --------
    >>> kept_chances(10, 2, 4, 0.5).tolist()
    [0.125, 0.125, 0.25, 0.25, 0.125, 0.125]
    """
    if block % micro == 0 or micro % block == 0:
        unit, run, drawn = max(micro, block), max(block // micro, 1), max(micro // block, 1)
        whole, rest = divmod(columns, unit)
        found = np.zeros(whole * run + 1)
        found[::run] = binomial(whole, 1 - dead**drawn)
        if not rest:
            return found
        last = np.zeros(math.ceil(rest / micro) + 1)
        last[0] = dead ** math.ceil(rest / block)
        last[-1] = 1 - last[0]
        return np.convolve(found, last)
    return _by_blocks(columns, micro, block, dead)


def _by_blocks(columns: int, micro: int, block: int, dead: float) -> Chances:
    """Return `kept_chances` where edges of micro-tiles and blocks differ."""
    size = math.ceil(columns / micro) + 1
    new, kept = np.zeros(size), np.zeros(size)  # by count: whether the micro-tile that goes on is kept already
    new[0] = 1.0
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        first, last = start // micro, (stop - 1) // micro
        goes_on = stop % micro != 0 and stop < columns
        shared = start % micro != 0
        touched = last - first + 1
        alive = (1 - dead) * (_shifted(new, touched) + _shifted(kept, touched - shared))
        new, kept = dead * new, dead * kept
        if not (goes_on and shared and first == last):  # what it shared with the block before ends in this one
            new, kept = new + kept, np.zeros(size)
        if goes_on:
            kept = kept + alive
        else:
            new = new + alive
    return new + kept


def _shifted(chances: Chances, by: int) -> Chances:
    found = np.zeros_like(chances)
    found[by:] = chances[: len(chances) - by]
    return found

"""Masks: the pattern of zeros, how many micro-tiles hold a non-zero, and how many dense tiles they fill.

A mask is random or given. In a random mask (`RandomMask`) blocks of zeros are drawn independently of each other, and
its numbers are expectations in closed form. A given mask is a boolean array, and its numbers are counted.

Formulas and names follow PIT: Zheng et al., "PIT: Optimization of Dynamic Sparse Deep Learning Models via Permutation
Invariant Transformation", SOSP 2023.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError

Mask = NDArray[np.bool_]
Chances = NDArray[np.float64]


@dataclass(frozen=True)
class RandomMask:
    """A matrix whose blocks are zero with one probability, independently of each other.

    Attributes
    ----------
    rows, columns : int
        Shape of the matrix [elements].
    height, width : int
        Granularity: the shape of a block, which is zero or non-zero as a whole [elements].
    sparsity : float
        Probability that a block is zero, 0 to 1.

    Raises
    ------
    InputError
        If a size is below one or the sparsity is outside 0 to 1.
    """

    rows: int
    columns: int
    height: int
    width: int
    sparsity: float

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "height", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"mask, {name}", str(getattr(self, name)), "a whole number of at least 1")
        if not 0 <= self.sparsity <= 1:
            raise InputError("sparsity", f"{self.sparsity:g}", "a fraction of zeros from 0 to 1")

    @property
    def transposed(self) -> RandomMask:
        """The same matrix with rows and columns exchanged."""
        return RandomMask(self.columns, self.rows, self.width, self.height, self.sparsity)


def blocks_touched(tile: int, block: int) -> dict[int, float]:
    """Return how many blocks a tile touches along one dimension, as a distribution over the tiles of an aligned grid.

    A tile at offset ``a`` in its first block touches ``(a + tile - 1) // block + 1`` blocks. Offsets repeat after
    ``block / gcd(tile, block)`` tiles.

    Parameters
    ----------
    tile, block : int
        Lengths [elements].

    Returns
    -------
    dict of int to float
        Number of blocks, to the share of tiles that touch so many. The shares sum to one.

    Examples
    --------
    >>> blocks_touched(4, 2), blocks_touched(4, 3)
    ({2: 1.0}, {2: 1.0})
    >>> blocks_touched(2, 3)
    {1: 0.6666666666666666, 2: 0.3333333333333333}
    """
    period = block // math.gcd(tile, block)
    counts: dict[int, float] = {}
    for index in range(period):
        touched = (index * tile % block + tile - 1) // block + 1
        counts[touched] = counts.get(touched, 0) + 1
    return {touched: count / period for touched, count in sorted(counts.items())}


def coverage(tile: tuple[int, int], block: tuple[int, int], sparsity: float) -> float:
    """Return the share of tiles that hold at least one non-zero block: 1 - E[s^n].

    A tile touches ``n = n_rows x n_columns`` blocks. The mean is over the offsets of the tiles in the blocks.

    Parameters
    ----------
    tile, block : tuple of (int, int)
        Height and width of the tiles and of the mask's blocks [elements].
    sparsity : float
        Probability that a block is zero, 0 to 1.

    Returns
    -------
    float
        Density of the mask of tiles, 0 to 1.

    Examples
    --------
    >>> round(coverage((16, 1), (2, 1), 0.95), 4)
    0.3366
    >>> coverage((32, 64), (32, 64), 0.5)
    0.5
    """
    across = blocks_touched(tile[1], block[1])
    return sum(
        share * part * (1 - sparsity ** (rows * columns))
        for rows, share in blocks_touched(tile[0], block[0]).items()
        for columns, part in across.items()
    )


def expected_tiles(length: int, density: float, pack: int) -> float:
    """Return the expected number of dense tiles along one PIT-axis: E[ceil(X / pack)].

    The number of kept micro-tiles is X ~ Binomial(length, density).

    Parameters
    ----------
    length : int
        Micro-tiles along the axis, each kept independently of the others.
    density : float
        Probability that one is kept, 0 to 1.
    pack : int
        Micro-tiles in a dense tile.

    Examples
    --------
    >>> expected_tiles(128, 1.0, 32), expected_tiles(128, 0.0, 32)
    (4.0, 0.0)
    >>> expected_tiles(2, 0.5, 2)
    0.75
    """
    return float(binomial(length, density) @ np.ceil(np.arange(length + 1) / pack))


def packed_tiles(mask: Mask | RandomMask, micro: tuple[int, int], pack: int) -> tuple[float, float]:
    """Return how many dense tiles hold the non-zeros of a matrix whose columns are packed.

    The matrix is cut into row blocks of ``micro[0]`` rows. In each row block a dense tile takes `pack` micro-tiles that
    hold a non-zero, so that ``N = sum_i ceil(kept_i / pack)``. With a `pack` of one, a tile is a micro-tile.

    Parameters
    ----------
    mask : array of bool, shape (rows, columns), or RandomMask
        Where the non-zeros are.
    micro : tuple of (int, int)
        Height and width of a micro-tile [elements]. On the k-axis they are (tile height, 1).
    pack : int
        Micro-tiles in one dense tile.

    Returns
    -------
    tiles : float
        Dense tiles, expected or counted.
    density : float
        Share of micro-tiles that hold a non-zero, 0 to 1.
    """
    height, width = micro
    if isinstance(mask, RandomMask):
        tiles = kept = 0.0
        for touched, count in rows_touched(mask.rows, height, mask.height).items():
            chances = kept_chances(mask.columns, width, mask.width, mask.sparsity**touched)
            numbers = np.arange(len(chances))
            tiles += count * float(chances @ np.ceil(numbers / pack))
            kept += count * float(chances @ numbers)
        return tiles, kept / (math.ceil(mask.rows / height) * math.ceil(mask.columns / width))
    held = _any_in_blocks(mask, height, width)
    return float(np.ceil(held.sum(axis=1) / pack).sum()), float(held.mean())


def covered(mask: Mask | RandomMask, micro: tuple[int, int]) -> float:
    """Return how many elements lie in micro-tiles that hold a non-zero, expected or counted.

    ::

        E = sum over micro-tiles of h w (1 - s^(r c))

    A micro-tile of h x w elements touches r x c blocks. Those that an edge cuts hold a non-zero less often, and fewer
    elements, so that E is less than the share of kept micro-tiles times all elements.

    Parameters
    ----------
    mask : array of bool, shape (rows, columns), or RandomMask
        Where the non-zeros are.
    micro : tuple of (int, int)
        Height and width of a micro-tile [elements].

    Examples
    --------
    >>> covered(RandomMask(4, 6, 1, 1, 0.5), (2, 1))
    18.0
    """
    height, width = micro
    if isinstance(mask, RandomMask):
        down = _lengths(mask.rows, height, mask.height)
        across = _lengths(mask.columns, width, mask.width)
        return math.fsum(
            many * each * high * wide * (1 - mask.sparsity ** (rows * columns))
            for (rows, high), many in down.items()
            for (columns, wide), each in across.items()
        )
    held = _any_in_blocks(mask, height, width)
    heights, widths = (
        np.minimum(step, size - np.arange(0, size, step)) for step, size in zip(micro, mask.shape, strict=True)
    )
    return float(heights @ held @ widths)


def _lengths(length: int, tile: int, block: int) -> Counter[tuple[int, int]]:
    """Return how many tiles along one dimension touch so many blocks and are so long; the last may be cut."""
    spans = ((start, min(start + tile, length)) for start in range(0, length, tile))
    return Counter(((stop - 1) // block - start // block + 1, stop - start) for start, stop in spans)


def _any_in_blocks(mask: Mask, height: int, width: int) -> Mask:
    """Return which blocks of a matrix hold a non-zero. Blocks at the lower and right edge may be cut."""
    rows = np.logical_or.reduceat(mask, np.arange(0, mask.shape[0], height), axis=0)
    blocks: Mask = np.logical_or.reduceat(rows, np.arange(0, mask.shape[1], width), axis=1)
    return blocks


def binomial(count: int, chance: float) -> Chances:
    """Return the probabilities of 0..count successes. Logarithms keep large counts from overflowing."""
    if chance <= 0 or chance >= 1 or count == 0:
        chances = np.zeros(count + 1)
        chances[count if chance >= 1 else 0] = 1.0
        return chances
    kept = np.arange(1, count + 1)
    ratios = np.log((count - kept + 1) / kept) + math.log(chance) - math.log1p(-chance)
    logs = np.concatenate([[0.0], np.cumsum(ratios)]) + count * math.log1p(-chance)
    chances = np.exp(logs)
    scaled: Chances = chances / chances.sum()
    return scaled


def rows_touched(rows: int, tile: int, block: int) -> Counter[int]:
    """Return how many row blocks of `tile` rows touch one, two... rows of the mask's blocks.

    The last row block may be cut.

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

    There are two cases, both exact. If micro-tiles and blocks share their edges, runs of micro-tiles are independent
    and their number is binomial. Those cut at the right edge are one more draw. If not, a micro-tile can lie in two
    blocks. Then the distribution is built block by block, with a flag: whether the micro-tile that reaches into the
    next block is kept already.

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
        chances = np.zeros(whole * run + 1)
        chances[::run] = binomial(whole, 1 - dead**drawn)
        if not rest:
            return chances
        last = np.zeros(math.ceil(rest / micro) + 1)
        last[0] = dead ** math.ceil(rest / block)
        last[-1] = 1 - last[0]
        return np.convolve(chances, last)
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
    shifted = np.zeros_like(chances)
    shifted[by:] = chances[: len(chances) - by]
    return shifted

"""The tile table: what each sparse kernel costs, as measured or published.

A kernel multiplies one sparse matrix with a dense one in dense tiles of fixed shape. Along its PIT-axis a tile is one
wide: it packs the micro-tiles that hold a non-zero. `TileTable` lists kernels with seconds over sparsity at one shape;
other shapes are scaled by their number of tiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simcore.errors import InputError
from simcore.models.compute.sparse.coverage import Mask, RandomMask, expected_tiles, packed_tiles

Axis = Literal["k", "m", "n", "block"]
"""The axis that is packed; ``block`` packs none and multiplies whole tiles that hold a non-zero."""


@dataclass(frozen=True)
class Product:
    """C = A B, A of m x k and B of k x n elements, one of the two sparse.

    Attributes
    ----------
    m, k, n : int
        Rows of A, columns of A, columns of B.
    dtype : str
        Type of the elements: ``fp32``, ``fp16``...
    """

    m: int
    k: int
    n: int
    dtype: str = "fp32"

    def __post_init__(self) -> None:
        for name in ("m", "k", "n"):
            if getattr(self, name) < 1:
                raise InputError(f"matmul, {name}", str(getattr(self, name)), "a size of at least 1")

    @property
    def flop(self) -> float:
        """Work of the dense product [FLOP]."""
        return 2.0 * self.m * self.k * self.n


@dataclass(frozen=True)
class SparseKernel:
    """A kernel: the axis it packs, and its compute tile.

    Attributes
    ----------
    axis : {'k', 'm', 'n', 'block'}
        PIT-axis. The n-axis packs columns of a sparse B; all others work on a sparse A.
    tile_m, tile_k, tile_n : int
        Compute tile: BM x BK of A times BK x BN of B [elements].
    """

    axis: Axis
    tile_m: int
    tile_k: int
    tile_n: int

    @property
    def micro(self) -> tuple[int, int]:
        """Micro-tile of the sparse matrix, height and width [elements]: the tile, shrunk to one along the PIT-axis."""
        return {
            "k": (self.tile_m, 1),
            "m": (1, self.tile_k),
            "n": (self.tile_k, 1),
            "block": (self.tile_m, self.tile_k),
        }[self.axis]

    @property
    def name(self) -> str:
        """For people: ``k-axis 32x1 in 32x32x64``."""
        tile = f"{self.tile_m}x{self.tile_k}x{self.tile_n}"
        height, width = self.micro
        return (
            f"blocks of {height}x{width} in {tile}"
            if self.axis == "block"
            else f"{self.axis}-axis {height}x{width} in {tile}"
        )

    def work(self, product: Product, mask: Mask | RandomMask) -> Work:
        """Count the dense tiles of one product.

        k-axis: ``sum_i ceil(kept_i / BK) x ceil(N / BN)``; m-axis: ``sum_j ceil(kept_j / BM) x ceil(N / BN)``; n-axis:
        ``sum_j ceil(kept_j / BN) x ceil(M / BM)``; i over row blocks, j over blocks of k.

        Raises
        ------
        InputError
            If the mask's shape is not that of the sparse matrix.
        """
        shape = (mask.rows, mask.columns) if isinstance(mask, RandomMask) else mask.shape
        rows, columns = (product.k, product.n) if self.axis == "n" else (product.m, product.k)
        if shape != (rows, columns):
            expected = f"{rows} x {columns}, the shape of {'B' if self.axis == 'n' else 'A'}"
            raise InputError("mask", f"{shape[0]} x {shape[1]}", expected)
        height, width = self.micro
        if self.axis == "m":
            tiles, density = packed_tiles(_transposed(mask), (width, height), self.tile_m)
        else:
            pack = {"k": self.tile_k, "n": self.tile_n, "block": 1}[self.axis]
            tiles, density = packed_tiles(mask, self.micro, pack)
        others = math.ceil(product.m / self.tile_m) if self.axis == "n" else math.ceil(product.n / self.tile_n)
        return Work(tiles * others, self.all_tiles(product), density)

    def share_at(self, product: Product, density: float) -> float:
        """Return the share of tiles that a mask takes whose micro-tiles are kept independently of each other.

        Parameters
        ----------
        product : Product
            The shape.
        density : float
            Probability that a micro-tile is kept, 0 to 1.
        """
        if self.axis == "block":
            return density
        length, pack = {
            "k": (product.k, self.tile_k),
            "m": (product.m, self.tile_m),
            "n": (product.n, self.tile_n),
        }[self.axis]
        return expected_tiles(length, density, pack) / math.ceil(length / pack)

    def all_tiles(self, product: Product) -> int:
        """Return the tiles of the dense product: ceil(M / BM) x ceil(K / BK) x ceil(N / BN)."""
        return (
            math.ceil(product.m / self.tile_m) * math.ceil(product.k / self.tile_k) * math.ceil(product.n / self.tile_n)
        )


@dataclass(frozen=True)
class Work:
    """What a kernel has to do for one mask.

    Attributes
    ----------
    tiles : float
        Dense tiles to multiply, expected or counted.
    all_tiles : int
        Dense tiles of the whole product.
    density : float
        Share of micro-tiles with a non-zero, 0 to 1; one minus it is PIT's covered sparsity.
    """

    tiles: float
    all_tiles: int
    density: float

    @property
    def share(self) -> float:
        """Share of the dense product's tiles, 0 to 1."""
        return self.tiles / self.all_tiles


def _transposed(mask: Mask | RandomMask) -> Mask | RandomMask:
    return mask.transposed if isinstance(mask, RandomMask) else mask.T


@dataclass(frozen=True)
class TileCost:
    """Seconds by share of tiles: ``t = offset + slope x share``.

    Attributes
    ----------
    slope : float
        Time of all tiles [s].
    offset : float
        Time without a tile: launches, bookkeeping [s].
    """

    slope: float
    offset: float

    def seconds(self, share: float) -> float:
        """Return the time of a share of the tiles [s]."""
        return self.offset + self.slope * share


def fit_cost(shares: Sequence[float], seconds: Sequence[float]) -> TileCost:
    """Fit slope and offset to relative errors, neither below zero.

    Parameters
    ----------
    shares : sequence of float
        Shares of tiles, 0 to 1.
    seconds : sequence of float
        Times [s], above zero.

    Raises
    ------
    InputError
        For fewer than two different shares, or a time of zero.

    Examples
    --------
    >>> cost = fit_cost([0.1, 0.5, 1.0], [1.1, 1.5, 2.0])
    >>> round(cost.slope, 6), round(cost.offset, 6)
    (1.0, 1.0)
    """
    x, t = np.asarray(shares, float), np.asarray(seconds, float)
    if len(np.unique(x)) < 2 or not (t > 0).all():
        raise InputError("tile cost", f"{len(np.unique(x))} shares", "times above zero at two or more shares of tiles")
    slope, offset = np.linalg.lstsq(np.column_stack([x / t, 1 / t]), np.ones_like(t), rcond=None)[0]
    if offset < 0:
        slope, offset = (x / t).sum() / ((x / t) ** 2).sum(), 0.0
    elif slope < 0:
        slope, offset = 0.0, (1 / t).sum() / ((1 / t) ** 2).sum()
    return TileCost(float(slope), float(offset))


@dataclass(frozen=True)
class TileEntry:
    """Seconds of one kernel over sparsity, at the table's shape.

    Attributes
    ----------
    kernel : SparseKernel
        The kernel.
    sparsities : tuple of float
        Shares of micro-tiles without a non-zero, ascending, 0 to 1.
    seconds : tuple of float
        Time at each, index construction left out [s].
    """

    kernel: SparseKernel
    sparsities: tuple[float, ...]
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        place = f"tile table, {self.kernel.name}"
        if len(self.sparsities) != len(self.seconds) or not self.seconds:
            raise InputError(place, f"{len(self.seconds)} times", f"one for each of {len(self.sparsities)} sparsities")
        if list(self.sparsities) != sorted(set(self.sparsities)):
            raise InputError(place, "sparsities out of order or twice", "ascending sparsities")
        if min(self.seconds) <= 0:
            raise InputError(place, f"{min(self.seconds):g} s", "times above zero")

    def bin_seconds(self, work: Work) -> float | None:
        """Return the time at the densest measured point that is safe: the largest sparsity below the covered one [s].

        None where there is none. This is what PIT's own search does.
        """
        below = [t for s, t in zip(self.sparsities, self.seconds, strict=True) if s < 1 - work.density]
        return below[-1] if below else None

    def interpolated_seconds(self, work: Work, product: Product, shape: Product) -> float:
        """Return the time between measured points, for `product` from a table at `shape` [s].

        Time is interpolated over the share of tiles and, without its fitted offset, scaled by the number of tiles.
        Outside the measured shares the line through all points, which `fit_cost` gives, goes on from the last one.
        """
        shares = [self.kernel.share_at(shape, 1 - s) for s in self.sparsities][::-1]
        seconds = self.seconds[::-1]
        line = fit_cost(shares, seconds) if len(shares) > 1 else TileCost(seconds[0] / max(shares[0], 1e-9), 0.0)
        offset = min(line.offset, min(seconds))
        inside = min(max(work.share, shares[0]), shares[-1])
        at_table = float(np.interp(inside, shares, seconds)) + line.slope * (work.share - inside)
        return offset + max(at_table - offset, 0.0) * self.kernel.all_tiles(product) / self.kernel.all_tiles(shape)


@dataclass(frozen=True)
class TileTable:
    """All kernels of one device and type, at one shape.

    Attributes
    ----------
    shape : Product
        Shape and type that were measured.
    dense : float
        Time of the dense product at this shape [s].
    entries : tuple of TileEntry
        The sparse kernels.
    source : str
        Where the numbers are from.
    """

    shape: Product
    dense: float
    entries: tuple[TileEntry, ...]
    source: str

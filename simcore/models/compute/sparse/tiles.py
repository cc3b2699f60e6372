"""Sparse kernels: the product, the axis that is packed, the tile, and how many tiles a mask takes.

A kernel multiplies a sparse matrix by a dense one in dense tiles of fixed shape. Along the kernel's PIT-axis a
micro-tile is one element wide, and a tile packs micro-tiles that hold a non-zero. What a kernel costs is in
`simcore.models.compute.sparse.prices`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from simcore.errors import InputError
from simcore.models.compute.sparse.masks import Mask, RandomMask, covered, expected_tiles, packed_tiles

Axis = Literal["k", "m", "n", "block"]
"""The axis that is packed. ``block`` packs none and multiplies whole tiles that hold a non-zero."""

LINE = 16
"""Elements of fp32 in a line of 64 bytes, which memory is read in."""


@dataclass(frozen=True)
class Product:
    """The product C = A B. A has m x k elements, B has k x n, and one of the two is sparse.

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
        PIT-axis. The n-axis packs columns of a sparse B. All others work on a sparse A.
    tile_m, tile_k, tile_n : int
        Compute tile: BM x BK of A times BK x BN of B [elements]. It is one along an axis that is multiplied at its
        exact length, as in kernels made of library calls.
    """

    axis: Axis
    tile_m: int
    tile_k: int
    tile_n: int

    @property
    def micro(self) -> tuple[int, int]:
        """Height and width of the sparse matrix's micro-tile [elements]: the tile, shrunk to one along the PIT-axis."""
        return {
            "k": (self.tile_m, 1),
            "m": (1, self.tile_k),
            "n": (self.tile_k, 1),
            "block": (self.tile_m, self.tile_k),
        }[self.axis]

    @property
    def name(self) -> str:
        """What the kernel is called in reports: ``k-axis 32x1 in 32x32x64``."""
        height, width = self.micro
        what = f"blocks of {height}x{width}" if self.axis == "block" else f"{self.axis}-axis {height}x{width}"
        padded = self.tile_m * self.tile_k * self.tile_n > height * width
        return f"{what} in {self.tile_m}x{self.tile_k}x{self.tile_n}" if padded else what

    def work(self, product: Product, mask: Mask | RandomMask) -> Work:
        """Count the dense tiles of one product.

        ::

            k-axis: sum over row blocks i     of ceil(kept_i / BK) x ceil(N / BN)
            m-axis: sum over blocks j of k    of ceil(kept_j / BM) x ceil(N / BN)
            n-axis: sum over blocks j of k    of ceil(kept_j / BN) x ceil(M / BM)
            block:  kept blocks x ceil(N / BN)

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
        pack = {"k": self.tile_k, "m": self.tile_m, "n": self.tile_n, "block": 1}[self.axis]
        if self.axis == "m":
            mask, height, width = _transposed(mask), width, height
        tiles, density = packed_tiles(mask, (height, width), pack)
        groups, _ = packed_tiles(mask, (height, width), max(product.m, product.k, product.n))
        others = math.ceil(product.m / self.tile_m) if self.axis == "n" else math.ceil(product.n / self.tile_n)
        size = mask.rows if isinstance(mask, RandomMask) else mask.shape[0]
        lines = covered(mask, (height, LINE)) if self.axis in {"k", "n"} else 0.0
        return Work(
            tiles * others, self.all_tiles(product), density, groups, covered(mask, (height, width)), lines,
            covered(mask, (size, 1)) / size,
        )  # fmt: skip

    def share_at(self, product: Product, density: float) -> float:
        """Return the share of tiles of a mask whose micro-tiles are kept independently of each other.

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
    """The work of a kernel for one mask.

    Attributes
    ----------
    tiles : float
        Dense tiles to multiply, expected or counted.
    all_tiles : int
        Dense tiles of the whole product.
    density : float
        Share of micro-tiles with a non-zero, 0 to 1. One minus it is PIT's covered sparsity.
    groups : float
        Row blocks that hold a non-zero, expected or counted. On the m- and n-axis they are blocks of k.
    covered : float
        Elements of the sparse matrix in micro-tiles with a non-zero, expected or counted.
    lines : float
        Elements of the sparse matrix that come with these, as memory is read in lines of `LINE`. On the k- and n-axis
        alone: micro-tiles of the others lie along a line.
    touched : float
        Lines of the sparse matrix across the packed axis that hold a non-zero at all: columns on the k-axis and for
        whole blocks, rows on the m-axis. On the n-axis they are columns of B.
    """

    tiles: float
    all_tiles: int
    density: float
    groups: float = 0.0
    covered: float = 0.0
    lines: float = 0.0
    touched: float = 0.0

    @property
    def share(self) -> float:
        """Share of the dense product's tiles, 0 to 1."""
        return self.tiles / self.all_tiles


def _transposed(mask: Mask | RandomMask) -> Mask | RandomMask:
    return mask.transposed if isinstance(mask, RandomMask) else mask.T

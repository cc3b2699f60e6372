"""Prices: the time of each sparse kernel, as measured, published or fitted, in a tile table.

`TileEntry` lists seconds over sparsity at one shape, and scales other shapes by their number of tiles. It is for
kernels that gather while they load. `PricedEntry` asks a formula instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simcore.errors import InputError
from simcore.models.compute.sparse.tiles import Product, SparseKernel, Work


@dataclass(frozen=True)
class TileCost:
    """The time of a share of the tiles: ``t = offset + slope x share``.

    Attributes
    ----------
    slope : float
        Time of all tiles [s].
    offset : float
        Time without any tile: launches and bookkeeping [s].
    """

    slope: float
    offset: float

    def seconds(self, share: float) -> float:
        """Return the time of a share of the tiles [s]."""
        return self.offset + self.slope * share


def fit_cost(shares: Sequence[float], seconds: Sequence[float]) -> TileCost:
    """Fit slope and offset, neither below zero, by least squares on relative errors.

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
        Time at each, without the index [s].
    error : float or None
        Expected relative error; None where nothing was measured to tell.
    """

    kernel: SparseKernel
    sparsities: tuple[float, ...]
    seconds: tuple[float, ...]
    error: float | None = None

    def __post_init__(self) -> None:
        place = f"tile table, {self.kernel.name}"
        if len(self.sparsities) != len(self.seconds) or not self.seconds:
            raise InputError(place, f"{len(self.seconds)} times", f"one for each of {len(self.sparsities)} sparsities")
        if list(self.sparsities) != sorted(set(self.sparsities)):
            raise InputError(place, "sparsities out of order or twice", "ascending sparsities")
        if min(self.seconds) <= 0:
            raise InputError(place, f"{min(self.seconds):g} s", "times above zero")

    def bin_seconds(self, work: Work) -> float | None:
        """Return the time at the largest measured sparsity below the covered one [s]; None where there is none.

        PIT's own search reads its table so.
        """
        below = [t for s, t in zip(self.sparsities, self.seconds, strict=True) if s < 1 - work.density]
        return below[-1] if below else None

    def interpolated_seconds(self, work: Work, product: Product, shape: Product) -> float:
        """Return the time of `product` from a table at `shape` [s].

        The time is interpolated over the share of tiles. Outside the measured shares it follows the line of `fit_cost`
        from the last point. All but the fitted offset is scaled by the number of tiles.
        """
        shares = [self.kernel.share_at(shape, 1 - s) for s in self.sparsities][::-1]
        seconds = self.seconds[::-1]
        line = fit_cost(shares, seconds) if len(shares) > 1 else TileCost(seconds[0] / max(shares[0], 1e-9), 0.0)
        offset = min(line.offset, min(seconds))
        inside = min(max(work.share, shares[0]), shares[-1])
        at_table = float(np.interp(inside, shares, seconds)) + line.slope * (work.share - inside)
        return offset + max(at_table - offset, 0.0) * self.kernel.all_tiles(product) / self.kernel.all_tiles(shape)


@dataclass(frozen=True)
class PricedEntry:
    """A kernel whose time a formula gives at any shape.

    Attributes
    ----------
    kernel : SparseKernel
        The kernel.
    price : callable
        ``price(kernel, product, work)``: seconds to multiply [s].
    error : float or None
        Expected relative error; None where nothing was measured to tell.
    """

    kernel: SparseKernel
    price: Callable[[SparseKernel, Product, Work], float]
    error: float | None = None

    def bin_seconds(self, work: Work) -> float | None:
        """Return None: there are no measured points."""
        return None

    def interpolated_seconds(self, work: Work, product: Product, shape: Product) -> float:
        """Return the formula's time [s], whatever the table's `shape`."""
        return self.price(self.kernel, product, work)


@dataclass(frozen=True)
class TileTable:
    """All kernels of one device and type, at one shape.

    Attributes
    ----------
    shape : Product
        Shape and type that were measured.
    dense : float
        Time of the dense product at this shape [s].
    entries : tuple of TileEntry or PricedEntry
        The sparse kernels.
    source : str
        Where the numbers are from.
    unpriced : tuple of str
        Measured kernels without an entry, each with the reason.
    """

    shape: Product
    dense: float
    entries: tuple[TileEntry | PricedEntry, ...]
    source: str
    unpriced: tuple[str, ...] = ()

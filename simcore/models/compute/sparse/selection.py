"""Selection: the kernel that multiplies a sparse matrix fastest, by PIT's search over axes and tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simcore.errors import InputError
from simcore.models.compute.sparse.break_even import Timing, tied
from simcore.models.compute.sparse.masks import Mask, RandomMask
from simcore.models.compute.sparse.prices import TileTable
from simcore.models.compute.sparse.tiles import Product, SparseKernel, Work

IndexCost = Callable[[SparseKernel, Product, Work], tuple[float, float | None] | str]
"""Cost of finding a mask's micro-tiles for one kernel: seconds and their expected error.

A text says why there is no cost, and then the kernel is no candidate."""
Lookup = Literal["interpolate", "bins"]
"""How times between measured sparsities are read. ``bins`` is PIT's own rule and holds only at the table's shape."""


@dataclass(frozen=True)
class Candidate:
    """A kernel that can compute a product, with its predicted time.

    Attributes
    ----------
    kernel : SparseKernel or None
        None for the dense product.
    work : Work or None
        Its tiles; None for the dense product.
    seconds : float
        Time to multiply [s].
    index_seconds : float
        Time to find the micro-tiles [s].
    error : float or None
        Expected relative error of the total: the errors of its two parts, weighted by time. None where nothing was
        measured.
    """

    kernel: SparseKernel | None
    work: Work | None
    seconds: float
    index_seconds: float = 0.0
    error: float | None = None

    @property
    def total(self) -> float:
        """Time to multiply and to find the micro-tiles [s]."""
        return self.seconds + self.index_seconds

    @property
    def name(self) -> str:
        """The kernel's name; ``dense`` for the dense product."""
        return "dense" if self.kernel is None else self.kernel.name

    @property
    def timing(self) -> Timing:
        """The total with its expected error, 0 where none is known."""
        return Timing(self.total, self.error or 0.0)


@dataclass(frozen=True)
class Selection:
    """The choice, and what it was chosen from.

    Attributes
    ----------
    best : Candidate
        The fastest.
    candidates : tuple of Candidate
        All that have a price, fastest first.
    skipped : tuple of str
        Kernels of the table that have none, each with the reason.
    unpriced : tuple of str
        Those of them that lack measurements of themselves or of their index.
    source : str
        Where the tile table is from.
    """

    best: Candidate
    candidates: tuple[Candidate, ...]
    skipped: tuple[str, ...]
    source: str
    unpriced: tuple[str, ...] = ()

    @property
    def dense(self) -> Candidate:
        """The dense product, which is the fallback."""
        return next(one for one in self.candidates if one.kernel is None)

    @property
    def ties(self) -> tuple[Candidate, ...]:
        """What differs from the fastest by no more than the expected errors."""
        return tuple(one for one in self.candidates if one != self.best and tied(one.timing, self.best.timing))

    def explain(self) -> list[str]:
        """Say in lines what was chosen, then list every candidate, fastest first."""
        best, dense = self.best, self.dense
        if best.kernel is None:
            lines = ["Chosen: dense, because no sparse kernel is predicted to be quicker, index included."]
        else:
            lines = [f"Chosen: {best.name}, predicted {dense.total / best.total:.2f} times as fast as dense."]
        if self.ties:
            names = ", ".join(one.name for one in self.ties)
            lines.append(f"A tie with it, as the difference lies within the expected errors: {names}.")
        for one in self.candidates:
            line = f"{one.name}: {one.total * 1e3:.4g} ms"
            if one.work is not None:
                line += (
                    f" ({one.seconds * 1e3:.4g} ms to multiply, {one.index_seconds * 1e3:.4g} ms for the index); "
                    f"{one.work.density:.2%} of the micro-tiles hold a non-zero, "
                    f"{one.work.share:.2%} of the dense work"
                )
                if one.error is not None:
                    line += f"; expected error {one.error:.1%}"
            lines.append(line)
        return [*lines, *(f"Not considered: {reason}" for reason in self.skipped), f"Priced by: {self.source}"]


def select(
    product: Product,
    mask: Mask | RandomMask,
    table: TileTable,
    *,
    index_cost: IndexCost | None = None,
    lookup: Lookup = "interpolate",
    sparse: Literal["a", "b"] = "a",
    dense_seconds: float | None = None,
    dense_error: float | None = None,
) -> Selection:
    """Choose the fastest kernel for one product.

    The choice is ``argmin over axis and tile T of N_T(mask) x cost(T) + index``, with dense as the fallback. A sparse
    kernel must be faster than dense; at equal times dense is chosen. Source: PIT (SOSP 2023), whose published search
    knows the k-axis alone.

    Parameters
    ----------
    product : Product
        Shape and type.
    mask : array of bool or RandomMask
        Where the sparse matrix is not zero. Its shape is m x k for A and k x n for B.
    table : TileTable
        Measured kernels of the same type.
    index_cost : callable, optional
        Cost of a kernel's index. By default the index costs nothing, as if it were there already.
    lookup : {'interpolate', 'bins'}
        How the table is read.
    sparse : {'a', 'b'}
        Which matrix is sparse. Kernels for the other one are left out.
    dense_seconds : float, optional
        Time of the dense product [s]. By default it is the table's, scaled by the work.
    dense_error : float, optional
        Its expected relative error; None where none is known.

    Raises
    ------
    InputError
        If the table is for another type, the mask has another shape, or bins are wanted at another shape.

    Examples
    --------
    >>> from simcore.models.compute.sparse.prices import TileEntry
    >>> shape, kernel = Product(4096, 4096, 4096), SparseKernel("k", 32, 32, 64)
    >>> table = TileTable(shape, 10e-3, (TileEntry(kernel, (0.5, 0.9), (7.5e-3, 1.8e-3)),), "example")
    >>> select(shape, RandomMask(4096, 4096, 32, 1, 0.9), table).best.name
    'k-axis 32x1 in 32x32x64'
    >>> select(shape, RandomMask(4096, 4096, 1, 1, 0.9), table).best.name
    'dense'
    """
    if product.dtype != table.shape.dtype:
        raise InputError("dtype", product.dtype, f"{table.shape.dtype}, which the tile table is for")
    if lookup == "bins" and product != table.shape:
        raise InputError("lookup", "bins at another shape", "the table's shape", "Interpolate instead.")
    if dense_seconds is None:
        dense_seconds = table.dense * product.flop / table.shape.flop
    candidates, skipped, unpriced = [Candidate(None, None, dense_seconds, error=dense_error)], [], list(table.unpriced)
    for entry in table.entries:
        kernel = entry.kernel
        if (kernel.axis == "n") != (sparse == "b"):
            skipped.append(f"{kernel.name}, which is for a sparse {'B' if kernel.axis == 'n' else 'A'}")
            continue
        work = kernel.work(product, mask)
        if lookup == "bins":
            seconds = entry.bin_seconds(work)
        else:
            seconds = entry.interpolated_seconds(work, product, table.shape)
        if seconds is None:
            skipped.append(f"{kernel.name}, measured at no sparsity below {1 - work.density:.4g}")
            continue
        priced = index_cost(kernel, product, work) if index_cost else (0.0, 0.0)
        if isinstance(priced, str):
            unpriced.append(f"{kernel.name}, whose index has no price: {priced}")
            continue
        index, index_error = priced
        error = None
        if entry.error is not None and index_error is not None:
            error = (seconds * entry.error + index * index_error) / (seconds + index)
        candidates.append(Candidate(kernel, work, seconds, index, error))
    candidates.sort(key=lambda one: one.total)  # stable: dense, which comes first, wins a tie
    return Selection(candidates[0], tuple(candidates), (*skipped, *unpriced), table.source, tuple(unpriced))

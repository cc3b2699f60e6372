"""Which kernel of PIT multiplies a sparse operand: the one that covers least, or the fastest by a profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from simcore.models.compute.predict import EXTRAPOLATED, predict
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.composed import composed_seconds
from simcore.models.compute.sparse.prices import PricedEntry
from simcore.models.compute.sparse.profiled import index_cost, tile_table
from simcore.models.compute.sparse.selection import Selection, select
from simcore.models.compute.sparse.tiles import Product, SparseKernel, Work
from simcore.real.sparse.products import Kernel

FORMATS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float64: "fp64"}
"""Number formats of profiles by torch's types."""

AXES = ("rows", "k", "m")
"""What can be packed."""

KERNELS = (Kernel("rows"), Kernel("k", 32), Kernel("m", 32))
"""What is tried without a profile."""

MOST = 0.5
"""Share of a matrix that micro-tiles may cover without a profile, beyond which gathering seldom pays."""


@dataclass(frozen=True)
class Choice:
    """A kernel, and why.

    Attributes
    ----------
    kernel : Kernel or None
        None for the dense product.
    why : str
        One sentence.
    selection : Selection or None
        All candidates with their predicted times; None without a profile.
    """

    kernel: Kernel | None
    why: str
    selection: Selection | None = None


Chooser = Callable[[Tensor, int, torch.dtype, Sequence[str]], Choice]
"""Takes where A is not zero (m x k), the columns of B, the type, and which axes may be packed."""


def least_covered(mask: Tensor, columns: int, dtype: torch.dtype, axes: Sequence[str] = AXES) -> Choice:
    """Return the kernel whose micro-tiles cover the smallest share of A; dense where each covers all of it.

    Parameters
    ----------
    mask : Tensor of bool, shape (m, k)
        Where A is not zero.
    columns : int
        Of B; not looked at.
    dtype : torch.dtype
        Not looked at.
    axes : sequence of str
        Which axes may be packed.

    Examples
    --------
    >>> mask = torch.zeros(64, 64, dtype=torch.bool)
    >>> mask[:, 3] = True
    >>> least_covered(mask, 8, torch.float32).kernel.name
    'k-axis 32x1'
    """
    shares = {kernel: _covered(mask, kernel) for kernel in KERNELS if kernel.axis in axes}
    kernel = min(shares, key=lambda one: shares[one])
    if shares[kernel] > MOST:
        return Choice(None, f"micro-tiles of every kernel cover more than {MOST:.0%} of the matrix")
    return Choice(kernel, f"its micro-tiles cover {shares[kernel]:.1%} of the matrix, the least of those tried")


def _covered(mask: Tensor, kernel: Kernel) -> float:
    """Return the share of elements that lie in micro-tiles with a non-zero."""
    rows, columns = mask.shape
    length, other = (rows, columns) if kernel.axis == "k" else (columns, rows)
    block = kernel.block if kernel.axis == "k" else kernel.width(columns)
    found = kernel.index(mask)
    sizes = (min(block, length - number * block) for number in range(len(found)))
    return sum(len(at) * size for at, size in zip(found, sizes, strict=True)) / (length * other)


def by_profile(profile: KernelProfile) -> Chooser:
    """Return what chooses by the predicted times of a device, the index included.

    Parameters
    ----------
    profile : KernelProfile
        Of the device. A size outside of its range is extrapolated.

    Examples
    --------
    >>> from simcore.kernels import read_profile
    >>> mask = torch.zeros(1024, 1024, dtype=torch.bool)
    >>> by_profile(read_profile("cpu").value)(mask, 1024, torch.float32).kernel.axis
    'k'
    """
    return partial(_fastest, profile)


def _fastest(
    profile: KernelProfile, mask: Tensor, columns: int, dtype: torch.dtype, axes: Sequence[str] = AXES
) -> Choice:
    rows, inner = mask.shape
    product = Product(rows, inner, columns, FORMATS[dtype])
    table = tile_table(profile, product)
    if table is None:
        found = least_covered(mask, columns, dtype, axes)
        return replace(found, why=f"profile {profile.name} has no sparse kernels of {product.dtype}; {found.why}")
    whole = SparseKernel("m", 1, inner, 1)
    entries = [entry for entry in table.entries if entry.kernel.axis in axes]
    if "rows" in axes:
        entries.append(PricedEntry(whole, partial(_packed_rows, profile)))
    table = replace(table, entries=tuple(entries))
    size = {"m": rows, "n": columns, "k": inner, "batch": 1}
    dense = predict(profile, "gemm", product.dtype, size, extrapolate=True)
    chosen = select(
        product, mask.cpu().numpy(), table, index_cost=index_cost(profile), dense_seconds=dense.seconds,
        dense_error=dense.error,
    )  # fmt: skip
    best = chosen.best.kernel
    kernel = None if best is None else Kernel("rows") if best == whole else _kernel(best)
    beyond = any(note.endswith(EXTRAPOLATED) for note in dense.notes)
    why = "The dense product is extrapolated beyond what was measured. " if beyond else ""
    return Choice(kernel, why + chosen.explain()[0], chosen)


def _kernel(best: SparseKernel) -> Kernel:
    return Kernel("k", best.tile_m) if best.axis == "k" else Kernel("m", best.tile_k)


def _packed_rows(profile: KernelProfile, kernel: SparseKernel, product: Product, work: Work) -> float:
    """Return the time to gather, multiply and scatter rows that hold a non-zero [s]."""
    shape = {"batch": 1, "longest": product.m, "valid": max(1, round(work.density * product.m)), "inner": product.k,
             "outer": product.n}  # fmt: skip
    return composed_seconds(profile, "sequence-packed", product.dtype, shape) or float("inf")

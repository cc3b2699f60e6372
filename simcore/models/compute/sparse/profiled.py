"""Sparse kernels of a profile: the tile table and the index cost that `select` takes, and predictions of samples.

On the CPU one formula per axis is fitted, see `simcore.models.compute.sparse.packed`. On CUDA kernels gather while they
load, and the samples of a tile are its table. Samples of sparse kernels are named ``pit-k``, ``pit-m``, ``pit-n`` and
``pit-block``. Samples of their indices are named ``index-k`` and so on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from simcore.models.compute.expected import expected_error
from simcore.models.compute.kernels import AXES, FORMULAS, seconds_of
from simcore.models.compute.predict import as_wide, predict
from simcore.models.compute.profile import Errors, KernelProfile, Sample, Shape
from simcore.models.compute.seconds import index_seconds
from simcore.models.compute.sparse.composed import COMPOSED, composed_seconds
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.packed import (
    index_counts,
    layout_seconds,
    packed_seconds,
    problem,
    shape_of,
    work_of,
)
from simcore.models.compute.sparse.prices import PricedEntry, TileEntry, TileTable
from simcore.models.compute.sparse.selection import IndexCost
from simcore.models.compute.sparse.tiles import Axis, Product, SparseKernel, Work
from simcore.models.compute.unfitted import why_unfitted


def axis_of(kernel: str, family: str = "pit") -> Axis | None:
    """Return the axis in a kernel's name; None for a kernel of another family.

    Examples
    --------
    >>> axis_of("pit-k"), axis_of("gemm")
    ('k', None)
    """
    return next((axis for axis in AXES if kernel == f"{family}-{axis}"), None)


def tile_table(profile: KernelProfile, product: Product, mask: RandomMask | None = None) -> TileTable | None:
    """Return the sparse kernels that a profile measured in a number format; None where there are none.

    A kernel with a fitted formula is priced by it at any shape. The points of any other kernel are those of the
    measured shape whose work is nearest. Held-out samples fill no table. They give the expected errors of a table. The
    errors of a formula are what `simcore.models.compute.expected` says, at the mask if one is given.
    """
    table = _table(profile, product, mask)
    if table is None or all(isinstance(entry, PricedEntry) for entry in table.entries):
        return table
    errors: dict[Axis, Errors | None] = {}
    for axis in AXES:
        held_out = (one for one in profile.samples if one.held_out and one.dtype == product.dtype)
        samples = [one for one in held_out if axis_of(one.kernel) == axis]
        known = zip(sample_seconds(profile, samples), samples, strict=True)
        errors[axis] = Errors.of([predicted / one.seconds - 1 for predicted, one in known if predicted is not None])
    entries = tuple(replace(entry, error=_mape(errors[entry.kernel.axis])) for entry in table.entries)
    return replace(table, entries=entries)


def _table(profile: KernelProfile, product: Product, mask: RandomMask | None = None) -> TileTable | None:
    """Return `tile_table` without the errors of kernels that have no formula."""
    measured: dict[Product, dict[SparseKernel, dict[float, float]]] = {}
    for sample in profile.samples:
        axis = axis_of(sample.kernel)
        if axis is None or sample.dtype != product.dtype or sample.held_out:
            continue
        kernel, shape, drawn = problem(axis, sample.shape, sample.dtype)
        covered = 1 - work_of(kernel, shape, drawn).density
        measured.setdefault(shape, {}).setdefault(kernel, {})[covered] = sample.seconds
    if not measured or as_wide(profile, "gemm", product.dtype) is None:  # what every table is compared with
        return None
    shape = min(measured, key=lambda one: abs(math.log(one.flop / product.flop)))
    entries: list[TileEntry | PricedEntry] = []
    unpriced: list[str] = []
    for kernel in dict.fromkeys(one for kernels in measured.values() for one in kernels):
        fit = profile.fit(f"pit-{kernel.axis}", product.dtype)
        if fit is not None:
            at = None if mask is None else shape_of(kernel, product, mask)
            error = expected_error(profile, fit, at).relative
            entries.append(PricedEntry(kernel, partial(packed_seconds, p=fit.parameters), error))
        elif (why := why_unfitted(profile, f"pit-{kernel.axis}", product.dtype)) is not None:
            unpriced.append(f"{kernel.name}: {why}")
        elif kernel in measured[shape]:
            points = sorted(measured[shape][kernel].items())
            entries.append(TileEntry(kernel, tuple(s for s, _ in points), tuple(t for _, t in points)))
    size = {"m": shape.m, "n": shape.n, "k": shape.k, "batch": 1}
    dense = predict(profile, "gemm", product.dtype, size, extrapolate=True).seconds
    source = f"formulas that were fitted to the sparse products of profile {profile.name}"
    if not all(isinstance(entry, PricedEntry) for entry in entries):
        source = f"tiles of profile {profile.name}, measured at {shape.m} x {shape.k} x {shape.n}"
    return TileTable(shape, dense, tuple(entries), source, tuple(unpriced))


def _mape(errors: Errors | None) -> float | None:
    return None if errors is None else errors.mape


def outside(profile: KernelProfile, product: Product, mask: RandomMask) -> list[str]:
    """Say which sizes of a product and its mask lie outside the range that a profile's sparse kernels were timed at.

    The range of their indices counts too.

    Parameters
    ----------
    profile : KernelProfile
        With sparse kernels of the product's number format.
    product : Product
        Its sizes and its dense work are compared.
    mask : RandomMask
        Its size, granularity and sparsity are compared.
    """
    sentences: dict[str, None] = {}
    for family, dtype in (("pit", product.dtype), ("index", "bool")):
        samples = [
            one for one in profile.samples if one.dtype == dtype and axis_of(one.kernel, family) not in {None, "n"}
        ]
        seen = [FORMULAS[one.kernel].measures(one.shape) for one in samples]
        asked = FORMULAS[f"{family}-k"].measures(shape_of(SparseKernel("k", 1, 1, 1), product, mask))
        for name, value in asked.items() if seen else ():
            low, high = min(one[name] for one in seen), max(one[name] for one in seen)
            if not low <= value <= high:
                sentences[f"{name} {value:g} is outside {low:g} to {high:g}"] = None
    return list(sentences)


def index_cost(profile: KernelProfile, mask: RandomMask | None = None) -> IndexCost:
    """Return the cost of finding the micro-tiles of a kernel, or why the profile cannot tell.

    It is that of the kernel's own layout (``index-k``), or else of any layout (``index``). A mask that was just written
    counts, if it was measured.
    """

    def seconds(kernel: SparseKernel, product: Product, work: Work) -> tuple[float, float | None] | str:
        own = profile.fit(f"index-{kernel.axis}", "bool", "warm")
        if own is not None:
            at: Shape | None = None if mask is None else shape_of(kernel, product, mask)
            return layout_seconds(kernel, product, work, own.parameters), expected_error(profile, own, at).relative
        fit, counts = profile.fit("index", "bool"), index_counts(kernel, product, work)
        if fit is None:
            return str(why_unfitted(profile, f"index-{kernel.axis}", "bool"))
        error = expected_error(profile, fit, counts).relative
        return index_seconds(counts, fit.parameters, "bool", profile.device), error

    return seconds


def sample_seconds(profile: KernelProfile, samples: Iterable[Sample]) -> Iterator[float | None]:
    """Yield the predicted time of what each sample measured [s]; None where the profile has none.

    A kernel's own fit comes first. A sparse kernel without one has its tile's table, made once for each product.
    Experts and sequences are the sum of their parts. Samples outside the measured range are extrapolated.
    """
    tables: dict[Product, TileTable | None] = {}
    for sample in samples:
        fit, axis = profile.fit(sample.kernel, sample.dtype, sample.state), axis_of(sample.kernel)
        if fit is not None:
            yield seconds_of(fit, sample.shape, profile.device)
        elif sample.kernel in COMPOSED:
            yield composed_seconds(profile, sample.kernel, sample.dtype, sample.shape)
        elif axis is None:
            yield None
        else:
            kernel, product, mask = problem(axis, sample.shape, sample.dtype)
            if product not in tables:
                tables[product] = _table(profile, product)
            yield _tile_seconds(tables[product], kernel, product, mask)


def _tile_seconds(table: TileTable | None, kernel: SparseKernel, product: Product, mask: RandomMask) -> float | None:
    entry = None if table is None else next((one for one in table.entries if one.kernel == kernel), None)
    if table is None or entry is None:
        return None
    return entry.interpolated_seconds(work_of(kernel, product, mask), product, table.shape)

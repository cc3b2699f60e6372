"""``simcore kernel``: one matrix product on a profiled device, dense or sparse, predicted and explained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.models.compute.device import DTYPES, lacks
from simcore.models.compute.predict import Prediction, predict
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.coverage import RandomMask
from simcore.models.compute.sparse.noise import noise
from simcore.models.compute.sparse.profiled import index_cost, outside, tile_table
from simcore.models.compute.sparse.select import Candidate, Selection, select
from simcore.models.compute.sparse.tiles import Product, Work
from simcore.readers.profiles import read_profile
from simcore.results import Provenance, versions
from simcore.units import format_si


@dataclass(frozen=True)
class KernelResult:
    """One product, predicted.

    Attributes
    ----------
    prediction : Prediction
        The dense product.
    selection : Selection or None
        The choice among sparse kernels and dense; None where the product is dense or the profile has no sparse kernels.
    lines : tuple of str
        The explanation.
    provenance : Provenance
        With the profile's hash.
    """

    prediction: Prediction
    selection: Selection | None
    lines: tuple[str, ...]
    provenance: Provenance

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        dense = {"name": "dense", "seconds": self.prediction.seconds, "expected_error": self.prediction.error}
        candidates: list[dict[str, Any]] = [dense]
        if self.selection is not None:
            candidates = [dense if one.work is None else _candidate(one, one.work) for one in self.selection.candidates]
        return {
            **{("chosen" if key == "name" else key): value for key, value in candidates[0].items()},
            "dense_seconds": self.prediction.seconds,
            "origin": self.prediction.origin,
            "candidates": candidates,
            "explanation": list(self.lines),
            "provenance": self.provenance.as_dict(),
        }


def _candidate(one: Candidate, work: Work) -> dict[str, Any]:
    """Return a sparse kernel for JSON; its seconds are those of the product and of the index."""
    return {
        "name": one.name, "seconds": one.total, "expected_error": one.error, "product_seconds": one.seconds,
        "index_seconds": one.index_seconds, "density": work.density, "share_of_dense_work": work.share,
    }  # fmt: skip


def sizes(text: str, count: int, place: str, example: str) -> tuple[int, ...]:
    """Return the whole numbers of ``4096x4096x4096``.

    Raises
    ------
    InputError
        If they are not that many, or one is 0.

    Examples
    --------
    >>> sizes("32x1", 2, "--granularity", "32x1")
    (32, 1)
    """
    text = text.lower()
    if not re.fullmatch(r"\d{1,9}(x\d{1,9})*", text) or len(text.split("x")) != count:
        raise InputError(place, f"'{text}'", f"{count} whole numbers with x between them", f"For example: {example}.")
    found = tuple(int(part) for part in text.split("x"))
    if 0 in found:
        raise InputError(place, f"'{text}'", "sizes of at least 1", f"For example: {example}.")
    return found


def matmul(
    shape: str,
    profile: str | Path | KernelProfile,
    *,
    dtype: str = "fp32",
    sparsity: float = 0.0,
    granularity: str = "1x1",
    extrapolate: bool = False,
) -> KernelResult:
    """Predict a product of m x k and k x n.

    Parameters
    ----------
    shape : str
        ``MxNxK``.
    profile : str, Path or KernelProfile
        The device.
    dtype : str
        Number format.
    sparsity : float
        Share of the first matrix's blocks that are zero.
    granularity : str
        Rows and columns of such a block: ``32x1``.
    extrapolate : bool
        Whether a shape outside the sampled range is predicted, with a note, or refused.

    Raises
    ------
    InputError
        If a size, the sparsity or the number format is not possible, or the shape is out of range.
    """
    m, n, k = sizes(shape, 3, "SHAPE", "4096x4096x4096")
    if not 0 <= sparsity <= 1:
        raise InputError("--sparsity", f"{sparsity:g}", "a share from 0 to 1", "0.95 means that 95 % are zero.")
    block = sizes(granularity, 2, "--granularity", "32x1")
    if block[0] > m or block[1] > k:
        raise InputError("--granularity", f"'{granularity}'", f"a block within {m}x{k}, the first matrix")
    if sparsity == 0 and block != (1, 1):
        raise InputError(
            "--granularity", f"'{granularity}' for a matrix without zeros", "it with a sparsity", "Add --sparsity 0.95."
        )
    if dtype not in DTYPES:
        raise lacks("simcore", dtype, DTYPES)
    device = profile if isinstance(profile, KernelProfile) else read_profile(profile, "--profile").value
    found = predict(device, "gemm", dtype, {"m": m, "n": n, "k": k, "batch": 1}, extrapolate=extrapolate)
    rate = 2 * m * n * k / found.seconds
    error = f"none measured ({found.origin})" if found.error is None else f"{found.error:.1%} {found.basis}"
    lines = [
        f"dense {m} x {n} x {k} {dtype} on {device.name}: {format_si(found.seconds, 's')}, {format_si(rate, 'FLOP/s')}",
        f"expected error: {error}",
        *found.notes,
    ]
    selection, notes = None, list(found.notes)
    if sparsity > 0:
        product, mask = Product(m, k, n, dtype), RandomMask(m, k, block[0], block[1], sparsity)
        selection, more = _choose(device, product, mask, found.seconds, extrapolate)
        notes += more
        lines += more
    if selection is not None:
        lines += selection.explain()
        notes += [f"not considered: {reason}" for reason in selection.unpriced]
    provenance = Provenance(
        command="kernel",
        inputs={
            "shape": [m, n, k], "profile": device.name, "dtype": dtype, "sparsity": sparsity,
            "granularity": list(block), "extrapolate": extrapolate,
        },
        sha256={"profile": device.sha256},
        notes=notes,
        versions=versions("numpy"),
    )  # fmt: skip
    return KernelResult(found, selection, tuple(lines), provenance)


def _choose(
    profile: KernelProfile, product: Product, mask: RandomMask, dense: float, extrapolate: bool
) -> tuple[Selection | None, list[str]]:
    """Return the choice among sparse kernels and dense, None where there are no sparse ones, and notes on it."""
    table = tile_table(profile, product, mask)
    if table is None:
        return None, [f"profile {profile.name} has no sparse kernels of {product.dtype}: only dense is predicted"]
    notes, beyond = [], "; ".join(outside(profile, product, mask))
    if beyond and not extrapolate:
        place = f"profile {profile.name}, sparse kernels {product.dtype}"
        remedy = "Add --extrapolate to predict it all the same, or leave --sparsity out for the dense product."
        raise InputError(place, beyond, "a problem in the range that was measured", remedy)
    if beyond:
        notes.append(f"sparse kernels: extrapolated beyond what was measured ({beyond})")
    found = select(product, mask, table, index_cost=index_cost(profile, mask), dense_seconds=dense)
    priced = (one.kernel for one in found.candidates if one.kernel is not None)
    return found, [*notes, *noise(profile, product.dtype, priced)]

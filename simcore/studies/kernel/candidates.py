"""The kernels that a break-even compares: measured on a device, or predicted from a profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as of_dataclass
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, RunError, field
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import NOISY, KernelProfile
from simcore.models.compute.sparse.break_even import Timing, Trial
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.noise import noise
from simcore.models.compute.sparse.profiled import index_cost, outside, tile_table
from simcore.models.compute.sparse.selection import select
from simcore.models.compute.sparse.stored import BLOCK, conversion, stored_elements
from simcore.models.compute.sparse.tiles import Product
from simcore.progress import tracked

if TYPE_CHECKING:
    from simcore.studies.kernel.request import BreakEvenRequest

BUDGET = 0.3
"""Seconds after which a kernel is timed no more [s]."""


@dataclass(frozen=True)
class Compared:
    """What a break-even is made of.

    Attributes
    ----------
    device : str
        Where it was measured, or the profile.
    dense : Timing
        The dense product.
    dense_repeats : int
        Timed calls of it; 0 of a prediction.
    trials : list of Trial
        Every kernel that ran or has a price, at every sparsity.
    warnings : list of str
        What did not run, is noisy or extrapolated.
    """

    device: str
    dense: Timing
    dense_repeats: int
    trials: list[Trial] = of_dataclass(default_factory=list)
    warnings: list[str] = of_dataclass(default_factory=list)


def measured(request: BreakEvenRequest, product: Product, block: tuple[int, int]) -> Compared:
    """Time the dense product once, and CSR, BSR and PIT's kernels at each sparsity.

    Raises
    ------
    InputError
        If the device is not there.
    MissingExtraError
        If torch is not installed.
    RunError
        If no sparse kernel runs.
    """
    from simcore.calibrate.measure.device import current, device_name, has_triton, resolve_device
    from simcore.calibrate.sweeps.pit import Bench, dense_product, products

    device = request.device or "cpu"
    fused = resolve_device(device).type == "cuda" and has_triton()
    bench = Bench(device, product.dtype, request.repeats, BUDGET, fused)
    shape = product.m, product.n, product.k
    with current(device):
        dense = dense_product(bench, shape)
        found = Compared(device_name(device), Timing(dense.seconds, dense.spread), dense.repeats)
        if dense.spread > NOISY:
            found.warnings.append(f"dense: measured with a spread above the bound of {NOISY:.0%}")
        notes: dict[str, list[str]] = {}
        for sparsity in tracked(request.sparsities, "sparsities measured"):
            for row in products(bench, shape, block, sparsity, dense):
                if row["way"] != "dense":
                    _keep(found, row, notes)
    found.warnings.extend(f"{why} at {', '.join(dict.fromkeys(at))}" for why, at in notes.items())
    if not found.trials:
        raise RunError(f"no sparse kernel ran: {'; '.join(found.warnings)}")
    return found


def _keep(found: Compared, row: dict[str, Any], notes: dict[str, list[str]]) -> None:
    """Keep a row of a sweep as a trial, or note why it did not run."""
    kernel, at = f"{row['way']} {row['tile']}".strip(), f"{row['sparsity']:.4g}"
    if row["seconds"] is None:
        notes.setdefault(f"not considered: {row['way']}: {row['note']}", []).append(at)
        return
    if row["noisy"]:
        notes.setdefault(f"{kernel}: measured with a spread above the bound of {NOISY:.0%}", []).append(at)
    product = Timing(row["seconds"], row["spread"])
    conversion = Timing(row["index_seconds"], row["index_spread"])
    family = row["way"].partition(" ")[0]
    found.trials.append(Trial(family, kernel, row["sparsity"], product, conversion, found.dense))


def predicted(request: BreakEvenRequest, profile: KernelProfile, product: Product, block: tuple[int, int]) -> Compared:
    """Price the dense product and the sparse kernels of a profile at each sparsity.

    Raises
    ------
    InputError
        If the profile has no sparse kernels of the number format, or a size is out of its range.
    """
    size = {"m": product.m, "n": product.n, "k": product.k, "batch": 1}
    dense = predict(profile, "gemm", product.dtype, size, extrapolate=request.extrapolate)
    found = Compared(profile.name, Timing(dense.seconds, dense.error or 0.0), 0, warnings=list(dense.notes))
    if dense.error is None:
        found.warnings.append("dense: no expected error is known, so no difference is called a tie because of it")
    refused: dict[str, list[str]] = {}
    for sparsity in request.sparsities:
        mask = RandomMask(product.m, product.k, *block, sparsity)
        found.trials.extend(_priced(request, profile, product, mask, found))
        for library in ("csr", "bsr"):
            one = _stored(request, profile, product, mask, library, dense.state)
            if isinstance(one, str):
                refused.setdefault(f"not considered: {library}: {one}", []).append(f"{sparsity:.4g}")
                continue
            time, converted, notes = one
            found.trials.append(Trial(library, library, sparsity, time, converted, found.dense))
            found.warnings.extend(notes)
    found.warnings.extend(f"{why} at {', '.join(at)}" for why, at in refused.items())
    kernels = dict.fromkeys(found.warnings)
    found.warnings[:] = kernels
    return found


def _priced(
    request: BreakEvenRequest, profile: KernelProfile, product: Product, mask: RandomMask, found: Compared
) -> Iterator[Trial]:
    """Yield the sparse kernels of a profile for one mask."""
    table = tile_table(profile, product, mask)
    if table is None:
        remedy = f"Leave {field('profile')} out to measure them, or calibrate the suites gemm and pit."
        expected = f"a profile with sparse kernels of {product.dtype}"
        raise InputError(f"profile {profile.name}", "none", expected, remedy)
    beyond = "; ".join(outside(profile, product, mask))
    if beyond and not request.extrapolate:
        remedy = (
            f"Add {field('extrapolate')} to predict it all the same, or name a product, blocks and values of "
            f"{field('sparsities')} within these bounds."
        )
        place = f"profile {profile.name}, sparse kernels {product.dtype}"
        raise InputError(place, beyond, "a problem in the range that was measured", remedy)
    if beyond:
        found.warnings.append(f"sparse kernels: extrapolated beyond what was measured ({beyond})")
    chosen = select(product, mask, table, index_cost=index_cost(profile, mask), dense_seconds=found.dense.seconds)
    kernels = [one.kernel for one in chosen.candidates if one.kernel is not None]
    found.warnings.extend(
        [*noise(profile, product.dtype, kernels), *(f"not considered: {one}" for one in chosen.unpriced)]
    )
    for one in chosen.candidates:
        if one.kernel is not None:
            times = Timing(one.seconds, one.error or 0.0), Timing(one.index_seconds, one.error or 0.0)
            yield Trial("pit", one.name, mask.sparsity, *times, found.dense)


def _stored(
    request: BreakEvenRequest, profile: KernelProfile, product: Product, mask: RandomMask, library: str, state: str
) -> tuple[Timing, Timing, list[str]] | str:
    """Return what a product by a matrix in CSR or BSR takes, its conversion, and notes; a text where it has no price.

    Parameters
    ----------
    library : {'csr', 'bsr'}
        Which.
    state : str
        Where the operands of the dense product are.
    """
    kernels = library, f"{library}-convert"
    if any(profile.fit(kernel, product.dtype) is None for kernel in kernels):
        return f"the profile has none of {product.dtype}, which the suite library measures on a CPU"
    if library == "bsr" and (mask.rows % BLOCK or mask.columns % BLOCK):
        return f"sides of the sparse matrix that {BLOCK} does not divide"
    stored = stored_elements(library, mask)
    sizes: dict[str, float] = {"m": product.m, "n": product.n, "k": product.k, "stored": stored, "batch": 1}
    try:
        times = [
            predict(profile, kernel, product.dtype, shape, extrapolate=request.extrapolate)
            for kernel, shape in zip(kernels, (sizes, conversion(library, mask)), strict=True)
        ]
    except InputError:
        return "out of the range that was measured (priced with --extrapolate alone)"
    notes = [f"{library}: {note}" for one in times for note in one.notes]
    if times[0].state != state:
        notes.append(f"{library}: priced with operands {times[0].state}, the dense product with them {state}")
    product_time, conversion_time = (Timing(one.seconds, one.error or 0.0) for one in times)
    return product_time, conversion_time, notes

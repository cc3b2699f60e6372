"""``simcore kernel``: one matrix product on a profiled device, dense or sparse, predicted and explained."""

from __future__ import annotations

import time
from collections.abc import Sequence

from simcore.errors import InputError, field
from simcore.models.compute.device import DTYPES, lacks
from simcore.models.compute.predict import Prediction, predict
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.noise import noise
from simcore.models.compute.sparse.profiled import index_cost, outside, tile_table
from simcore.models.compute.sparse.selection import Selection, select
from simcore.models.compute.sparse.tiles import Product
from simcore.numerals import as_whole
from simcore.results import Provenance, versions
from simcore.studies.inputs import device_profile
from simcore.studies.kernel.request import MatmulRequest
from simcore.studies.kernel.result import KernelResult
from simcore.studies.request import study

LARGEST_SIZE = 10**9
"""What a size stays below."""


@study(MatmulRequest)
def matmul(request: MatmulRequest) -> KernelResult:
    """Predict a product of m x k and k x n, dense or with blocks of zeros in the first matrix.

    Raises
    ------
    InputError
        If a size, the sparsity or the number format is not possible, or the shape is out of range.

    Examples
    --------
    >>> result = matmul("4096x4096x4096", profile="v100-16gb")
    >>> round(result.prediction.seconds * 1e3, 2), result.prediction.origin
    (10.22, 'published')
    """
    m, n, k = sizes(request.shape, 3, field("shape"), "4096x4096x4096")
    block = sizes(request.granularity, 2, field("granularity"), "32x1")
    _check_zeros(request.sparsity, block, m, k)
    if request.dtype not in DTYPES:
        raise lacks("", request.dtype, DTYPES)
    device = device_profile(request.profile, field("profile"))
    product = Product(m, k, n, request.dtype)
    started = time.process_time()
    size = {"m": m, "n": n, "k": k, "batch": 1}
    dense = predict(device, "gemm", request.dtype, size, extrapolate=request.extrapolate, state=request.state)
    selection, warnings = None, list(dense.notes)
    if dense.state != request.state and dense.error is not None:
        warnings.append(f"gemm {request.dtype}: measured {dense.state} alone, which stands in for {request.state}")
    if request.sparsity > 0:
        mask = RandomMask(m, k, block[0], block[1], request.sparsity)
        selection, more = _choose(device, product, mask, dense, extrapolate=request.extrapolate)
        warnings += more
    if selection is not None:
        warnings += [f"not considered: {reason}" for reason in selection.unpriced]
    return KernelResult(
        product=product,
        device=device.name,
        prediction=dense,
        selection=selection,
        warnings=tuple(warnings),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(shape=(m, n, k), granularity=block).inputs(),
            sha256={"profile": device.sha256},
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def sizes(value: str | Sequence[int], count: int, place: str, example: str) -> tuple[int, ...]:
    """Return the whole numbers of ``4096x4096x4096``, or of a sequence.

    Raises
    ------
    InputError
        If they are not that many, or one is 0.

    Examples
    --------
    >>> sizes("32X1", 2, "granularity", "32x1"), sizes([32, 1], 2, "granularity", "32x1")
    ((32, 1), (32, 1))
    >>> sizes("1e3x64", 2, "granularity", "32x1")
    (1000, 64)
    """
    text = (value if isinstance(value, str) else "x".join(map(str, value))).lower()
    read = [as_whole(part.strip()) for part in text.split("x")]
    numbers = tuple(each for each in read if each is not None and abs(each) < LARGEST_SIZE)
    if len(numbers) < len(read) or len(numbers) != count:
        raise InputError(place, f"'{text}'", f"{count} whole numbers with x between them", f"For example: {example}.")
    if min(numbers) < 1:
        raise InputError(place, f"'{text}'", "sizes of at least 1", f"For example: {example}.")
    return numbers


def _check_zeros(sparsity: float, block: tuple[int, ...], m: int, k: int) -> None:
    """Refuse zeros that the first matrix, of m x k, cannot have."""
    place, shown = field("granularity"), "x".join(map(str, block))
    check_block(block, m, k)
    if sparsity == 0 and block != (1, 1):
        found, remedy = f"'{shown}' for a matrix without zeros", f"Add {field('sparsity')} 0.95."
        raise InputError(place, found, "it with a sparsity", remedy)


def check_block(block: tuple[int, ...], m: int, k: int) -> None:
    """Refuse a block of zeros that is larger than the first matrix, of m x k.

    Raises
    ------
    InputError
        If it is.
    """
    if block[0] > m or block[1] > k:
        shown = "x".join(map(str, block))
        raise InputError(field("granularity"), f"'{shown}'", f"a block within {m}x{k}, the first matrix")


def _choose(
    profile: KernelProfile, product: Product, mask: RandomMask, dense: Prediction, *, extrapolate: bool
) -> tuple[Selection | None, list[str]]:
    """Return the choice among sparse kernels and dense, None where there are no sparse ones, and notes on it."""
    table = tile_table(profile, product, mask)
    if table is None:
        return None, [f"profile {profile.name} has no sparse kernels of {product.dtype}: only dense is predicted"]
    notes, beyond = [], "; ".join(outside(profile, product, mask))
    if beyond and not extrapolate:
        place = f"profile {profile.name}, sparse kernels {product.dtype}"
        add, out = field("extrapolate"), field("sparsity")
        remedy = f"Add {add} to predict it all the same, or leave {out} out for the dense product."
        raise InputError(place, beyond, "a problem in the range that was measured", remedy)
    if beyond:
        notes.append(f"sparse kernels: extrapolated beyond what was measured ({beyond})")
    selection = select(
        product, mask, table, index_cost=index_cost(profile, mask), dense_seconds=dense.seconds, dense_error=dense.error
    )
    priced = (one.kernel for one in selection.candidates if one.kernel is not None)
    return selection, [*notes, *noise(profile, product.dtype, priced)]

"""``simcore kernel break-even``: from which sparsity sparse kernels are faster than the dense product."""

from __future__ import annotations

import time

from simcore.errors import InputError, field
from simcore.models.compute.device import DTYPES, lacks
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.tiles import Product
from simcore.results import Provenance, versions
from simcore.studies.inputs import device_profile
from simcore.studies.kernel.candidates import measured, predicted
from simcore.studies.kernel.comparison_result import BreakEvenResult
from simcore.studies.kernel.request import BreakEvenRequest
from simcore.studies.kernel.run import check_block, sizes
from simcore.studies.request import study

FORMATS = ["fp32", "tf32", "fp16", "bf16"]
"""Number formats that sparse products are measured in."""


@study(BreakEvenRequest)
def break_even(request: BreakEvenRequest) -> BreakEvenResult:
    """Compare sparse kernels with the dense product over sparsity: measured here, or predicted from a profile.

    CSR, BSR and PIT's kernels are measured, or priced by the fits that the profile has of them. A difference inside
    the expected error is called a tie.

    Raises
    ------
    InputError
        If a size, a sparsity or the number format is not possible, the device is not there, or the shape is out of the
        profile's range.
    MissingExtraError
        If torch is needed and not installed.
    RunError
        If no sparse kernel runs.

    Examples
    --------
    >>> result = break_even("1024x1024x1024", granularity="32x1", profile="cpu")
    >>> sorted({edge["candidate"] for edge in result.tables()["break_even"]})
    ['bsr', 'csr', 'pit']
    """
    m, n, k = sizes(request.shape, 3, field("shape"), "1024x1024x1024")
    height, width = sizes(request.granularity, 2, field("granularity"), "32x1")
    check_block((height, width), m, k)
    request = request.resolved(sparsities=_sparsities(request), shape=(m, n, k), granularity=(height, width))
    product = Product(m, k, n, request.dtype)
    started, hashes = time.process_time(), {}
    if request.profile is None:
        if request.dtype not in FORMATS:
            raise lacks("torch's sparse products", request.dtype, FORMATS)
        request = request.resolved(device=request.device or "cpu")
        found, packages = measured(request, product, (height, width)), ["numpy", "torch"]
    else:
        profile, packages = _profile(request), ["numpy"]
        hashes = {"profile": profile.sha256}
        found = predicted(request, profile, product, (height, width))
    return BreakEvenResult(
        product=product,
        block=(height, width),
        compared=found,
        warnings=tuple(found.warnings),
        provenance=Provenance(request.study, request.inputs(), hashes, seed=0, versions=versions(*packages)),
        cpu_seconds=time.process_time() - started,
    )


def _profile(request: BreakEvenRequest) -> KernelProfile:
    if request.device is not None:
        remedy = "Leave one of the two out: a profile measures nothing."
        raise InputError(field("device"), f"'{request.device}'", f"nothing beside {field('profile')}", remedy)
    if request.dtype not in DTYPES:
        raise lacks("", request.dtype, DTYPES)
    assert request.profile is not None
    return device_profile(request.profile, field("profile"))


def _sparsities(request: BreakEvenRequest) -> tuple[float, ...]:
    """Return the sparsities in order, each once, or refuse them."""
    if not request.sparsities:
        raise InputError(field("sparsities"), "none", "at least one share")
    return tuple(sorted({float(one) for one in request.sparsities}))

"""What the schema of a kernel profile does not say: kernels, formulas, parameters and sizes fit together."""

from __future__ import annotations

import math
from pathlib import Path

from simcore.errors import InputError, unknown_name
from simcore.models.compute.device import DTYPES
from simcore.models.compute.kernels import FORMULA_OF, FORMULAS
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.models.compute.sparse.composed import COMPOSED

_SPARSE = ("m", "n", "k", "height", "width", "sparsity", "tile_m", "tile_k", "tile_n")
_SIZES: dict[str, tuple[str, ...]] = {
    "gemm": ("m", "n", "k"), "stream": ("bytes",), "rows": ("rows", "width"), "launch": ("nodes",),
    "index": ("elements", "partial", "micro", "found"),
    **{name: _SPARSE for name in FORMULAS if name.startswith(("pit-", "index-"))},
    **{name: ("tokens", "experts", "inner", "outer", "skew") for name in COMPOSED if name.startswith("moe-")},
    **{name: ("batch", "longest", "inner", "outer", "valid") for name in COMPOSED if name.startswith("sequence-")},
}  # fmt: skip
"""Sizes that a sample must have, by formula, or by the name of a kernel that has none."""

_MAY_BE_ZERO = frozenset({"elements", "partial", "found", "skew", "sparsity", "valid"})

_SPEEDS = frozenset({"rate", "onchip", "stream", "vector", "fresh", "bandwidth", "left", "right", "out"})
"""Parameters that times are divided by; the others may be 0, as those of data sheets are."""

_REMEDY = "Calibrate again with this version of simcore."


def check(path: Path, profile: KernelProfile) -> None:
    """Refuse a profile that would give a wrong number, or fail later where nobody looks for the cause.

    Raises
    ------
    InputError
        If a kernel, number format or formula is not one of simcore's, a parameter is missing, is no time or no speed,
        a kernel has two fits, or a sample lacks a size.
    """
    seen: set[tuple[str, str]] = set()
    for fit in profile.fits:
        place = f"{path}, fit of {fit.kernel} {fit.dtype}"
        _check_fit(place, fit)
        if (fit.kernel, fit.dtype) in seen:
            raise InputError(place, "two of them", "one per kernel and number format", "Remove one.")
        seen.add((fit.kernel, fit.dtype))
    for sample in profile.samples:
        _check_sample(f"{path}, sample '{sample.key}'", sample)


def _check_fit(place: str, fit: Fit) -> None:
    _check_names(place, fit.kernel, fit.dtype, list(FORMULA_OF))
    formula = FORMULA_OF[fit.kernel]
    if fit.formula != formula:
        raise InputError(f"{place}, field 'formula'", f"'{fit.formula}'", f"'{formula}'", _REMEDY)
    wanted = FORMULAS[formula].parameters
    amiss = sorted(wanted.keys() ^ fit.parameters.keys())
    if amiss:
        remedy = "Its samples are kept if the same simcore calibrate writes to it again, which fits anew."
        raise InputError(place, f"{', '.join(amiss)} amiss", f"the parameters {', '.join(wanted)}", remedy)
    for name, value in fit.parameters.items():
        least = "above 0" if name in _SPEEDS else "of at least 0"
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name not in _SPEEDS))):
            raise InputError(f"{place}, parameter '{name}'", f"{value:g}", f"a number {least}", _REMEDY)


def _check_sample(place: str, sample: Sample) -> None:
    _check_names(place, sample.kernel, sample.dtype, [*FORMULA_OF, *COMPOSED])
    sizes = _SIZES[FORMULA_OF.get(sample.kernel, sample.kernel)]
    missing = [name for name in sizes if name not in sample.shape]
    if missing:
        raise InputError(place, f"no {', '.join(missing)}", f"the sizes {', '.join(sizes)}", _REMEDY)
    for name, value in sample.shape.items():
        if value < 0 or (value == 0 and name not in _MAY_BE_ZERO) or (name == "sparsity" and value > 1):
            expected = "a share from 0 to 1" if name == "sparsity" else "a size above 0"
            raise InputError(f"{place}, {name}", f"{value:g}", expected, _REMEDY)


def _check_names(place: str, kernel: str, dtype: str, kernels: list[str]) -> None:
    if kernel not in kernels:
        raise unknown_name(f"{place}, field 'kernel'", kernel, kernels)
    if dtype not in DTYPES and dtype != "bool":
        raise unknown_name(f"{place}, field 'dtype'", dtype, [*DTYPES, "bool"])

"""Predicting one call of a kernel from a profile: seconds, their expected error, and what a reader must know."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import InputError, field
from simcore.models.compute.correction import USUAL_WIDTH
from simcore.models.compute.device import DTYPES, lacks
from simcore.models.compute.expected import expected_error
from simcore.models.compute.kernels import MEMORY_BOUND, outside, seconds_of
from simcore.models.compute.profile import NOISY, Fit, KernelProfile, Shape
from simcore.models.compute.unfitted import why_unfitted


@dataclass(frozen=True)
class Prediction:
    """A kernel's predicted time.

    Attributes
    ----------
    seconds : float
        One call [s].
    error : float or None
        Expected relative error here, see `simcore.models.compute.expected`; None where nothing was measured.
    origin : str
        How the fit came about: fitted, published or data sheet.
    basis : str
        What the error was seen on, see `simcore.models.compute.expected.ExpectedError`.
    notes : tuple of str
        What a reader must know: extrapolation, another kernel's fit in place of a missing one, noise.
    """

    seconds: float
    error: float | None
    origin: str
    basis: str = ""
    notes: tuple[str, ...] = ()


def predict(profile: KernelProfile, kernel: str, dtype: str, shape: Shape, *, extrapolate: bool = False) -> Prediction:
    """Predict one call of a kernel.

    Parameters
    ----------
    profile : KernelProfile
        Of the device.
    kernel, dtype, shape
        See `simcore.models.compute.profile.Sample`.
    extrapolate : bool
        Whether shapes outside the sampled range are predicted, with a note, or refused.

    Returns
    -------
    Prediction
        Seconds, expected error and notes.

    Raises
    ------
    InputError
        If a size is not above 0, the profile lacks the kernel or the number format, or the shape is out of range.
    """
    for name, value in shape.items():
        if name in _SIZES and not value > 0:
            raise InputError(f"{kernel}, {name}", f"{value:g}", "a size above 0")
    fit, notes = fit_for(profile, kernel, dtype)
    shape = _known(fit, shape)
    beyond = outside(fit, shape)
    if beyond:
        if not extrapolate:
            expected = "a shape in the range that was measured"
            more = ", or run simcore calibrate --full" if fit.origin == "fitted" else ""
            remedy = f"Add {field('extrapolate')} to predict it all the same{more}."
            raise InputError(f"profile {profile.name}, {kernel} {dtype}", "; ".join(beyond), expected, remedy)
        notes += (f"{kernel} {dtype}: extrapolated beyond what was measured, where the expected error says little",)
    if "width" in fit.ranges and "width" not in shape:
        notes += (f"{kernel} {dtype}: the width of its rows is not given, {USUAL_WIDTH:g} elements are assumed",)
    if fit.origin == "data sheet":
        notes += (f"{kernel} {dtype}: from data-sheet peaks, which no kernel reaches, so a lower bound",)
    if fit.noisy:
        notes += (f"{kernel} {dtype}: measured with a spread above the bound of {NOISY:.0%}",)
    error = expected_error(profile, fit, shape)
    return Prediction(seconds_of(fit, shape, profile.device), error.relative, fit.origin, error.basis, notes)


def _known(fit: Fit, shape: Shape) -> Shape:
    """Return the sizes that a fit knows: how wide rows are matters to those alone that were sampled with it."""
    if "width" not in shape or "width" in fit.ranges or fit.formula != "stream":
        return shape
    return {name: size for name, size in shape.items() if name != "width"}


def require_fits(profile: KernelProfile) -> None:
    """Refuse a profile whose calibration was stopped before anything was fitted.

    Raises
    ------
    InputError
        If it has no fits.
    """
    if not profile.fits:
        remedy = "Run simcore calibrate on its file again."
        raise InputError(f"profile {profile.name}", "no fits", "a calibration that came to its end", remedy)


_SIZES = frozenset({
    "m", "n", "k", "batch", "bytes", "rows", "width", "micro", "nodes",
    "in_channels", "out_channels", "height", "kernel_h", "kernel_w", "stride", "groups",
})  # fmt: skip


def as_wide(profile: KernelProfile, kernel: str, dtype: str) -> Fit | None:
    """Return the fit of a kernel, of one that moves bytes also that of another number format as wide; or None.

    Memory holds TF32 as fp32, and moving fp16 takes what moving bf16 takes.
    """
    same = [name for name, size in DTYPES.items() if size == DTYPES.get(dtype)] if kernel in _MOVING else []
    return next((fit for name in (dtype, *same) if (fit := profile.fit(kernel, name)) is not None), None)


_MOVING = frozenset({*MEMORY_BOUND, "gather", "scatter"})


def fit_for(profile: KernelProfile, kernel: str, dtype: str) -> tuple[Fit, tuple[str, ...]]:
    """Return the fit that predicts a kernel, and what a reader must know where it is another's.

    Raises
    ------
    InputError
        If the profile lacks the kernel or the number format.
    """
    fitted = as_wide(profile, kernel, dtype)
    if fitted is None and kernel in MEMORY_BOUND:
        fitted = as_wide(profile, "copy", dtype)
    if fitted is not None:
        notes = []
        if fitted.kernel != kernel:
            notes.append(f"{kernel} {dtype}: not in the profile, a copy stands in")
        if fitted.dtype not in {dtype, "fp32"}:
            notes.append(f"{kernel} {dtype}: not in the profile, {fitted.dtype} stands in, which is as wide")
        return fitted, tuple(notes)
    require_fits(profile)
    why = why_unfitted(profile, kernel, dtype)
    if why is not None and any((one.kernel, one.dtype) == (kernel, dtype) for one in profile.samples):
        raise InputError(f"profile {profile.name}", f"no fit, {why}", "a calibration that came to its end")
    known = {fit.dtype: None for fit in profile.fits if fit.kernel == kernel}
    if known:
        raise lacks(f"profile {profile.name}", dtype, known)
    kernels = sorted({fit.kernel for fit in profile.fits})
    remedy = "Calibrate the suite that measures it."
    raise InputError(f"profile {profile.name}", f"no fit of '{kernel}'", f"one of {', '.join(kernels)}", remedy)

"""Predicting one call of a kernel from a profile: seconds, their expected error, and what a reader must know."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import InputError
from simcore.models.compute.device import lacks
from simcore.models.compute.kernels import MEMORY_BOUND, outside, seconds_of
from simcore.models.compute.profile import NOISY, Fit, KernelProfile, Shape


@dataclass(frozen=True)
class Prediction:
    """A kernel's predicted time.

    Attributes
    ----------
    seconds : float
        One call [s].
    error : float or None
        Expected relative error: the fit's MAPE on held-out shapes, else on its own; None where nothing was measured.
    origin : str
        How the fit came about: fitted, published or data sheet.
    notes : tuple of str
        What a reader must know: extrapolation, another kernel's fit in place of a missing one, noise.
    """

    seconds: float
    error: float | None
    origin: str
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
    fit, notes = _fit(profile, kernel, dtype)
    beyond = outside(fit, shape)
    if beyond:
        if not extrapolate:
            expected = "a shape in the range that was measured"
            remedy = "Add --extrapolate to predict it all the same, or calibrate with --full."
            raise InputError(f"profile {profile.name}, {kernel} {dtype}", "; ".join(beyond), expected, remedy)
        notes += (f"{kernel} {dtype}: extrapolated beyond what was measured",)
    if fit.origin == "data sheet":
        notes += (f"{kernel} {dtype}: from data-sheet peaks, which no kernel reaches, so a lower bound",)
    if fit.noisy:
        notes += (f"{kernel} {dtype}: measured with a spread above the bound of {NOISY:.0%}",)
    errors = fit.errors
    return Prediction(
        seconds_of(fit, shape, profile.device), None if errors is None else errors.mape, fit.origin, notes
    )


_SIZES = frozenset({"m", "n", "k", "batch", "bytes", "rows", "width", "micro", "nodes"})


def _fit(profile: KernelProfile, kernel: str, dtype: str) -> tuple[Fit, tuple[str, ...]]:
    found = profile.fit(kernel, dtype)
    if found is not None:
        return found, ()
    stored = "fp32" if dtype == "tf32" else dtype  # TF32 is a way to multiply: memory holds fp32
    stand_in = profile.fit(kernel, stored) or (profile.fit("copy", stored) if kernel in MEMORY_BOUND else None)
    if stand_in is not None and kernel != "gemm":
        note = () if stand_in.kernel == kernel else (f"{kernel} {dtype}: not in the profile, a copy stands in",)
        return stand_in, note
    known = {fit.dtype: None for fit in profile.fits if fit.kernel == kernel}
    if known:
        raise lacks(f"profile {profile.name}", dtype, known)
    kernels = sorted({fit.kernel for fit in profile.fits})
    remedy = "Calibrate the suite that measures it."
    raise InputError(f"profile {profile.name}", f"no fit of '{kernel}'", f"one of {', '.join(kernels)}", remedy)

"""Predicting one call of a kernel from a profile: seconds, their expected error, and what a reader must know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.errors import InputError, field
from simcore.models.compute.convolution import CONVOLUTIONS, as_product, is_depthwise, is_pointwise
from simcore.models.compute.correction import USUAL_WIDTH
from simcore.models.compute.device import DTYPES, FAR, Device, lacks
from simcore.models.compute.expected import expected_error
from simcore.models.compute.kernels import MEMORY_BOUND, ROWS, STREAMS, outside, seconds_of
from simcore.models.compute.profile import NOISY, Fit, KernelProfile, Shape, State
from simcore.models.compute.unfitted import why_unfitted

EXTRAPOLATED = (
    "extrapolated beyond what was measured, where the expected error says little (done unasked for a model, for a "
    "kernel by its shape only with --extrapolate)"
)
"""What is said of a shape outside the range of a profile."""


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
    state : str
        Where the operands are: ``cold``, ``warm``, or ``30% cold`` between the two.
    """

    seconds: float
    error: float | None
    origin: str
    basis: str = ""
    notes: tuple[str, ...] = ()
    state: str = "cold"


def cold_share(operands: Sequence[tuple[float, float]], device: Device) -> float:
    """Return the share of a call's operands that is cold, by bytes; 1 where nothing is known of them.

    An operand is warm if no more bytes than the cache holds were touched since it was, and cold from `FAR` bytes on. On
    a CPU, whose caches are several, the share grows with the bytes in between; a GPU's is 1.

    Parameters
    ----------
    operands : sequence of (float, float)
        Bytes of each, and bytes that were touched since [B].
    device : Device
        Whose cache it is.

    Examples
    --------
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, cache=1.5 * 2**20)
    >>> cold_share([(300, 0.0), (100, 2.0**30)], toy), cold_share([(1, 48.75 * 2**20)], toy), cold_share([], toy)
    (0.25, 0.5, 1.0)
    """
    total = math.fsum(size for size, _ in operands)
    if total <= 0:
        return 1.0
    return math.fsum(size * _coldness(far, device) for size, far in operands) / total


def _coldness(far: float, device: Device) -> float:
    if far <= device.cache:
        return 0.0
    if device.kind != "cpu" or far >= FAR:
        return 1.0
    return (far - device.cache) / (FAR - device.cache)


def predict_between(
    profile: KernelProfile, kernel: str, dtype: str, shape: Shape, share: float, *, extrapolate: bool = False
) -> Prediction:
    """Predict one call of which a share of the operands is cold: ``warm + (cold - warm) share``.

    Where the profile has one state of the kernel alone, it is that.

    Parameters
    ----------
    profile, kernel, dtype, shape, extrapolate
        See `predict`.
    share : float
        From 0 to 1, see `cold_share`.

    Raises
    ------
    InputError
        As `predict` does.
    """
    cold = predict(profile, kernel, dtype, shape, extrapolate=extrapolate)
    if share >= 1 or cold.state != "cold":
        return cold
    warm = predict(profile, kernel, dtype, shape, extrapolate=extrapolate, state="warm")
    if share <= 0 or warm.state != "warm":
        return warm
    seconds = warm.seconds + (cold.seconds - warm.seconds) * share
    error = None if cold.error is None or warm.error is None else warm.error + (cold.error - warm.error) * share
    notes = tuple(dict.fromkeys((*warm.notes, *cold.notes)))
    return Prediction(seconds, error, cold.origin, cold.basis, notes, f"{share:.0%} cold")


def predict(
    profile: KernelProfile,
    kernel: str,
    dtype: str,
    shape: Shape,
    *,
    extrapolate: bool = False,
    state: State = "cold",
) -> Prediction:
    """Predict one call of a kernel.

    Parameters
    ----------
    profile : KernelProfile
        Of the device.
    kernel, dtype, shape
        See `simcore.models.compute.profile.Sample`.
    extrapolate : bool
        Whether shapes outside the sampled range are predicted, with a note, or refused.
    state : {'cold', 'warm'}
        Where the operands are; `Prediction.state` is the other where the profile has that alone.

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
    fit, notes = fit_for(profile, kernel, dtype, shape, state)
    shape = sizes_known(fit, kernel, shape)
    beyond = outside(fit, shape)
    if beyond:
        if not extrapolate:
            expected = "a shape in the range that was measured"
            more = ", or run simcore calibrate --full" if fit.origin == "fitted" else ""
            remedy = f"Add {field('extrapolate')} to predict it all the same{more}."
            raise InputError(f"profile {profile.name}, {kernel} {dtype}", "; ".join(beyond), expected, remedy)
        notes += (f"{kernel} {dtype}: {EXTRAPOLATED}",)
    if "width" in fit.ranges and "width" not in shape:
        notes += (f"{kernel} {dtype}: the width of its rows is not given, {USUAL_WIDTH:g} elements are assumed",)
    if fit.origin == SHEET:
        notes += (f"{kernel} {dtype}: {ESTIMATED}",)
    if fit.noisy:
        notes += (f"{kernel} {dtype}: measured with a spread above the bound of {NOISY:.0%}",)
    error = expected_error(profile, fit, shape)
    seconds = seconds_of(fit, shape, profile.device)
    return Prediction(seconds, error.relative, fit.origin, error.basis, notes, fit.state)


def sizes_known(fit: Fit, kernel: str, shape: Shape) -> Shape:
    """Return the sizes that a fit knows.

    How wide rows are, how many tensors an update has and how much dropout drops matter to those alone that were sampled
    with it.
    """
    if fit.formula == "gemm" and kernel in CONVOLUTIONS:  # a convolution that is a product
        return as_product(shape, CONVOLUTIONS[kernel])
    if fit.formula == "gemm" and kernel in ATTENTION:
        return _as_products(shape, kernel)
    if fit.formula not in STREAMS:
        return shape
    return {name: size for name, size in shape.items() if name == "bytes" or name in fit.ranges}


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


ESTIMATED = "estimated from data-sheet peaks, which few kernels reach"
"""Note on a prediction that no measurement stands behind. It is no bound: operands are added to compute, tiles fill
waves, and plain attention writes its scores, all of which a clever kernel hides or leaves out."""

_SIZES = frozenset({
    "m", "n", "k", "batch", "bytes", "tensors", "rows", "width", "micro", "nodes",
    "in_channels", "out_channels", "height", "kernel_h", "kernel_w", "stride", "groups", "heads", "queries", "keys",
    "stored", "runs",
})  # fmt: skip


def as_wide(profile: KernelProfile, kernel: str, dtype: str, state: State = "cold") -> Fit | None:
    """Return the fit of a kernel, of one that moves bytes also that of another number format as wide; or None.

    Memory holds TF32 as fp32, and moving fp16 takes what moving bf16 takes.
    """
    same = [name for name, size in DTYPES.items() if size == DTYPES.get(dtype)] if kernel in _MOVING else []
    return next((fit for name in (dtype, *same) if (fit := profile.fit(kernel, name, state)) is not None), None)


SHEET = "data sheet"
"""Origin of a fit that nobody measured."""

_MOVING = frozenset({*MEMORY_BOUND, *ROWS})


def fit_for(
    profile: KernelProfile, kernel: str, dtype: str, shape: Shape | None = None, state: State = "cold"
) -> tuple[Fit, tuple[str, ...]]:
    """Return the fit that predicts a kernel, and what a reader must know where it is another's.

    Parameters
    ----------
    profile, kernel, dtype
        See `predict`.
    shape : mapping of str to float, optional
        Its sizes: a convolution of 1 x 1 is a product.
    state : {'cold', 'warm'}
        That of the fit, where the profile has one in it.

    Raises
    ------
    InputError
        If the profile lacks the kernel or the number format.
    """
    fitted, notes = as_wide(profile, kernel, dtype, state), []
    if fitted is None:
        fitted, what = _standing_in(profile, kernel, dtype, shape, state)
        if fitted is not None:
            notes.append(f"{kernel} {dtype}: not in the profile, {what} stands in")
    if fitted is not None:
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


def _of_same_bytes(profile: KernelProfile, kernel: str, dtype: str, state: State) -> tuple[Fit | None, str]:
    """Return the fit of a copy; where that is but a data sheet's, of the forward pass or of a sum, if measured."""
    names = {"copy": "a copy", kernel.removesuffix("_backward"): "its forward pass of as many bytes", "add": "a sum"}
    fits = [(fit, what) for name, what in names.items() if (fit := as_wide(profile, name, dtype, state)) is not None]
    measured = (one for one in fits if one[0].origin != SHEET)
    return next(measured, fits[0] if fits else (None, ""))


def _standing_in(
    profile: KernelProfile, kernel: str, dtype: str, shape: Shape | None, state: State
) -> tuple[Fit | None, str]:
    """Return another kernel's fit for one that a profile lacks, and what to call it."""
    if kernel in MEMORY_BOUND:
        return _of_same_bytes(profile, kernel, dtype, state)
    if kernel in _LIKE:
        return as_wide(profile, _LIKE[kernel], dtype, state), f"a {_LIKE[kernel]} of as many rows"
    if kernel in ATTENTION:
        products = profile.fit("gemm", dtype, state)
        if products is not None and products.origin == SHEET:
            return _of_sheet(products, kernel), "the peak of its products"
        return products, "a product of as much work"
    if kernel not in CONVOLUTIONS:
        return None, ""
    forward = profile.fit("conv", dtype, state)
    if forward is not None:
        return forward, "its forward pass of as much work"
    if shape is not None and is_pointwise(shape):
        return profile.fit("gemm", dtype, state), "the product that it is"
    products = profile.fit("gemm", dtype, state)
    known = any(fit.kernel == "conv" for fit in profile.fits) or (products is not None and products.origin == SHEET)
    if shape is not None and known and not is_depthwise(shape):
        return products, "a product of the sizes that it has as one"
    return None, ""


ATTENTION = {"attention": 2, "attention_backward": 5}
"""Kernels of fused attention, with the products of queries x keys x width in each: its gradients multiply again."""


def _of_sheet(products: Fit, kernel: str) -> Fit:
    """Return what a data sheet says of fused attention: its products at peak, and no scores that memory sees."""
    at = products.parameters
    speeds = {"rate": at["rate"] * ATTENTION["attention"] / ATTENTION[kernel], "scores": math.inf}
    parameters = {"t0": at["t0"], "stream": at["stream"], **speeds}
    return Fit(kernel, products.dtype, "attention", parameters, origin=products.origin, source=products.source)


def _as_products(shape: Shape, kernel: str) -> Shape:
    """Return one product of as much work as those of fused attention."""
    batch, columns = shape["batch"] * shape["heads"], ATTENTION[kernel] * shape["width"]
    return {"m": shape["queries"], "n": columns, "k": shape["keys"], "batch": batch}


_LIKE = {"embedding_bag": "gather", "embedding_bag_backward": "scatter"}
"""What moves rows as a kernel does."""

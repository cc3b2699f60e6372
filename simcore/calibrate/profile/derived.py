"""A profile of a device that nobody measured: those of measured devices, scaled by data sheets, and blended.

A source's fit is asked what it would say of a device with the target's processors, and with its own speeds scaled by
the ratio of what the sheets say. So tiles and waves are those of the target, and what the library is known to do with a
shape is the source's. The weighted median of the sources becomes samples, and those an ordinary fit.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simcore.calibrate.profile.boost import added
from simcore.calibrate.profile.fit import fit_kernel
from simcore.calibrate.profile.published import FITTED, MOST_TILES, corrected, thinned
from simcore.models.compute.convolution import as_product
from simcore.models.compute.correction import FEATURES, FEATURES_OF, FUSED_SAVES
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULAS, STREAMS, outside, seconds_of
from simcore.models.compute.profile import Errors, Fit, KernelProfile, Sample, Shape

Reals = NDArray[np.float64]

ORIGIN = "derived"
"""Of the fits and of the profile."""

BANDWIDTHS = frozenset({"stream", "vector", "bandwidth", "fresh", "left", "right", "out", "touched", "byte"})
"""Parameters that go with the memory's bandwidth."""

COMPUTES = frozenset({"rate", "onchip", "pointwise", "depthwise", "scores"})
"""Parameters that go with what a device multiplies at large products; all others are kept."""

UNLIKE = 0.5
"""What a generation between source and target multiplies the weight of the source by."""

BEYOND = 0.2
"""What a shape outside what a source was sampled on multiplies its weight by there."""

STATIC = 20.0
"""What a board draws for memory, regulators and leaks, whatever it computes [W]."""

SLOWEST_CLOCK = 0.4
"""Share of the boost clock that power never takes a device below: data sheets name 585 of 1,590 MHz (T4)."""

SHARPNESS = 4
"""Order of the mean in which the time that power allows and the time at full clock join."""

COPIES = 4
"""Shapes that are made of each of the sources', with every size changed by up to a factor `SPREAD`."""

SPREAD = 1.5
"""See `COPIES`."""

LARGE: tuple[Shape, ...] = tuple(
    {"m": m, "n": n, "k": k, "batch": batch}
    for m, n, k, batch in (
        (4096, 4096, 4096, 1), (8192, 4096, 4096, 1), (4096, 8192, 2048, 1),
        (2048, 2048, 2048, 64), (1024, 1024, 1024, 256), (512, 512, 512, 512),
    )
)  # fmt: skip
"""Products whose speed is what a device sustains."""


@dataclass(frozen=True)
class Sustained:
    """What a device multiplies at large products in one number format.

    Attributes
    ----------
    clocked : float
        Where power suffices for its full clock [FLOP/s].
    powered : float
        Where it computes without a pause [FLOP/s]; not above `clocked`.
    """

    clocked: float
    powered: float


@dataclass(frozen=True)
class Sources:
    """Measured fits of one kernel and number format, and what their devices sustain in it.

    Attributes
    ----------
    fits : sequence of Fit
        One for each device.
    devices : sequence of Device
        Where they were measured.
    sustained : sequence of float
        Of each, see `sustained` [FLOP/s]; of no meaning for a kernel that multiplies nothing.
    """

    fits: Sequence[Fit]
    devices: Sequence[Device]
    sustained: Sequence[float]

    def without(self, left_out: int) -> Sources:
        """Return the other sources."""
        keep = [at for at in range(len(self.fits)) if at != left_out]
        fits, devices = [self.fits[at] for at in keep], [self.devices[at] for at in keep]
        return Sources(fits, devices, [self.sustained[at] for at in keep])

    def target(self, device: Device) -> Sustained:
        """Return what a device sustains, by its sheet and what of their sheets the sources do.

        A source whose power suffices for its peak says which share of a peak is reached. The best work per energy of
        all says what power allows. Sheets without a power say nothing of that.

        Examples
        --------
        >>> one = Device("one", "cuda", 8, 1e9, 1e9, 1e6, peaks={"fp32": 1e12}, power=120)
        >>> fit = Fit("gemm", "fp32", "gemm", {})
        >>> low = replace(one, name="low", power=28)
        >>> Sources([fit], [one], [0.8e12]).target(low)
        Sustained(clocked=800000000000.0, powered=320000000000.0)
        """
        dtype = self.fits[0].dtype
        budgets = [_budget(each) for each in self.devices]
        per_joule = max(got / watts for got, watts in zip(self.sustained, budgets, strict=True))
        shares = [got / each.peak(dtype) for got, each in zip(self.sustained, self.devices, strict=True)]
        free = [share for share, each, watts in zip(shares, self.devices, budgets, strict=True)
                if not per_joule or per_joule * watts >= each.peak(dtype)]  # fmt: skip
        clocked = statistics.median(free or [max(shares)]) * device.peak(dtype)
        allowed = per_joule * _budget(device) if per_joule else math.inf
        return Sustained(clocked, min(clocked, max(allowed, SLOWEST_CLOCK * clocked)))


def _budget(device: Device) -> float:
    """Return what a device may draw to compute [W]; no end of it where its sheet does not say."""
    return device.power - STATIC if device.power > STATIC else math.inf


def sustained(profile: KernelProfile, dtype: str) -> float | None:
    """Return what a device multiplies at large products [FLOP/s]; None where its profile has measured none."""
    fit = profile.fit("gemm", dtype)
    if fit is None or not fit.ranges:
        return None
    sampled = [shape for shape in LARGE if not outside(fit, shape)]
    return statistics.median(
        2 * math.prod(shape.values()) / seconds_of(fit, shape, profile.device) for shape in sampled or LARGE
    )


def derive_fit(sources: Sources, samples: Sequence[Sequence[Sample]], device: Device) -> Fit:
    """Derive the fit of one kernel and number format for a device.

    Parameters
    ----------
    sources : Sources
        Measured elsewhere.
    samples : sequence of sequences of Sample
        Of each source, what its profile holds of the kernel.
    device : Device
        What it is for.

    Returns
    -------
    Fit
        Its errors are those on sources, each predicted from the others; it has none where there is one source.
    """
    every = [one for each in samples for one in each]
    shapes = list(_around([one.shape for one in every]))
    first = sources.fits[0]
    seconds = blended(sources, shapes, device)
    made = [
        Sample(first.kernel, first.dtype, shape, float(t), state=first.state)
        for shape, t in zip(shapes, seconds, strict=True)
    ]
    fit = fit_kernel(thinned(made, FITTED), device)
    if fit.formula in FEATURES_OF:
        fit = corrected(fit, made, _tiles(sources, device), device, in_order=False)
    errors = Errors.of(left_out(sources, samples)) if len(sources.fits) > 1 else None
    return replace(fit, residuals=(), held_out=(), judged=errors, origin=ORIGIN, ranges=_ranges(sources.fits))


def left_out(sources: Sources, samples: Sequence[Sequence[Sample]]) -> list[float]:
    """Return predicted / measured - 1 of every source's samples, predicted from the other sources."""
    misses: list[float] = []
    for at, (device, known) in enumerate(zip(sources.devices, samples, strict=True)):
        seconds = blended(sources.without(at), [one.shape for one in known], device)
        misses += [float(t) / one.seconds - 1 for t, one in zip(seconds, known, strict=True)]
    return misses


def blended(sources: Sources, shapes: Sequence[Shape], device: Device) -> Reals:
    """Return the weighted median of what sources say of a device, by shape [s]."""
    speed = sources.target(device) if computes(sources.fits[0]) else Sustained(1.0, 1.0)
    logs = np.log([_scaled(*of, shapes, device, speed.clocked) for of in
                   zip(sources.fits, sources.devices, sources.sustained, strict=True)])  # fmt: skip
    weights = np.array([
        UNLIKE ** abs(generation(each) - generation(device)) * np.where(_beyond(fit, shapes), BEYOND, 1.0)
        for fit, each in zip(sources.fits, sources.devices, strict=True)
    ])  # fmt: skip
    seconds = np.exp(weighted_median(logs, weights))
    return _slowed(sources, shapes, seconds, speed) if speed.powered < speed.clocked else seconds


def computes(fit: Fit) -> bool:
    """Say whether the time of a kernel goes with what its device multiplies."""
    return "rate" in fit.parameters


def _slowed(sources: Sources, shapes: Sequence[Shape], seconds: Reals, speed: Sustained) -> Reals:
    """Return times that are not less than what power allows for the work [s].

    What other kernels than products and convolutions multiply is not known here: all of their time is taken as work.
    """
    count = _WORK.get(sources.fits[0].formula)
    if count is None:
        return seconds * speed.clocked / speed.powered
    work = np.array([count(shape) for shape in shapes])
    return (seconds**SHARPNESS + (work / speed.powered) ** SHARPNESS) ** (1 / SHARPNESS)


def _product_work(shape: Shape) -> float:
    return 2 * shape["m"] * shape["n"] * shape["k"] * shape.get("batch", 1)


def _convolution_work(shape: Shape) -> float:
    """Return what is multiplied at least [FLOP]: Winograd's algorithm saves some of a 3 x 3 convolution of stride 1."""
    winograd = shape["kernel_h"] == shape["kernel_w"] == 3 and shape["stride"] == 1
    return _product_work(as_product(shape)) / (FUSED_SAVES if winograd else 1.0)


_WORK = {"gemm": _product_work, "conv": _convolution_work}


def _scaled(fit: Fit, source: Device, reached: float, shapes: Sequence[Shape], device: Device, speed: float) -> Reals:
    """Return what a source's fit says of another device [s]."""
    factors = {
        **dict.fromkeys(BANDWIDTHS, device.bandwidth / source.bandwidth),
        **dict.fromkeys(COMPUTES, speed / reached),
        "knee": device.cache / source.cache if fit.formula in STREAMS else 1.0,
    }
    parameters = {name: value * factors.get(name, 1.0) for name, value in fit.parameters.items()}
    moved = replace(fit, parameters=parameters, correction=None)
    seconds = np.array([seconds_of(moved, shape, device) for shape in shapes])
    learned = fit.correction
    if learned is None:
        return seconds
    features = np.array([FEATURES[learned.features](shape, learned.tiles, device) for shape in shapes])
    return seconds * np.exp(added(learned.trees, features))


def generation(device: Device) -> int:
    """Return how far the cores of a device have come, by the number formats of its sheet.

    0 without tensor cores, 1 with those of fp16, 2 with those of bf16 or TF32. A library's kernels go with it.

    Examples
    --------
    >>> pascal = Device("p100", "cuda", 56, 16e9, 732e9, 4e6, peaks={"fp32": 9.3e12, "fp16": 18.7e12})
    >>> generation(pascal), generation(replace(pascal, peaks={"fp32": 14e12, "fp16": 112e12}))
    (0, 1)
    """
    if {"bf16", "tf32"} & device.peaks.keys():
        return 2
    return int(device.peaks.get("fp16", 0.0) > 3 * device.peaks.get("fp32", math.inf))


def weighted_median(values: Reals, weights: Reals) -> Reals:
    """Return the weighted median of each column, between the two values that are in the middle.

    Examples
    --------
    >>> weighted_median(np.array([[1.0], [2.0], [9.0]]), np.ones((3, 1))).tolist()
    [2.0]
    """
    order = np.argsort(values, 0)
    values, weights = np.take_along_axis(values, order, 0), np.take_along_axis(weights, order, 0)
    middles = (weights.cumsum(0) - weights / 2) / weights.sum(0)
    return np.array([np.interp(0.5, middles[:, at], values[:, at]) for at in range(values.shape[1])])


def _beyond(fit: Fit, shapes: Sequence[Shape]) -> NDArray[np.bool_]:
    return np.array([bool(outside(fit, shape)) for shape in shapes])


def _around(shapes: Sequence[Shape]) -> Iterator[Shape]:
    """Yield shapes, and for each some with other sizes nearby, as even as those are."""
    chance = np.random.default_rng(0)
    for shape in dict.fromkeys(tuple(sorted(each.items())) for each in shapes):
        yield dict(shape)
        for _ in range(COPIES):
            other = {name: _nearby(name, size, chance) for name, size in shape}
            square = "height" in other and dict(shape)["height"] == dict(shape)["width"]
            yield {**other, "width": other["height"]} if square else other


_KEPT = frozenset({"kernel_h", "kernel_w", "stride", "padding", "groups"})


def _nearby(name: str, size: float, chance: np.random.Generator) -> float:
    """Return a size nearby, a multiple of 8 or 2 if that was one."""
    if name in _KEPT or size <= 1:
        return size
    step = next(each for each in (8, 2, 1) if size % each == 0 or each == 1)
    return max(step, round(size * math.pow(SPREAD, chance.uniform(-1, 1)) / step) * step)


def _tiles(sources: Sources, device: Device) -> tuple[tuple[int, int], ...]:
    """Return tiles of the sources, those of the likeliest first."""
    near = sorted(range(len(sources.fits)), key=lambda at: abs(generation(sources.devices[at]) - generation(device)))
    corrections = [sources.fits[at].correction for at in near]
    tiles = dict.fromkeys(tile for each in corrections if each is not None for tile in each.tiles)
    return tuple(tiles)[:MOST_TILES]


def _ranges(fits: Sequence[Fit]) -> Mapping[str, tuple[float, float]]:
    """Return what any of the fits was sampled on."""
    names = [name for name in fits[0].ranges if all(name in fit.ranges for fit in fits)]
    return {name: (min(fit.ranges[name][0] for fit in fits), max(fit.ranges[name][1] for fit in fits))
            for name in names}  # fmt: skip


def measured_fits(profile: KernelProfile) -> list[Fit]:
    """Return the fits of a profile that speak for a shape, as they were made from measurements."""
    return [fit for fit in profile.fits if fit.ranges and fit.origin != ORIGIN and fit.formula in FORMULAS]

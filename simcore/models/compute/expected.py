"""How far a prediction is likely off: what its fit missed by, over all samples and at those nearest to the shape."""

from __future__ import annotations

import bisect
import heapq
import math
from dataclasses import dataclass

from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.profile import Errors, Fit, KernelProfile, Sample, Shape

SEEN = "on fitted shapes"
"""Basis of an error where nothing was held out."""

NEAREST = 3
"""Samples that count as near a shape."""

ENOUGH = 10
"""Samples of a size class from which on its errors say what is to be expected there."""

ALIKE = 20
"""Samples of a size class that are asked, those nearest to the shape."""

SIZE_CLASSES = (20e-6, 100e-6, 1e-3)
"""Times of a call at which size classes begin [s]: short calls are mostly what a call costs at all."""

OFFSET = 0.1
"""Added to distances, so that a shape's own sample counts ten times as much as one at twice a size."""


@dataclass(frozen=True)
class ExpectedError:
    """A relative error and what it was seen on.

    Attributes
    ----------
    relative : float or None
        Mean absolute relative error; None where nothing was measured.
    basis : str
        ``on held-out shapes``, ``on devices left out``, ``on fitted shapes``, ``on the nearest measured shapes`` or
        ``on shapes of this size and nearby``.
    """

    relative: float | None
    basis: str = ""


def size_class(seconds: float) -> int:
    """Return the number of the size class of a call, from 0.

    Examples
    --------
    >>> size_class(5e-6), size_class(20e-6), size_class(2e-3)
    (0, 1, 3)
    """
    return bisect.bisect_right(SIZE_CLASSES, seconds)


def class_name(number: int) -> str:
    """Return what a size class is called.

    Examples
    --------
    >>> [class_name(number) for number in range(4)]
    ['< 20 us', '20 us - 0.1 ms', '0.1 - 1 ms', '>= 1 ms']
    """
    return ("< 20 us", "20 us - 0.1 ms", "0.1 - 1 ms", ">= 1 ms")[number]


def errors_by_class(profile: KernelProfile, fit: Fit) -> dict[int, Errors]:
    """Return the errors of a fit by the size class of what was measured, of those that the profile holds samples of."""
    pairs = _missed(profile, fit)
    groups: dict[int, list[float]] = {}
    for sample, miss in pairs:
        groups.setdefault(size_class(sample.seconds), []).append(miss)
    return {number: errors for number in sorted(groups) if (errors := Errors.of(groups[number])) is not None}


def expected_error(profile: KernelProfile, fit: Fit, shape: Shape | None) -> ExpectedError:
    """Return what a fit is likely off by at a shape.

    Where its size class has `ENOUGH` samples whose residuals are honest, it is the mean over the `ALIKE` nearest of
    them, and over each two of their passes: short calls with cold operands take another time in each pass, and so will
    they the next time. Otherwise it is the worst of three: on held-out samples, on fitted ones, and on the samples
    nearest by. A fit can be good on average and bad in a corner, and its own samples know. The error nearest by is the
    mean over the `NEAREST` samples, weighted by ``1 / (OFFSET + d)``, with d the distance in doublings of the sizes.

    Parameters
    ----------
    profile : KernelProfile
        Whose samples the residuals of the fit belong to, in their order.
    fit : Fit
        Of one kernel and number format.
    shape : mapping of str to float or None
        Where the prediction is asked for; None for nowhere in particular, and then the first two count.
    """
    unseen = "on devices left out" if fit.origin == "derived" else "on held-out shapes"
    errors_on = [(fit.errors_held_out, unseen), (Errors.of(fit.residuals), SEEN)]
    known = [ExpectedError(errors.mape, basis) for errors, basis in errors_on if errors is not None]
    near = None if shape is None else _near(profile, fit, shape)
    if shape is not None and fit.correction is not None and fit.origin == "fitted":  # its residuals are honest
        own = size_class(seconds_of(fit, shape, profile.device))
        alike = [pair for pair in _missed(profile, fit) if size_class(pair[0].seconds) == own]
        if len(alike) >= ENOUGH:
            nearest = heapq.nsmallest(ALIKE, alike, key=lambda pair: distance(shape, pair[0].shape))
            misses = [abs(one.seconds * (1 + miss) / each - 1) for one, miss in nearest for each in one.of_pairs]
            return ExpectedError(math.fsum(misses) / len(misses), "on shapes of this size and nearby")
    if near is not None:
        known.append(ExpectedError(near, "on the nearest measured shapes"))
    return max(known, key=lambda one: one.relative or 0.0, default=ExpectedError(None))


def _near(profile: KernelProfile, fit: Fit, shape: Shape) -> float | None:
    """Return the error at the nearest samples; None where the profile does not hold those that were fitted."""
    pairs = _missed(profile, fit)
    if not pairs:
        return None
    nearest = heapq.nsmallest(NEAREST, ((distance(shape, one.shape), abs(miss)) for one, miss in pairs))
    weights = [1 / (OFFSET + far) for far, _ in nearest]
    return math.fsum(w * miss for w, (_, miss) in zip(weights, nearest, strict=True)) / math.fsum(weights)


def _missed(profile: KernelProfile, fit: Fit) -> list[tuple[Sample, float]]:
    """Return the samples of a fit with its residuals; none where the profile does not hold those that were fitted."""
    samples = profile.samples_by_key.get(fit.key, ())
    ordered = [one for one in samples if not one.held_out] + [one for one in samples if one.held_out]
    misses = [*fit.residuals, *fit.held_out]
    return list(zip(ordered, misses, strict=True)) if len(ordered) == len(misses) else []


def distance(one: Shape, other: Shape) -> float:
    """Return how far two shapes are apart, in doublings of sizes, and of what a sparsity leaves.

    Examples
    --------
    >>> distance({"m": 64, "n": 64}, {"m": 256, "n": 64})
    2.0
    >>> round(distance({"m": 8, "sparsity": 0.9}, {"m": 8, "sparsity": 0.95}), 6)
    1.0
    """
    return math.hypot(*(_log(one, name) - _log(other, name) for name in {*one, *other}))


def _log(shape: Shape, name: str) -> float:
    size = shape.get(name, 1.0)  # a product without a batch is one
    if name == "sparsity":
        return math.log2(max(1 - size, 1e-3))
    return math.log2(size) if size > 0 else -1.0  # a count of none is less than one

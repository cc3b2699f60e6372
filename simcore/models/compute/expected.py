"""How far a prediction is likely off: what its fit missed by, over all samples and at those nearest to the shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simcore.models.compute.profile import Errors, Fit, KernelProfile, Shape

NEAREST = 3
"""Samples that count as near a shape."""

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
        ``on held-out shapes``, ``on devices left out``, ``on fitted shapes`` or ``on the nearest measured shapes``.
    """

    relative: float | None
    basis: str = ""


def expected_error(profile: KernelProfile, fit: Fit, shape: Shape | None) -> ExpectedError:
    """Return the worst of three errors of a fit: on held-out samples, on fitted ones, and on the samples nearest by.

    A fit can be good on average and bad in a corner, and its own samples know. The last error is the mean over the
    `NEAREST` samples of either kind, weighted by ``1 / (OFFSET + d)``, with d the distance in doublings of the sizes.

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
    errors_on = [(fit.errors_held_out, unseen), (Errors.of(fit.residuals), "on fitted shapes")]
    known = [ExpectedError(errors.mape, basis) for errors, basis in errors_on if errors is not None]
    near = None if shape is None else _near(profile, fit, shape)
    if near is not None:
        known.append(ExpectedError(near, "on the nearest measured shapes"))
    return max(known, key=lambda one: one.relative or 0.0, default=ExpectedError(None))


def _near(profile: KernelProfile, fit: Fit, shape: Shape) -> float | None:
    """Return the error at the nearest samples; None where the profile does not hold those that were fitted."""
    samples = [one for one in profile.samples if (one.kernel, one.dtype) == (fit.kernel, fit.dtype)]
    shapes = [one.shape for one in samples if not one.held_out] + [one.shape for one in samples if one.held_out]
    misses = [*fit.residuals, *fit.held_out]
    if not misses or len(misses) != len(shapes):
        return None
    distances = (distance(shape, one) for one in shapes)
    nearest = sorted(zip(distances, map(abs, misses), strict=True))[:NEAREST]
    weights = [1 / (OFFSET + far) for far, _ in nearest]
    return math.fsum(w * miss for w, (_, miss) in zip(weights, nearest, strict=True)) / math.fsum(weights)


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

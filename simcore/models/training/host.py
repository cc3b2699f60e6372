"""What a step takes beside its kernels: one constant per model, fitted to measured steps."""

from __future__ import annotations

import math
from collections.abc import Sequence


def host_constant(steps: Sequence[tuple[float, float]]) -> float:
    """Return the seconds that, added to the kernels of a model's steps, come nearest to the measured steps [s].

    It is the least square of relative errors, and at least 0, as no host gives time back::

        c = max(0, sum((t - k) / t^2) / sum(1 / t^2))

    Parameters
    ----------
    steps : sequence of (float, float)
        Seconds of the kernels k, and measured seconds t, of each step.

    Examples
    --------
    >>> host_constant([(1.0, 2.0), (4.0, 5.0)]), host_constant([(3.0, 2.0)])
    (1.0, 0.0)
    """
    weights = [1 / measured**2 for _, measured in steps]
    missing = math.fsum(weight * (t - k) for weight, (k, t) in zip(weights, steps, strict=True))
    return max(0.0, missing / math.fsum(weights))

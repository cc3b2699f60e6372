"""One time of several: the passes of a case merged, and how far times are apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from simcore.models.compute.profile import Sample


def merge(passes: Sequence[Sample]) -> Sample:
    """Return one sample of several of the same case that were taken at different times.

    The lower quartile of the passes is taken: other load only adds, and slows every call of a pass that it hits. The
    spread is that of the calls within a pass (NaN where it is not known) or that between the passes, whichever is
    larger.

    Examples
    --------
    >>> merge([Sample("copy", "fp32", {}, t, 0.02, 5) for t in (1.0, 1.1, 7.0, 1.2, 1.3)]).seconds
    1.1
    """
    if len(passes) == 1:
        return passes[0]
    medians = [one.seconds for one in passes]
    within = [one.spread for one in passes if not math.isnan(one.spread)]
    return replace(
        passes[0],
        seconds=statistics.quantiles(medians, n=4, method="inclusive")[0],
        spread=max(statistics.median(within or [0.0]), spread_between(medians)),
        repeats=sum(one.repeats for one in passes),
        passes=tuple(medians),
    )


def spread_between(seconds: Sequence[float]) -> float:
    """Return the interquartile range over the median, 0 of a single time.

    Examples
    --------
    >>> round(spread_between([1.0, 1.1, 7.0, 1.2, 1.3]), 3)
    0.167
    """
    if len(seconds) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return (high - low) / middle if middle else 0.0

"""Between which times the numbers of a run are taken, so that warm-up and drain can be left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simcore.errors import InputError, field
from simcore.models.cluster.jobs import Trace
from simcore.numerals import as_real

WARM_UP = 0.2
"""Share of the time of submissions that ``steady`` leaves out at the beginning."""
EXPECTED = "START:END in seconds, the end after the start, or steady"

Window = tuple[float, float]


def find_window(given: str | Sequence[float] | None, trace: Trace) -> Window | None:
    """Return from when to when numbers are taken [s], None for the whole run.

    Parameters
    ----------
    given : str, (float, float) or None
        ``START:END``, both numbers, or ``steady``: from `WARM_UP` of the time of submissions to the last one.
    trace : Trace
        The jobs, whose times start near 0.

    Raises
    ------
    InputError
        If it is neither, or no job is submitted in it.

    Examples
    --------
    >>> from simcore.models.cluster.jobs import JobClass, build_trace
    >>> job = JobClass("bert", 8, 4, True, "v100")
    >>> trace = build_trace("two", ["a", "b"], [0.0, 100.0], [64.0, 32.0], [job, job])
    >>> find_window("steady", trace), find_window("50:1e3", trace)
    ((20.0, 100.0), (50.0, 1000.0))
    """
    if given is None:
        return None
    first, last = float(trace.submit.min()), float(trace.submit.max())
    if given == "steady":
        start, end = first + WARM_UP * (last - first), last
    else:
        start, end = _read(given)
    inside = (trace.submit >= start) & (trace.submit <= end)
    if start >= end or not inside.any():
        found = f"{start:g}:{end:g}, in which no job is submitted" if start < end else "jobs submitted all at once"
        expected = f"a window with jobs; they are submitted from {first:g} to {last:g} s"
        raise InputError(field("window"), found, expected)
    return start, end


def _read(given: str | Sequence[float]) -> Window:
    parts = given.split(":") if isinstance(given, str) else list(given)
    numbers = [number for part in parts if (number := as_real(part)) is not None]
    if len(parts) != 2 or len(numbers) != 2 or not 0 <= numbers[0] < numbers[1]:
        shown = given if isinstance(given, str) else ":".join(map(str, given))
        raise InputError(field("window"), f"'{shown}'", EXPECTED)
    return numbers[0], numbers[1]


def submitted_in(window: Window | None, trace: Trace) -> np.ndarray:
    """Return the rows of the jobs that are submitted in a window."""
    if window is None:
        return np.arange(len(trace))
    return np.flatnonzero((trace.submit >= window[0]) & (trace.submit <= window[1]))

"""What a predicted iteration rests on, and how far off each of its terms was where somebody measured it.

An iteration without a stack is kernels and network. Each term has an interval of its own, and the ends of the terms'
intervals add up: all are taken to be off the same way, which none of the measurements rules out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from simcore.models.compute.predict import SHEET, Prediction
from simcore.models.training.workload import Workload

MEASURED, DERIVED, SHEETS = (
    "kernels that were measured",
    "kernels derived from other devices",
    "kernels from data sheets",
)
RATE, WRITTEN, SCALED = "kernels at a constant rate", "compute as its file has it", "compute times a given factor"
COLLECTIVES, LINKS, FITTED = "collectives fitted to measurements", "network from data sheets", "fitted constants"

TERMS = (MEASURED, DERIVED, SHEETS, RATE, WRITTEN, SCALED, COLLECTIVES, LINKS, FITTED)
"""What the terms of a prediction are called; they add up to it."""

HALF = 2.062
"""Half of what holds nine of ten normal deviates, over their mean absolute deviation: 1.6449 / sqrt(2 / pi)."""

_OF_ORIGIN = {SHEET: SHEETS, "published": SHEETS, "derived": DERIVED}


@dataclass(frozen=True)
class TermError:
    """How far off a term is, as measurements show.

    Attributes
    ----------
    low, high : float
        Measured over predicted: nine of ten measurements lie between them.
    basis : str
        What was measured.

    Examples
    --------
    >>> TermError(0.8, 1.25, "collectives").of(2.0)
    (1.6, 2.5)
    """

    low: float
    high: float
    basis: str

    def of(self, seconds: float) -> tuple[float, float]:
        """Return between what times a term of so many seconds should be [s]."""
        return seconds * self.low, seconds * self.high


@dataclass(frozen=True)
class Kernels:
    """Where the time of kernels comes from.

    Attributes
    ----------
    seconds : dict of str to float
        By the term that it belongs to [s].
    off : dict of str to float
        How far that is expected to be off, where it was measured [s].
    unknown : dict of str to float
        Time of kernels without an expected error [s].
    """

    seconds: dict[str, float] = field(default_factory=dict)
    off: dict[str, float] = field(default_factory=dict)
    unknown: dict[str, float] = field(default_factory=dict)

    def add(self, prediction: Prediction, times: float = 1.0) -> None:
        """Add a call that runs so many times."""
        name, spent = _OF_ORIGIN.get(prediction.origin, MEASURED), times * prediction.seconds
        for part, value in (
            (self.seconds, spent),
            (self.off, spent * (prediction.error or 0.0)),
            (self.unknown, spent if prediction.error is None else 0.0),
        ):
            part[name] = part.get(name, 0.0) + value

    def shared(self, seconds: float) -> dict[str, float]:
        """Return how much of a time rests on what, as the kernels do [s]."""
        whole = math.fsum(self.seconds.values()) or 1.0
        return {name: seconds * own / whole for name, own in self.seconds.items()}

    def errors(self) -> dict[str, TermError]:
        """Return how far off kernels are that were measured or derived; none of a term with a kernel of unknown error.

        The expected error is a mean absolute error: nine of ten normal deviates lie within `HALF` times it.
        """
        found = {}
        for name in (MEASURED, DERIVED):
            spent = self.seconds.get(name, 0.0)
            if spent and not self.unknown[name]:
                mean = self.off[name] / spent
                wide = min(HALF * mean, _WIDEST)
                where = "on devices left out" if name == DERIVED else "as its profile was measured"
                basis = f"an expected error of {mean:.1%}, {where}; of kernels alone, not of what a framework adds"
                found[name] = TermError(1 / (1 + wide), 1 / (1 - wide), basis)
        return found


_WIDEST = 0.9
"""A time is at most ten times as long as kernels say, whatever they are off by."""


@dataclass(frozen=True)
class Interval:
    """Between what times nine of ten measured iterations should be, and why.

    Attributes
    ----------
    ends : tuple of float or None
        Low and high [s]; None where a term has no measured error.
    rests : mapping of str to str
        By term what its own interval rests on, or why it has none.
    """

    ends: tuple[float, float] | None
    rests: Mapping[str, str]


NOT_MEASURED: Mapping[str, str] = {
    MEASURED: "the profile has no measured error of some of its kernels",
    DERIVED: "the profile has no measured error of some of its kernels",
    WRITTEN: "nobody measured how far off the times of the file are",
    SCALED: "nobody measured the factor",
}
"""Why a term has no interval, where it has none."""


def interval_of(terms: Mapping[str, float], errors: Mapping[str, TermError]) -> Interval:
    """Return the interval of an iteration from those of its terms.

    Parameters
    ----------
    terms : mapping of str to float
        What the iteration rests on [s].
    errors : mapping of str to TermError
        How far terms are off, where that was measured.

    Examples
    --------
    >>> off = {LINKS: TermError(0.5, 2.0, "public collectives")}
    >>> interval_of({LINKS: 1.0}, off).ends, interval_of({LINKS: 1.0, WRITTEN: 1.0}, off).ends
    ((0.5, 2.0), None)
    """
    rests = {name: errors[name].basis if name in errors else f"no interval: {_why_not(name)}" for name in terms}
    if not terms or any(name not in errors for name in terms):
        return Interval(None, rests)
    low, high = zip(*(errors[name].of(seconds) for name, seconds in terms.items()), strict=True)
    return Interval((math.fsum(low), math.fsum(high)), rests)


def _why_not(name: str) -> str:
    return NOT_MEASURED.get(name, "nothing of it was measured")


def kernels_of(predictions: Iterable[tuple[Prediction, float]]) -> Kernels:
    """Return where the time of some calls comes from, each with how often it runs.

    Examples
    --------
    >>> kernels_of([(Prediction(1.0, 0.1, "fitted"), 2.0)]).shared(4.0)
    {'kernels that were measured': 4.0}
    """
    found = Kernels()
    for prediction, times in predictions:
        found.add(prediction, times)
    return found


def terms_of_workload(
    workload: Workload, seconds: float, network: float, scale: float = 1.0
) -> tuple[dict[str, float], Kernels]:
    """Return what a simulated iteration of a workload rests on [s], and its kernels.

    Parameters
    ----------
    workload : Workload
        What ran.
    seconds, network : float
        The iteration, and what of it was spent waiting for collectives and messages [s]. The rest, the bubble of a
        pipeline with it, is that of the kernels.
    scale : float
        Factor on all compute; of a constant rate it is part of the rate.
    """
    kernels = kernels_of((one.prediction, one.count) for one in workload.times.costs) if workload.times else Kernels()
    if workload.times is None and not workload.written:
        found = {RATE: seconds - network}
    elif scale != 1:
        found = {SCALED: seconds - network}
    else:
        found = kernels.shared(seconds - network) if workload.times else {WRITTEN: seconds - network}
    found[LINKS] = network
    return {name: found[name] for name in TERMS if found.get(name)}, kernels

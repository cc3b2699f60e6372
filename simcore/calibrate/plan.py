"""What a calibration and a validation measure, how often, and for how long: numbers that the command line tells too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

Progress = Callable[[float, float, str], None]
"""Called with seconds passed, seconds in all as far as known, and what is measured next, or ``done`` and why."""


@dataclass
class Timekeeper:
    """Tells how long measuring has taken and how long it will take in all.

    Attributes
    ----------
    limit : float
        Seconds after which nothing is begun [s].
    progress : callable, optional
        Is told.
    clock : callable
        Tells the time [s].
    """

    limit: float
    progress: Progress | None = None
    clock: Callable[[], float] = monotonic
    _started: float = field(init=False)
    _measured: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def passed(self) -> float:
        """Seconds since the beginning [s]."""
        return self.clock() - self._started

    @property
    def over(self) -> bool:
        """Whether nothing more is begun."""
        return self.passed >= self.limit

    def next(self, what: str, left: int) -> None:
        """Say what is measured next, where so many cases are left that will run, this one among them.

        They are taken to last as long as those before them, and no longer than the limit lets them.
        """
        if self.progress is not None:
            passed = self.passed
            total = passed * (1 + left / self._measured) if self._measured else self.limit
            self.progress(passed, max(min(total, self.limit), passed), what)
        self._measured += 1

    def done(self, *, complete: bool) -> None:
        """Say that nothing more is measured, and whether that is all there was."""
        if self.progress is not None:
            passed = self.passed
            self.progress(passed, passed, "done" if complete else "done, for the time is over")


PASSES = 5
"""Times that every case is measured if time allows, once in each pass over all cases: other load comes in bursts."""

REPEATS = {False: 3, True: 5}
"""Timed calls per case and pass, quick and full."""

BUDGET = {False: 0.15, True: 0.5}
"""Seconds after which a case is timed no more in a pass, quick and full [s]."""

TIME_LIMIT = {False: 250.0, True: 560.0}
"""Seconds after which no case is begun, quick and full [s]: torch's start and the fits fit into 5 and 10 minutes."""

EXTRA_PASSES = 5
"""Passes of a validation that are added at most for those at another speed than the calibration's."""

LEAST_PASSES = 3
"""Passes at the calibration's speed that a validation needs; with fewer all passes count, and it says so."""

SAME_SPEED = 0.1
"""Bound on the drift of the reference kernels' times to either side of a pass that counts."""

PASS_SECONDS = 18
"""Seconds of a pass of a validation of all suites [s]: 308 cases on one thread of an AMD EPYC took 17.2 s."""

VALIDATION_SECONDS = (PASSES * PASS_SECONDS, (PASSES + EXTRA_PASSES) * PASS_SECONDS)
"""Seconds of a validation of all suites on a CPU [s]: as a rule, and with every extra pass."""

"""What a calibration and a validation measure, how often, and for how long: numbers that the command line tells too."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with cases done, all cases, and what is measured next, or ``done`` and why at the end."""

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

"""Rule sets: where the published code departs from the paper, an option selects either behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rules:
    """How the schedulers count; every field is a switch of its own.

    Attributes
    ----------
    assignment : {'worst', 'best'}
        Which thread assignment of a placement is kept. The published code overwrites the best by later, worse ones, and
        lets threads of GPU types that hold no GPU slow the step.
    single_type_speedup : {'linear', 'exact'}
        Claimed speed-up of n equal GPUs: ``n C`` as published, or ``P / ceil(P / n) C``, which counts the last round.
    idle_gpus : {'held', 'returned'}
        Whether a job keeps GPUs that its new assignment does not use, or returns them in the same tick. A job that
        returns GPUs also takes none that do not make it faster.
    startup : {'once', 'every-change'}
        Whether the start-up delay is paid once in a job's life or after every change of its placement.
    order : {'dictionary', 'submission'}
        Rows as the reader left them, or sorted by submission time, then name.
    makespan : {'published', 'span'}
        Start of the last tick counted from 0, or last completion minus first submission.
    startup_delay : float
        Start-up delay [s].
    """

    assignment: Literal["worst", "best"] = "worst"
    single_type_speedup: Literal["linear", "exact"] = "linear"
    idle_gpus: Literal["held", "returned"] = "held"
    startup: Literal["once", "every-change"] = "once"
    order: Literal["dictionary", "submission"] = "dictionary"
    makespan: Literal["published", "span"] = "published"
    startup_delay: float = 20.0


PUBLISHED = Rules()
CORRECTED = Rules("best", "exact", "returned", "every-change", "submission", "span")
RULES = {"published": PUBLISHED, "corrected": CORRECTED}

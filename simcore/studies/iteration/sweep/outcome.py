"""What a sweep found: a training iteration for each value, and what each step from one to the next gains."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from itertools import pairwise

from simcore.results import Result
from simcore.studies.iteration.result import IterationResult

COMMUNICATION = ("tensor-parallel", "context-parallel", "expert-parallel", "pipeline messages", "data-parallel")
"""Parts of an iteration in which GPUs wait for the network."""
WORTH = 0.05
"""A step is worth its price where it gains at least this share of tokens per second."""


@dataclass(frozen=True)
class Point:
    """A training iteration at one value.

    Attributes
    ----------
    value : float
        Of the field; of a NIC its bandwidth [B/s].
    shown : str
        As a reader sees it.
    result : IterationResult
        The iteration.
    cost : float or None
        What the network costs [$]; None where no prices were given.
    """

    value: float
    shown: str
    result: IterationResult
    cost: float | None = None

    @property
    def time(self) -> float:
        """The iteration [s]."""
        return self.result.time

    @property
    def exposed(self) -> float:
        """Communication that GPUs wait for [s]."""
        return sum(self.result.evaluation.parts.get(name, 0.0) for name in COMMUNICATION)


@dataclass(frozen=True, kw_only=True)
class SweepOutcome(Result, ABC):
    """Training iterations at several values of one input.

    Attributes
    ----------
    name : str
        Of the field that takes the values.
    points : tuple of Point
        In the order in which the values were given.
    """

    name: str
    points: tuple[Point, ...]

    @property
    def gains(self) -> tuple[float | None, ...]:
        """What each value gains in tokens per second over the one before it, as a share of that; None of the first."""
        rates = [point.result.tokens_per_second for point in self.points]
        return (None, *(after / before - 1 for before, after in pairwise(rates)))

    @property
    def last_worth(self) -> int:
        """The last value (from 0) that fits and whose step gains at least `WORTH`; the first where none does."""
        pairs = enumerate(zip(self.points, self.gains, strict=True))
        worth = (i for i, (point, gain) in pairs if gain is not None and gain >= WORTH and point.result.fits)
        return max(worth, default=0)

"""What a policy takes for the duration of a job: the exact one, a noisy one, or what its user said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simcore.errors import InputError
from simcore.models.cluster.policy import Policy
from simcore.models.cluster.view import View

KINDS = ("exact", "noisy", "user")


@dataclass
class Estimates(Policy):
    """Options of a policy that looks at durations.

    Attributes
    ----------
    estimate : str
        ``exact``: the duration itself. ``noisy``: times a lognormal factor of median 1. ``user``: the column
        ``estimate_s`` of the trace, the exact duration where it is empty.
    noise : float
        Standard deviation of the logarithm of a noisy estimate.
    seed : int
        Of the noise.
    """

    oracle: ClassVar[bool] = True
    estimate: str = "exact"
    noise: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.estimate not in KINDS:
            raise InputError("estimate", f"'{self.estimate}'", f"one of {', '.join(KINDS)}")
        if not 0.0 <= self.noise <= 10.0:
            raise InputError("noise", f"{self.noise:g}", "a number from 0 to 10")
        if self.seed < 0:
            raise InputError("seed", f"{self.seed}", "a number from 0")

    def factors(self, view: View) -> list[float]:
        """Return estimated over exact duration of every job."""
        jobs = len(view.class_index)
        if self.estimate == "noisy":
            noise = np.random.default_rng(self.seed).normal(0.0, self.noise, jobs)
            return [float(each) for each in np.exp(noise).tolist()]
        if self.estimate == "user":
            said, exact = view.numbers("estimate_s"), view.duration
            return [1.0 if math.isnan(value) else value / exact[row] for row, value in enumerate(said)]
        return [1.0] * jobs

    def durations(self, view: View) -> list[float]:
        """Return estimated durations [s]."""
        exact = view.duration.of(range(len(view.class_index)))
        if self.estimate == "exact":
            return exact
        return [factor * seconds for factor, seconds in zip(self.factors(view), exact, strict=True)]

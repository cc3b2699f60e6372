"""Shortest job first, without preemption."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster.policies.estimates import Estimates
from simcore.models.cluster.policies.queues import StrictQueue
from simcore.models.cluster.view import View


@dataclass
class Sjf(Estimates, StrictQueue):
    """The waiting job of the shortest estimated duration starts when its gang fits, and blocks the rest until then.

    Ties go by submission, then by row. No preemption. The estimate is exact, noisy or the user's, see `Estimates`.
    Source: the SJF of HeliosArtifact (Hu et al., SC 2021).
    """

    def keys(self, view: View) -> list[float]:
        """Return estimated durations [s]."""
        return self.durations(view)

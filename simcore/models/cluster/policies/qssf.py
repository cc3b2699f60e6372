"""Quasi-shortest service first, without preemption."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster.policies.estimates import Estimates
from simcore.models.cluster.policies.queues import StrictQueue
from simcore.models.cluster.view import View


@dataclass
class Qssf(Estimates, StrictQueue):
    """The waiting job of the least estimated duration times GPUs starts when its gang fits, and blocks the rest.

    Ties go by submission, then by row. No preemption. Source: Hu et al., SC 2021 (Helios), whose estimates are learnt
    from users' earlier jobs; here they are exact, noisy or the user's.
    """

    def keys(self, view: View) -> list[float]:
        """Return estimated service [GPU s]."""
        return [s * view.job(row).gpus for row, s in enumerate(self.durations(view))]

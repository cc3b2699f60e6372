"""One policy's run of a trace, from which all numbers are taken."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster import metrics
from simcore.models.cluster.log import PlacementLog


@dataclass(frozen=True)
class Run:
    """One policy's run: what happened, and what it amounts to."""

    policy: str
    log: PlacementLog
    segments: metrics.Segments
    times: metrics.JobTimes

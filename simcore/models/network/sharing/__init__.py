"""Several training jobs on one network, whose collectives share links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.network.sharing.job import Job, place
    from simcore.models.network.sharing.jobs import JobRun, SharedRun, simulate

__getattr__, __dir__ = attach(
    __name__,
    {
        "Job": "simcore.models.network.sharing.job",
        "JobRun": "simcore.models.network.sharing.jobs",
        "SharedRun": "simcore.models.network.sharing.jobs",
        "place": "simcore.models.network.sharing.job",
        "simulate": "simcore.models.network.sharing.jobs",
    },
)

__all__ = [
    "Job",
    "JobRun",
    "SharedRun",
    "place",
    "simulate",
]

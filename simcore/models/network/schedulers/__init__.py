"""Schedules of collectives: who decides in which order of dimensions each chunk runs, and how large it is.

Each is one file and a line in `SCHEDULERS`. ``ascending`` is the usual hierarchy. ``round-robin`` starts each chunk
one dimension further. ``themis`` and ``flex`` balance the load of the dimensions greedily. ``latency-aware`` chooses
from a family of mixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.network.schedulers.ascending import Ascending
    from simcore.models.network.schedulers.base import CollectiveView, Scheduler
    from simcore.models.network.schedulers.flex import Flex
    from simcore.models.network.schedulers.latency_aware.schedule import LatencyAware
    from simcore.models.network.schedulers.registry import SCHEDULERS, scheduler
    from simcore.models.network.schedulers.round_robin import RoundRobin
    from simcore.models.network.schedulers.themis import Themis

__getattr__, __dir__ = attach(
    __name__,
    {
        "Ascending": "simcore.models.network.schedulers.ascending",
        "CollectiveView": "simcore.models.network.schedulers.base",
        "Flex": "simcore.models.network.schedulers.flex",
        "LatencyAware": "simcore.models.network.schedulers.latency_aware.schedule",
        "RoundRobin": "simcore.models.network.schedulers.round_robin",
        "SCHEDULERS": "simcore.models.network.schedulers.registry",
        "Scheduler": "simcore.models.network.schedulers.base",
        "Themis": "simcore.models.network.schedulers.themis",
        "scheduler": "simcore.models.network.schedulers.registry",
    },
)

__all__ = [
    "SCHEDULERS",
    "Ascending",
    "CollectiveView",
    "Flex",
    "LatencyAware",
    "RoundRobin",
    "Scheduler",
    "Themis",
    "scheduler",
]

"""Scheduling policies, one file each, and the table of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.cluster.policies.easyscale.policy import EasyScaleHeter, EasyScaleHomo
    from simcore.models.cluster.policies.fifo import Fifo
    from simcore.models.cluster.policies.registry import POLICIES, find_policy
    from simcore.models.cluster.policies.yarn_cs import YarnCs

__getattr__, __dir__ = attach(
    __name__,
    {
        "POLICIES": "simcore.models.cluster.policies.registry",
        "EasyScaleHeter": "simcore.models.cluster.policies.easyscale.policy",
        "EasyScaleHomo": "simcore.models.cluster.policies.easyscale.policy",
        "Fifo": "simcore.models.cluster.policies.fifo",
        "YarnCs": "simcore.models.cluster.policies.yarn_cs",
        "find_policy": "simcore.models.cluster.policies.registry",
    },
)

__all__ = ["POLICIES", "EasyScaleHeter", "EasyScaleHomo", "Fifo", "YarnCs", "find_policy"]

"""What studies of a deployment share: a workload under a parallelism on a network, and what its compute takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.deployment.inputs import Parallelism
    from simcore.studies.deployment.request import DeploymentRequest

__getattr__, __dir__ = attach(
    __name__,
    {
        "DeploymentRequest": "simcore.studies.deployment.request",
        "Parallelism": "simcore.studies.deployment.inputs",
    },
)

__all__ = ["DeploymentRequest", "Parallelism"]

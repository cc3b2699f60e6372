"""Parallel training: how an iteration is spread over GPUs, what it takes and what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.training.parallel.collectives import collectives_of
    from simcore.models.training.parallel.layout import Layout
    from simcore.models.training.parallel.placement import Placement
    from simcore.models.training.parallel.sharding import sharded_operators

__getattr__, __dir__ = attach(
    __name__,
    {
        "collectives_of": "simcore.models.training.parallel.collectives",
        "Layout": "simcore.models.training.parallel.layout",
        "Placement": "simcore.models.training.parallel.placement",
        "sharded_operators": "simcore.models.training.parallel.sharding",
    },
)

__all__ = ["Layout", "Placement", "collectives_of", "sharded_operators"]

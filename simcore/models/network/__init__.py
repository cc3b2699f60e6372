"""Networks: topology, collectives in closed form and chunk by chunk, jobs that share links, cost.

What runs on them is in `schedulers`, `conventions`, `simulation` and `sharing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.network.algorithms import Algorithm
    from simcore.models.network.bounds import Bounds
    from simcore.models.network.chunks import ChunkPlan, Optimization
    from simcore.models.network.collectives import Collective
    from simcore.models.network.cost import CostModel, LevelCost
    from simcore.models.network.fluid import FluidNetwork
    from simcore.models.network.mapping import Groups
    from simcore.models.network.phase_costs import PhaseCosts
    from simcore.models.network.topology import Block, Dimension, Topology
    from simcore.models.network.transfers import TransferLeg

__getattr__, __dir__ = attach(
    __name__,
    {
        "Algorithm": "simcore.models.network.algorithms",
        "Block": "simcore.models.network.topology",
        "Bounds": "simcore.models.network.bounds",
        "ChunkPlan": "simcore.models.network.chunks",
        "Collective": "simcore.models.network.collectives",
        "CostModel": "simcore.models.network.cost",
        "Dimension": "simcore.models.network.topology",
        "FluidNetwork": "simcore.models.network.fluid",
        "Groups": "simcore.models.network.mapping",
        "LevelCost": "simcore.models.network.cost",
        "Optimization": "simcore.models.network.chunks",
        "PhaseCosts": "simcore.models.network.phase_costs",
        "Topology": "simcore.models.network.topology",
        "TransferLeg": "simcore.models.network.transfers",
    },
)

__all__ = [
    "Algorithm",
    "Block",
    "Bounds",
    "ChunkPlan",
    "Collective",
    "CostModel",
    "Dimension",
    "FluidNetwork",
    "Groups",
    "LevelCost",
    "Optimization",
    "PhaseCosts",
    "Topology",
    "TransferLeg",
]

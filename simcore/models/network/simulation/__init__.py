"""The network simulator: collectives chunk by chunk, each dimension a server of chunk phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.network.simulation.log import LoggedPhase, LoggedTransfer
    from simcore.models.network.simulation.network import Network
    from simcore.models.network.simulation.rank_programs import GroupCollective
    from simcore.models.network.simulation.ranks import RanksRun, simulate_ranks
    from simcore.models.network.simulation.run import CollectiveRun, simulate_collective

__getattr__, __dir__ = attach(
    __name__,
    {
        "CollectiveRun": "simcore.models.network.simulation.run",
        "GroupCollective": "simcore.models.network.simulation.rank_programs",
        "LoggedPhase": "simcore.models.network.simulation.log",
        "LoggedTransfer": "simcore.models.network.simulation.log",
        "Network": "simcore.models.network.simulation.network",
        "RanksRun": "simcore.models.network.simulation.ranks",
        "simulate_collective": "simcore.models.network.simulation.run",
        "simulate_ranks": "simcore.models.network.simulation.ranks",
    },
)

__all__ = [
    "CollectiveRun",
    "GroupCollective",
    "LoggedPhase",
    "LoggedTransfer",
    "Network",
    "RanksRun",
    "simulate_collective",
    "simulate_ranks",
]

"""What a script needs to build networks, schedules of collectives and jobs that share links, and to simulate them.

Examples
--------
>>> from simcore.network import Collective, parse_network, scheduler, simulate_collective
>>> pod = parse_network("Ring(4)@200GB/s x Switch(4)@50GB/s")
>>> run = simulate_collective(
...     Collective.ALL_REDUCE, 2**30, pod.topology, pod.bandwidths, schedule=scheduler("themis")
... )
>>> round(run.time * 1e3, 2)
8.18
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.engine import Clock
    from simcore.models.network.algorithms import Algorithm
    from simcore.models.network.bounds import Bounds, bounds
    from simcore.models.network.chunks import ChunkPlan, Optimization
    from simcore.models.network.collectives import Collective, collective_time, traffic
    from simcore.models.network.conventions import CONVENTIONS, Convention, convention
    from simcore.models.network.cost import CostModel, LevelCost, cost_coefficients, network_cost
    from simcore.models.network.mapping import Groups, map_parallelism
    from simcore.models.network.measured import CollectiveProfile
    from simcore.models.network.messages.fabric import Fabric, FabricLink, Routing
    from simcore.models.network.messages.of_topology import fabric_of
    from simcore.models.network.messages.program import Program, Send, checked
    from simcore.models.network.messages.simulate import simulate_sends
    from simcore.models.network.nccl import Span
    from simcore.models.network.schedulers.base import CollectiveView, Scheduler
    from simcore.models.network.schedulers.registry import SCHEDULERS, scheduler
    from simcore.models.network.sharing.job import Job, place
    from simcore.models.network.sharing.jobs import JobRun, SharedRun, simulate
    from simcore.models.network.simulation.log import LoggedPhase, LoggedTransfer
    from simcore.models.network.simulation.network import Network
    from simcore.models.network.simulation.rank_programs import GroupCollective
    from simcore.models.network.simulation.ranks import RanksRun, simulate_ranks
    from simcore.models.network.simulation.run import CollectiveRun, simulate_collective
    from simcore.models.network.topology import Block, Dimension, Topology
    from simcore.readers.cluster_networks import network_for
    from simcore.readers.collective_profiles import read_collective_profile
    from simcore.readers.costs import read_costs
    from simcore.readers.network_string import parse_network
    from simcore.readers.networks import read_network

__getattr__, __dir__ = attach(
    __name__,
    {
        "Algorithm": "simcore.models.network.algorithms",
        "Block": "simcore.models.network.topology",
        "Bounds": "simcore.models.network.bounds",
        "CONVENTIONS": "simcore.models.network.conventions",
        "ChunkPlan": "simcore.models.network.chunks",
        "Clock": "simcore.engine",
        "Collective": "simcore.models.network.collectives",
        "CollectiveProfile": "simcore.models.network.measured",
        "CollectiveRun": "simcore.models.network.simulation.run",
        "CollectiveView": "simcore.models.network.schedulers.base",
        "Convention": "simcore.models.network.conventions",
        "CostModel": "simcore.models.network.cost",
        "Dimension": "simcore.models.network.topology",
        "Fabric": "simcore.models.network.messages.fabric",
        "FabricLink": "simcore.models.network.messages.fabric",
        "GroupCollective": "simcore.models.network.simulation.rank_programs",
        "Groups": "simcore.models.network.mapping",
        "Job": "simcore.models.network.sharing.job",
        "JobRun": "simcore.models.network.sharing.jobs",
        "LevelCost": "simcore.models.network.cost",
        "LoggedPhase": "simcore.models.network.simulation.log",
        "LoggedTransfer": "simcore.models.network.simulation.log",
        "Network": "simcore.models.network.simulation.network",
        "Optimization": "simcore.models.network.chunks",
        "Program": "simcore.models.network.messages.program",
        "RanksRun": "simcore.models.network.simulation.ranks",
        "Routing": "simcore.models.network.messages.fabric",
        "SCHEDULERS": "simcore.models.network.schedulers.registry",
        "Scheduler": "simcore.models.network.schedulers.base",
        "Send": "simcore.models.network.messages.program",
        "SharedRun": "simcore.models.network.sharing.jobs",
        "Span": "simcore.models.network.nccl",
        "Topology": "simcore.models.network.topology",
        "bounds": "simcore.models.network.bounds",
        "checked": "simcore.models.network.messages.program",
        "collective_time": "simcore.models.network.collectives",
        "convention": "simcore.models.network.conventions",
        "cost_coefficients": "simcore.models.network.cost",
        "fabric_of": "simcore.models.network.messages.of_topology",
        "map_parallelism": "simcore.models.network.mapping",
        "network_cost": "simcore.models.network.cost",
        "network_for": "simcore.readers.cluster_networks",
        "parse_network": "simcore.readers.network_string",
        "place": "simcore.models.network.sharing.job",
        "read_collective_profile": "simcore.readers.collective_profiles",
        "read_costs": "simcore.readers.costs",
        "read_network": "simcore.readers.networks",
        "scheduler": "simcore.models.network.schedulers.registry",
        "simulate": "simcore.models.network.sharing.jobs",
        "simulate_collective": "simcore.models.network.simulation.run",
        "simulate_ranks": "simcore.models.network.simulation.ranks",
        "simulate_sends": "simcore.models.network.messages.simulate",
        "traffic": "simcore.models.network.collectives",
    },
)

__all__ = [
    "CONVENTIONS",
    "SCHEDULERS",
    "Algorithm",
    "Block",
    "Bounds",
    "ChunkPlan",
    "Clock",
    "Collective",
    "CollectiveProfile",
    "CollectiveRun",
    "CollectiveView",
    "Convention",
    "CostModel",
    "Dimension",
    "Fabric",
    "FabricLink",
    "GroupCollective",
    "Groups",
    "Job",
    "JobRun",
    "LevelCost",
    "LoggedPhase",
    "LoggedTransfer",
    "Network",
    "Optimization",
    "Program",
    "RanksRun",
    "Routing",
    "Scheduler",
    "Send",
    "SharedRun",
    "Span",
    "Topology",
    "bounds",
    "checked",
    "collective_time",
    "convention",
    "cost_coefficients",
    "fabric_of",
    "map_parallelism",
    "network_cost",
    "network_for",
    "parse_network",
    "place",
    "read_collective_profile",
    "read_costs",
    "read_network",
    "scheduler",
    "simulate",
    "simulate_collective",
    "simulate_ranks",
    "simulate_sends",
    "traffic",
]

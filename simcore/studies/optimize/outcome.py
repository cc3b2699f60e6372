"""A bandwidth plan: its numbers, and what they were found for."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.bandwidth.plan import BandwidthPlan
from simcore.models.network.topology import Topology
from simcore.models.training.workload import Workload
from simcore.results import Result
from simcore.studies.optimize.request import OptimizeRequest


@dataclass(frozen=True, kw_only=True)
class OptimizeOutcome(Result):
    """A bandwidth plan, in numbers.

    Attributes
    ----------
    plan : BandwidthPlan
        The split and its certificate.
    topology : Topology
        The network.
    workloads : tuple of Workload
        What runs; where there are several, times are their mean.
    compute : str
        Where compute is from, for the headline; empty at a constant rate.
    profile : str
        Name of the kernel profile; empty at a constant rate.
    request : OptimizeRequest
        What was asked for.
    """

    plan: BandwidthPlan
    topology: Topology
    workloads: tuple[Workload, ...]
    compute: str
    profile: str = ""
    request: OptimizeRequest

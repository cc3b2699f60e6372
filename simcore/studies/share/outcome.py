"""Jobs that share a network, in numbers: how much slower each is, by whom, and how full the links are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from simcore.models.network.graph import link_graph
from simcore.models.network.sharing.job import Job
from simcore.models.network.sharing.jobs import SharedRun
from simcore.models.network.topology import Topology
from simcore.results import Result, Table
from simcore.studies.share.request import ShareRequest

NOTICED = 1e-9
"""Share by which a job must be slower for anybody to have hurt it: less is rounding."""


@dataclass(frozen=True, kw_only=True)
class ShareOutcome(Result):
    """Several jobs on one network, in numbers.

    Attributes
    ----------
    request : ShareRequest
        What was asked for.
    topology : Topology
        The network.
    bandwidths : tuple of float
        Bandwidth of one NPU into each dimension [B/s].
    shared_jobs : tuple of Job
        The jobs, in the order of the file.
    run : SharedRun
        All of them together.
    alone : tuple of float
        How long each runs alone [s].
    beside : dict
        How long a job runs with one other alone beside it [s], by the numbers of the two.
    compute : str
        Where compute times are from; empty for the workload's constant rate or its own times.
    """

    request: ShareRequest
    topology: Topology
    bandwidths: tuple[float, ...]
    shared_jobs: tuple[Job, ...]
    run: SharedRun
    alone: tuple[float, ...]
    beside: dict[tuple[int, int], float]
    compute: str = ""

    @property
    def slowdowns(self) -> tuple[float, ...]:
        """How many times as long each job takes among the others as alone."""
        return tuple(one.time / alone for one, alone in zip(self.run.jobs, self.alone, strict=True))

    @property
    def time(self) -> float:
        """When the last job ends [s]."""
        return max(one.end for one in self.run.jobs)

    @cached_property
    def table(self) -> Table:
        """A row per job: when it ran, alone and together, and what it waited for."""
        rows = []
        ran = zip(self.shared_jobs, self.run.jobs, self.alone, self.slowdowns, strict=True)
        for job, one, alone, slowdown in ran:
            exposed = sum(one.exposed.values())
            npus = prod(map(len, job.positions))
            rows.append((job.name, job.workload.name, npus, job.iterations, one.start, one.end, alone, one.time,
                         slowdown, one.compute, exposed))  # fmt: skip
        columns = ["job", "workload", "npus", "iterations", "start", "end", "alone", "together", "slowdown", "compute",
                   "exposed"]  # fmt: skip
        return Table(columns, rows, dict.fromkeys(("start", "end", "alone", "together", "compute", "exposed"), "s"))

    @cached_property
    def pairs(self) -> Table:
        """A row per job and other job: how many times as long it takes beside that one alone."""
        rows = [
            (self.shared_jobs[one].name, self.shared_jobs[other].name, seconds, seconds / self.alone[one])
            for (one, other), seconds in sorted(self.beside.items())
        ]
        return Table(["job", "beside", "time", "slowdown"], rows, {"time": "s"})

    @cached_property
    def links(self) -> Table:
        """A row per link: its ends, capacity, what it carried, and the share of its capacity until the last end."""
        rows = []
        for start, end, edge in link_graph(self.topology, self.bandwidths).edges(data=True):
            carried = self.run.carried[start, end]
            dimension = edge["dimension"] + 1 or None
            used = carried / (edge["capacity"] * self.time) if self.time else 0.0
            rows.append((str(start), str(end), dimension, edge["capacity"], carried, used))
        columns = ["from", "to", "dimension", "capacity", "carried", "utilisation"]
        return Table(columns, rows, {"capacity": "B_per_s", "carried": "B"})

    @cached_property
    def dimensions(self) -> Table:
        """A row per dimension, and one for shared ports: how full its links are."""
        by_dimension: dict[int | None, list[Mapping[str, Any]]] = {}
        for row in self.links:
            by_dimension.setdefault(row["dimension"], []).append(row)
        rows = []
        for dimension, links in sorted(by_dimension.items(), key=lambda pair: pair[0] or len(self.bandwidths) + 1):
            block = "shared ports" if dimension is None else self._block(dimension)
            used = [row["utilisation"] for row in links]
            carried = sum(row["carried"] for row in links)
            rows.append((dimension, block, len(links), carried, sum(used) / len(used), max(used)))
        columns = ["dimension", "network", "links", "carried", "mean_utilisation", "most_utilisation"]
        return Table(columns, rows, {"carried": "B"})

    def _block(self, dimension: int) -> str:
        each = self.topology.dimensions[dimension - 1]
        return f"{each.block.value} {each.size}"

    def sentences(self) -> list[str]:
        """Return who hurts whom, a sentence each."""
        said = []
        for number, (job, slowdown) in enumerate(zip(self.shared_jobs, self.slowdowns, strict=True)):
            by = {
                other: seconds / self.alone[number]
                for (one, other), seconds in self.beside.items()
                if one == number and seconds > self.alone[number] * (1 + NOTICED)
            }
            if slowdown <= 1 + NOTICED:
                said.append(f"{job.name} does not notice the others.")
                continue
            if not by:
                said.append(f"{job.name} takes {slowdown:.4g} times as long as alone; no other does that by itself.")
                continue
            worst = max(by, key=lambda other: by[other])
            alone = "" if len(self.shared_jobs) == 2 else f"; that one alone would make it {by[worst]:.4g}"
            said.append(
                f"{job.name} takes {slowdown:.4g} times as long as alone, most of all because of "
                f"{self.shared_jobs[worst].name}{alone}."
                if len(self.shared_jobs) > 2
                else f"{job.name} takes {slowdown:.4g} times as long as alone, beside {self.shared_jobs[worst].name}."
            )
        return said

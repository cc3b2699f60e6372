"""Runs of ASTRA-sim that the simulator is held against, row by row."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from simcore.models.network.algorithms import Algorithm
from simcore.models.network.chunks import Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import ASTRA_SIM, ASTRA_SIM_2, ASTRA_SIM_2_AWARE, Convention
from simcore.models.network.schedulers import SCHEDULERS, Ascending, Flex, RoundRobin, Scheduler, Themis, scheduler
from simcore.models.network.simulation.run import CollectiveRun, simulate_collective
from simcore.models.network.topology import Block, Dimension, Topology

MEBIBYTE = 2**20
SCHEDULES = [scheduler(name) for name in SCHEDULERS]
"""All schedules that come with simcore."""
_CONVENTION = {
    "astra-sim-1.0-analytical": ASTRA_SIM,
    "astra-sim-2-congestion_unaware": ASTRA_SIM_2,
    "astra-sim-2-congestion_aware": ASTRA_SIM_2_AWARE,
}
_COLLECTIVE = {
    "AR": Collective.ALL_REDUCE,
    "AG": Collective.ALL_GATHER,
    "RS": Collective.REDUCE_SCATTER,
    "A2A": Collective.ALL_TO_ALL,
}
_SCHEDULE = {
    "ascending": Ascending,
    "default": Ascending,
    "roundRobin": RoundRobin,
    "offlineGreedy": Themis,
    "offlineGreedyFlex": Flex,
}
_ALGORITHM = {
    "ring": Algorithm.RING,
    "direct": Algorithm.DIRECT,
    "halvingDoubling": Algorithm.HALVING_DOUBLING,
}


@dataclass(frozen=True)
class AstraRun:
    """One row: the case, and the nanoseconds that ASTRA-sim counted."""

    name: str
    convention: Convention
    collective: Collective
    size: int
    topology: Topology
    bandwidths: tuple[float, ...]
    algorithms: tuple[Algorithm, ...]
    chunks: int
    in_flight: int
    schedule: type[Scheduler]
    optimization: Optimization
    nanoseconds: int
    cpu_seconds: float

    @property
    def tolerance(self) -> float:
        """The relative error that is allowed."""
        small = self.size <= MEBIBYTE
        if self.convention is ASTRA_SIM_2_AWARE:
            return 0.03 if self.in_flight > 1 else 0.02 if small else 0.01
        return 0.02 if small else 0.001

    @property
    def kind(self) -> str:
        """Which group of runs it belongs to."""
        size = "1 MiB" if self.size <= MEBIBYTE else "larger"
        several = ", several chunks in flight" if self.in_flight > 1 else ""
        schedule = "" if self.schedule is Ascending else f", {self.schedule.name}"
        return f"{self.convention}, {size}{schedule}{several}"

    def simulate(self, **changes) -> CollectiveRun:
        """Run the case, with some of its settings changed."""
        settings = {
            "chunks": self.chunks,
            "schedule": self.schedule,
            "in_flight": self.in_flight,
            "optimization": self.optimization,
            "convention": self.convention,
            "algorithms": self.algorithms,
        }
        settings.update(changes)
        return simulate_collective(self.collective, self.size, self.topology, self.bandwidths, **settings)

    def error(self) -> float:
        """Return the relative error of the simulated time."""
        return self.simulate().time * 1e9 / self.nanoseconds - 1


def astra_runs() -> list[AstraRun]:
    """Return all rows, or none where the published numbers are not on this machine."""
    for parent in Path(__file__).resolve().parents:
        path = parent / "shared" / "data" / "network" / "astra_collectives.csv"
        if path.is_file():
            with path.open(encoding="utf-8") as stream:
                return [_read(row) for row in csv.DictReader(stream)]
    return []


def _read(row: dict[str, str]) -> AstraRun:
    latencies = row["latency_ns_per_dim"].split()
    wired = re.findall(r"(Ring|FullyConnected|Switch)\((\d+)\)", row["topology"])
    dimensions = tuple(
        Dimension(Block(block), int(size), "", float(latency) * 1e-9)
        for (block, size), latency in zip(wired, latencies, strict=True)
    )
    links = [int(count) for count in row["links_per_dim"].split()] or [1] * len(dimensions)
    per_link = [float(bandwidth) for bandwidth in row["link_bw_GBps_2p30_per_dim"].split()]
    algorithms = tuple(_ALGORITHM[name] for name in row["algorithm"].split("_"))
    return AstraRun(
        row["id"],
        _CONVENTION[row["simulator"]],
        _COLLECTIVE[row["collective"]],
        int(row["size_bytes"]),
        Topology(row["topology"], dimensions),
        tuple(count * bandwidth * 2**30 for count, bandwidth in zip(links, per_link, strict=True)),
        algorithms if len(algorithms) == len(dimensions) else algorithms * len(dimensions),
        int(row["chunks"]),
        int(row["active_chunks"]),
        _SCHEDULE[row["inter_dim_sched"]],
        Optimization.FULL_PER_DIMENSION if row["coll_opt"] == "baseline" else Optimization.LOCAL,
        int(row["result_ns"]),
        float(row["cpu_s"]),
    )

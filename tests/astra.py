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
WORKLOAD = 5
"""What the workload computed in which ASTRA-sim 1.0 ran one collective [ns]; it is no part of the collective."""
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
    """One row: the case, and the nanoseconds that ASTRA-sim counted for the collective."""

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


def shared_network(name: str) -> Path | None:
    """Return a file or folder of the published numbers, or None where they are not on this machine."""
    for parent in Path(__file__).resolve().parents:
        path = parent / "shared" / "data" / "network" / name
        if path.exists():
            return path
    return None


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a file of published numbers, none where it is not on this machine."""
    path = shared_network(name)
    if path is None:
        return []
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def astra_runs() -> list[AstraRun]:
    """Return the collectives that the conventions were first made with."""
    return [_read(row) for row in rows("astra_collectives.csv")]


def fresh_runs() -> list[AstraRun]:
    """Return the collectives that were run afterwards."""
    return [_read(row) for row in rows("astra_fresh.csv") if row["kind"] == "collective"]


def _read(row: dict[str, str]) -> AstraRun:
    topology, bandwidths = network(row)
    dimensions = topology.dimensions
    algorithms = tuple(_ALGORITHM[name] for name in row["algorithm"].split("_"))
    return AstraRun(
        row["id"],
        _CONVENTION[row["simulator"]],
        _COLLECTIVE[row.get("collective") or row["what"]],
        int(row["size_bytes"]),
        topology,
        bandwidths,
        algorithms if len(algorithms) == len(dimensions) else algorithms * len(dimensions),
        int(row["chunks"]),
        int(row["active_chunks"]),
        _SCHEDULE[row["inter_dim_sched"]],
        Optimization.FULL_PER_DIMENSION if row["coll_opt"] == "baseline" else Optimization.LOCAL,
        int(row["result_ns"]) - WORKLOAD * (row["simulator"] == "astra-sim-1.0-analytical"),
        float(row.get("cpu_s") or 0),
    )


def network(row: dict[str, str]) -> tuple[Topology, tuple[float, ...]]:
    """Return the network of a row, and its bandwidths [B/s]."""
    latencies = row["latency_ns_per_dim"].split()
    wired = re.findall(r"(Ring|FullyConnected|Switch)\((\d+)\)", row["topology"])
    dimensions = tuple(
        Dimension(Block(block), int(size), "", float(latency) * 1e-9)
        for (block, size), latency in zip(wired, latencies, strict=True)
    )
    links = [int(count) for count in row["links_per_dim"].split()] or [1] * len(dimensions)
    per_link = [float(bandwidth) for bandwidth in row["link_bw_GBps_2p30_per_dim"].split()]
    bandwidths = tuple(count * bandwidth * 2**30 for count, bandwidth in zip(links, per_link, strict=True))
    return Topology(row["topology"], dimensions), bandwidths

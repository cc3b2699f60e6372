"""What the collectives of one job put on the links that it shares with others: a flow per dimension."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.collectives import Collective, traffic
from simcore.models.network.fluid import FluidNetwork
from simcore.models.network.graph import Link, lines, node, port_link, streams
from simcore.models.network.mapping import Axis
from simcore.models.network.ports import exchanged
from simcore.models.network.sharing.job import Job
from simcore.models.network.topology import Topology
from simcore.models.training.execute import busiest
from simcore.models.training.program import Issue

Array = NDArray[np.float64]


class JobFabric:
    """One job's view of the shared links."""

    def __init__(self, topology: Topology, index: dict[Link, int], job: Job) -> None:
        self._job, self._topology = job, topology
        self.rows: list[Array] = []
        self._kinds: dict[tuple[Axis, bool], list[tuple[int, float] | None]] = {}
        self._index = index

    def learn(self, issue: Issue, first: int) -> None:
        """Add the patterns of a collective to `rows`, which start at row `first` of the network's."""
        kind = issue.axis, issue.collective is Collective.ALL_TO_ALL
        if kind in self._kinds:
            return
        flows: list[tuple[int, float] | None] = []
        for dimension in range(len(self._topology.dimensions)):
            members = members_along(self._job, issue.axis, dimension)
            if len(members[0]) == 1:
                flows.append(None)
                continue
            row = np.zeros(len(self._index))
            for group in members:
                share, counts = streams(self._topology.dimensions[dimension], group, issue.collective)
                for line in lines(self._topology, dimension, self._job.positions):
                    for (here, there), number in counts.items():
                        ends = node(line, dimension, here), node(line, dimension, there)
                        for link in (ends, *self._through(dimension, ends)):
                            row[self._index[link]] += number
            flows.append((first + len(self.rows), share))
            self.rows.append(row)
        self._kinds[kind] = flows

    def _through(self, dimension: int, ends: Link) -> Iterator[Link]:
        """Yield the links through a shared port that bytes over a link of a dimension take too."""
        port = self._topology.dimensions[dimension].port
        for out, end in zip((True, False), ends, strict=True):
            if port is not None and isinstance(end, int):
                yield port_link(port, end, out=out)

    def bind(self, clock: Clock, network: FluidNetwork) -> None:
        """Join the network once all patterns are known."""
        self._clock, self._network = clock, network

    def issue(self, issue: Issue) -> Event:
        """Start the flows of a collective, one per dimension."""
        return self._clock.all_of([self._network.start(row, size) for _, row, size in self._flows(issue)])

    def limit(self, issue: Issue) -> tuple[int, ...]:
        """Return the dimensions whose links would be busy longest without other jobs."""
        network = self._network
        times = {
            dimension: size * float((network.patterns[row] / network.capacity).max())
            for dimension, row, size in self._flows(issue)
        }
        return busiest(times)

    def _flows(self, issue: Issue) -> list[tuple[int, int, float]]:
        """Return dimension, pattern and bytes per stream of each flow of a collective."""
        flows = self._kinds[issue.axis, issue.collective is Collective.ALL_TO_ALL]
        sizes = self._job.groups.sizes(issue.axis)
        volumes = traffic(issue.collective, issue.size, sizes, exchanged(self._topology, sizes))
        return [
            (dimension, flow[0], volume * flow[1])
            for dimension, (flow, volume) in enumerate(zip(flows, volumes, strict=True))
            if flow is not None
        ]


def members_along(job: Job, axis: Axis, dimension: int) -> list[tuple[int, ...]]:
    """Return the groups of a job along one dimension."""
    taken = sorted(job.positions[dimension])
    return [tuple(taken[i] for i in group) for group in job.groups.divide(axis, dimension, len(taken))]

"""A simulated collective: its numbers, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from simcore.models.network.algorithms import Algorithm
from simcore.models.network.bounds import Bounds, per_dimension
from simcore.models.network.chunk_counts import is_settled
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention, convention
from simcore.models.network.ports import ports, through_ports
from simcore.models.network.schedulers.base import Scheduler
from simcore.models.network.simulation.run import CollectiveRun
from simcore.models.network.topology import Port, Topology
from simcore.results import Result, Table
from simcore.studies.buffers import Buffers
from simcore.studies.collective.request import CollectiveRequest

_ROUNDING = 1e-9
"""Share by which a sum of phases may differ from the bound's product without meaning anything."""


@dataclass(frozen=True, kw_only=True)
class CollectiveOutcome(Result):
    """A simulated collective, in numbers.

    Attributes
    ----------
    collective : Collective
        The operation.
    buffers : Buffers
        What one NPU holds before and after [B].
    topology : Topology
        The network.
    bandwidths : tuple of float
        Bandwidth of one NPU into each dimension [B/s].
    groups : tuple of int
        NPUs of the group along each dimension.
    positions : list of list of int, optional
        Where the group's NPUs sit along each dimension; None where all NPUs take part.
    asked : tuple of Algorithm
        What each dimension was to run; what it ran is in `run`.
    request : CollectiveRequest
        What was asked for.
    schedule : type of Scheduler
        What was asked for.
    run : CollectiveRun
        Times, utilisation and every phase.
    bounds : Bounds
        What no schedule can beat.
    faster : tuple of str and float, optional
        Another schedule that takes less than ``latency-aware``, and its time [s].
    """

    collective: Collective
    buffers: Buffers
    topology: Topology
    bandwidths: tuple[float, ...]
    groups: tuple[int, ...]
    positions: list[list[int]] | None
    asked: tuple[Algorithm, ...]
    request: CollectiveRequest
    schedule: type[Scheduler]
    run: CollectiveRun
    bounds: Bounds
    faster: tuple[str, float] | None = None

    @property
    def time(self) -> float:
        """From issue to the end [s]."""
        return self.run.time

    @property
    def bound(self) -> float:
        """What no schedule can beat [s]."""
        return self.bounds.alpha_beta

    @property
    def efficiency(self) -> float | None:
        """How close to the bound: bound / time; above 1 only where a convention breaks physics, None for nothing."""
        if self.time <= 0 or self.limiting is None:
            return None
        ratio = self.bound / self.time
        return 1.0 if 1.0 < ratio < 1.0 + _ROUNDING else ratio

    @property
    def tried(self) -> bool:
        """Whether the number of chunks is the fastest of several."""
        return not is_settled(self.request.chunks, self.schedule, self.convention)

    @property
    def convention(self) -> Convention:
        """What a chunk phase costs."""
        return convention(self.request.convention)

    @property
    def occupied(self) -> tuple[float, ...]:
        """How long at least one chunk is under way in each dimension [s]."""
        return self.run.occupied

    @property
    def shared_ports(self) -> list[tuple[Port, tuple[int, ...], float]]:
        """Ports that several dimensions of the group share, these (from 0), and how long it carries bytes [s]."""
        busy = through_ports(self.topology, self.run.sent)
        used = [d for d, group in enumerate(self.groups) if group > 1]
        every = ((port, tuple(d for d in behind if d in used)) for port, behind in ports(self.topology).items())
        return [(port, behind, seconds) for (port, behind), seconds in zip(every, busy, strict=True) if len(behind) > 1]

    @property
    def limiting(self) -> int | None:
        """The dimension (from 0) that is occupied longest; None where nothing is sent."""
        occupied = self.occupied
        return max(range(len(occupied)), key=occupied.__getitem__) if max(occupied) > 0 else None

    @cached_property
    def dimensions(self) -> Table:
        """Table with one row per dimension: B/s, seconds, bytes, shares of the time."""
        columns = [
            "dimension", "block", "npus", "group", "bandwidth", "latency", "sent", "busy", "occupied", "utilisation",
            "ascending", "phases",
        ]  # fmt: skip
        size, at = self.buffers.size, self.positions
        ascending = per_dimension(self.collective, size, self.topology, self.bandwidths, self.groups, at)
        rows = [
            (
                d + 1, each.block.value, each.size, self.groups[d], self.bandwidths[d], each.latency, self.run.sent[d],
                self.run.busy[d], self.occupied[d], self.run.utilisation[d], ascending[d],
                sum(times for (dimension, *_), times in self.run.kinds.items() if dimension == d),
            )
            for d, each in enumerate(self.topology.dimensions)
        ]  # fmt: skip
        units = dict.fromkeys(("latency", "busy", "occupied", "ascending"), "s")
        return Table(columns, rows, units | {"bandwidth": "B_per_s", "sent": "B"})

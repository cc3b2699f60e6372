"""What a simulated collective gives: times, what limits it, tables, a timeline, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.models.network.bounds import Bounds, per_dimension
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.schedules import Schedule
from simcore.models.network.simulation.run import CollectiveRun
from simcore.models.network.topology import Topology
from simcore.outputs import atomic_directory, write_atomic
from simcore.results import Provenance, Table, to_json
from simcore.studies.collective.inputs import Buffers
from simcore.timeline.file import write_timeline
from simcore.timeline.slices import Slice
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROUNDING = 1e-9
"""Share by which a sum of phases may differ from the bound's product without meaning anything."""


@dataclass(frozen=True)
class CollectiveResult:
    """A simulated collective and where it comes from.

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
    in_flight : int
        Chunk phases under way in a dimension at once.
    convention : Convention
        What a chunk phase costs.
    run : CollectiveRun
        Times, utilisation and every phase.
    bounds : Bounds
        What no schedule can beat.
    provenance : Provenance
        How to make it again.
    seconds : float
        CPU time of the simulation [s]; not part of the written result.
    faster : tuple of Schedule and float, optional
        Another schedule that takes less than ``latency-aware``, and its time [s].
    """

    collective: Collective
    buffers: Buffers
    topology: Topology
    bandwidths: tuple[float, ...]
    groups: tuple[int, ...]
    in_flight: int
    convention: Convention
    run: CollectiveRun
    bounds: Bounds
    provenance: Provenance
    seconds: float = field(compare=False)
    faster: tuple[Schedule, float] | None = None

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
    def positions(self) -> list[list[int]] | None:
        """Where the group's NPUs sit along each dimension; None where all NPUs take part."""
        found: list[list[int]] | None = self.provenance.inputs.get("positions")
        return found

    @cached_property
    def occupied(self) -> tuple[float, ...]:
        """How long at least one chunk is under way in each dimension [s]."""
        return tuple(_union(self.run, d) for d in range(len(self.groups)))

    @property
    def limiting(self) -> int | None:
        """The dimension (from 0) that is occupied longest; None where nothing is sent."""
        occupied = self.occupied
        return max(range(len(occupied)), key=occupied.__getitem__) if max(occupied) > 0 else None

    @property
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
                sum(phase.dimension == d for phase in self.run.log),
            )
            for d, each in enumerate(self.topology.dimensions)
        ]  # fmt: skip
        units = dict.fromkeys(("latency", "busy", "occupied", "ascending"), "s")
        return Table(columns, rows, units | {"bandwidth": "B_per_s", "sent": "B"})

    @property
    def timeline(self) -> list[Slice]:
        """A track per dimension, a slice per chunk phase."""
        return [
            Slice(
                f"dimension {d + 1}: {each.block.value} {each.size}",
                phase.operation.value,
                phase.start,
                phase.end,
                {"chunk": phase.chunk, "size": phase.size, "queued": phase.queued},
            )
            for d, each in enumerate(self.topology.dimensions)
            for phase in self.run.log
            if phase.dimension == d
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        return {
            "time": self.time,
            "bound": self.bound,
            "efficiency": self.efficiency,
            "utilisation": list(self.run.utilisation),
            "limiting_dimension": None if self.limiting is None else self.limiting + 1,
            "events": self.run.events,
            "bounds": {
                "bandwidth": self.bounds.bandwidth,
                "latency": self.bounds.latency,
                "alpha_beta": self.bounds.alpha_beta,
                "ascending": self.bounds.hierarchical,
            },
            "size": self.buffers.size,
            "size_meaning": self.buffers.meaning,
            "full_buffer": self.buffers.full,
            "shard": self.buffers.shard,
            "npus": prod(self.groups),
            "chunks": self.run.chunks,
            "algorithms": [each.value for each in self.run.algorithms],
            "phases": self.run.phases,
            "dimensions": [dict(row) for row in self.dimensions],
            "reasons": list(self.reasons),
            "provenance": self.provenance.as_dict(),
        }

    @property
    def reasons(self) -> list[str]:
        """Why it takes as long as it does, a sentence each."""
        from simcore.studies.collective.reasons import reasons

        return reasons(self)

    def plot(self) -> Figure:
        """Draw the chunk phases of each dimension over time, and its utilisation."""
        from simcore.plots import caption
        from simcore.studies.collective.figures import draw

        inputs = self.provenance.inputs
        what = f"{self.collective.value} of {self.buffers.size:,.0f} B per NPU on {self.topology.name}"
        how = f"{inputs['schedule']}, {counted(self.run.chunks, 'chunk')}, {self.convention.value}"
        return caption(draw(self.timeline, self.dimensions, self.time), f"{what}; {how}: {format_si(self.time, 's')}")

    def write(self, directory: Path, *, force: bool = False) -> None:
        """Write ``collective.json``, ``dimensions.csv``, the timeline and a figure into a new directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, or it cannot be written.
        """
        from simcore.plots import save

        with atomic_directory(directory, force=force) as scratch:
            write_atomic(scratch / "collective.json", to_json(self.as_dict()))
            write_atomic(scratch / "dimensions.csv", self.dimensions.to_csv())
            self.write_timeline(scratch / "timeline.json")
            save(self.plot(), scratch / "collective")

    def write_timeline(self, path: Path) -> None:
        """Write the timeline as a trace for ui.perfetto.dev, and as CSV beside it.

        Raises
        ------
        InputError
            If the trace would have the name of the CSV.
        """
        write_timeline(path, self.timeline, f"simcore collective {self.collective.value} on {self.topology.name}")


def _union(run: CollectiveRun, dimension: int) -> float:
    """Return how long the phases of a dimension take, where they overlap once [s]."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted((phase.start, phase.end) for phase in run.log if phase.dimension == dimension):
        if stop > end:
            total += stop - max(start, end)
            end = stop
    return total

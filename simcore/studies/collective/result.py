"""What a simulated collective gives: tables, what limits it, a timeline and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from simcore.report import Block
from simcore.results import Table, Timeline
from simcore.studies.collective.outcome import CollectiveOutcome
from simcore.studies.collective.reasons import reasons
from simcore.studies.collective.report import report
from simcore.timeline.slices import Slice, timeline
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class CollectiveResult(CollectiveOutcome):
    """A simulated collective and where it comes from, see `CollectiveOutcome` for its numbers."""

    stem = "collective"

    def tables(self) -> Mapping[str, Table]:
        """Return the table of dimensions."""
        return {"dimensions": self.dimensions}

    @property
    def slices(self) -> list[Slice]:
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
            "ports": [
                {"name": port.name, "bandwidth": port.bandwidth, "dimensions": [d + 1 for d in behind], "busy": seconds}
                for port, behind, seconds in self.shared_ports
            ],
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return why it takes as long as it does, a sentence each."""
        return reasons(self)

    def report(self) -> Sequence[Block]:
        """Return the time beside the bound, a table of dimensions, and why."""
        return report(self)

    def figures(self) -> Mapping[str, Figure]:
        """Draw the chunk phases of each dimension over time, and its utilisation."""
        from simcore.plots import caption
        from simcore.studies.collective.figures import draw

        what = f"{self.collective.value} of {self.buffers.size:,.0f} B per NPU on {self.topology.name}"
        how = f"{self.schedule.name}, {counted(self.run.chunks, 'chunk')}, {self.convention}"
        figure = draw(self.slices, self.dimensions, self.time)
        return {self.stem: caption(figure, f"{what}; {how}: {format_si(self.time, 's')}")}

    def timeline(self) -> Timeline:
        """Return the chunk phases, a track per dimension."""
        return timeline(self.slices, f"simcore collective {self.collective.value} on {self.topology.name}")

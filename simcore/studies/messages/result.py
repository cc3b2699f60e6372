"""What ``simcore messages`` gives: tables, a report, a timeline and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simcore.report import Block
from simcore.results import Table, Timeline
from simcore.studies.messages.outcome import MessagesOutcome
from simcore.studies.messages.report import report
from simcore.timeline.slices import Slice, timeline
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class MessagesResult(MessagesOutcome):
    """A collective as messages, see `MessagesOutcome` for its numbers."""

    stem = "messages"

    def tables(self) -> Mapping[str, Table]:
        """Return messages, links and the chain that the end waited for."""
        return {self.stem: self.table, "links": self.links, "critical": self.critical}

    @cached_property
    def slices(self) -> list[Slice]:
        """A track per NPU that sends: its messages."""
        return [
            Slice(
                f"NPU {row['from']}", f"to {row['to']}", row["start"], row["end"],
                {"chunks": row["chunks"], "operation": row["operation"], "size": row["size"]},
            )
            for row in sorted(self.table, key=lambda row: (row["from"], row["start"]))
        ]  # fmt: skip

    def timeline(self) -> Timeline:
        """Return the messages, a track per NPU that sends."""
        return timeline(self.slices, f"simcore messages {self.program.collective.value} on {self.fabric.name}")

    def report(self) -> Sequence[Block]:
        """Return the time beside the bounds, the busiest links, and why."""
        return report(self)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        return {
            "time": self.time,
            "bound": self.bound,
            "aggregate_bound": self.aggregate_bound,
            "collective": self.program.collective.value,
            "program": self.program.name,
            "size": self.buffers.size,
            "size_meaning": self.buffers.meaning,
            "npus": self.program.npus,
            "members": list(self.members),
            "messages": len(self.program.sends),
            "changes": self.run.changes,
            "links": [dict(row) for row in self.links],
            "critical": [dict(row) for row in self.critical],
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw the load of links, and how many messages are under way."""
        from simcore.plots import caption
        from simcore.studies.messages.figures import draw

        figure = draw(self.links, self.run.starts, self.run.ends, self.time)
        made = self.program
        text = f"{made.collective.value} ({made.name}) of {format_si(self.buffers.size, 'B')} on {self.fabric.name}"
        return {self.stem: caption(figure, f"{text}: {format_si(self.time, 's')}")}

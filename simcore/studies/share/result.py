"""What ``simcore share`` gives: tables, who slows whom, a timeline and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simcore.report import Block
from simcore.results import Table, Timeline
from simcore.studies.share.outcome import ShareOutcome
from simcore.studies.share.report import report
from simcore.timeline.slices import Slice, timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ShareResult(ShareOutcome):
    """Several jobs on one network, see `ShareOutcome` for the numbers."""

    stem = "share"

    def tables(self) -> Mapping[str, Table]:
        """Return jobs, pairs, dimensions and links."""
        return {"jobs": self.table, "pairs": self.pairs, "dimensions": self.dimensions, "links": self.links}

    @cached_property
    def slices(self) -> list[Slice]:
        """A track per job: compute, and what it waited for."""
        slices = []
        for job, one in zip(self.shared_jobs, self.run.jobs, strict=True):
            names = [layer.name for layer in job.workload.layers]
            for span in one.spans:
                what = "compute" if span.axis is None else f"wait for {span.axis.value}"
                about = {"layer": names[span.layer], "part": span.part.value}
                slices.append(Slice(job.name, what, span.start, span.end, about))
        return slices

    def timeline(self) -> Timeline:
        """Return what the NPUs of each job do when, a track per job."""
        return timeline(self.slices, f"simcore share on {self.topology.name}")

    def report(self) -> Sequence[Block]:
        """Return jobs, who hurts whom, and how full links are."""
        return report(self)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        return {
            "time": self.time,
            "network": self.topology.name,
            "bandwidths": list(self.bandwidths),
            "jobs": [dict(row) for row in self.table],
            "exposed": {one.name: {axis.value: s for axis, s in one.exposed.items()} for one in self.run.jobs},
            "pairs": [dict(row) for row in self.pairs],
            "dimensions": [dict(row) for row in self.dimensions],
            "changes": self.run.changes,
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw what each job does over time, and who slows whom by how much."""
        from simcore.plots import caption
        from simcore.studies.share.figures import draw

        figure = draw(self.slices, [job.name for job in self.shared_jobs], self.pairs, self.time)
        what = f"{len(self.shared_jobs)} jobs on {self.topology.name}, links shared max-min fairly, without latency"
        return {self.stem: caption(figure, what)}

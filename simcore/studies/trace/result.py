"""What the cluster study returns: tables, a report, figures and a timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.models.cluster import metrics
from simcore.models.cluster.stays import stays
from simcore.report import Block
from simcore.results import Table, Timeline
from simcore.studies.trace.outcome import TraceOutcome
from simcore.studies.trace.report import baseline, report
from simcore.units import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TraceResult(TraceOutcome):
    """A trace of training jobs under several policies, see `TraceOutcome` for its numbers."""

    stem = "summary"
    keeps_timeline = False

    def tables(self) -> Mapping[str, Table]:
        """Return a row per policy, per job, and per tick; of a trace of durations groups and winners too.

        With seeds there are winners and a row per policy and metric. Jobs and ticks are those of the first seed.
        """
        tables = {self.stem: self.table, "jobs": self.jobs, "allocation": self.allocation}
        if self.trace.by_submission:
            tables |= {"groups": self.groups}
        if self.trace.by_submission or self.samples:
            tables |= {"winners": self.winners}
        if self.samples:
            tables |= {"intervals": self.intervals}
        return tables

    def sentences(self) -> list[str]:
        """Return how much of an improvement comes from the published baseline being serial."""
        return baseline(self)

    def report(self) -> Sequence[Block]:
        """Return a column per policy."""
        return report(self)

    def as_dict(self) -> dict[str, Any]:
        """Return rows, what was simulated, warnings and provenance as plain containers."""
        cluster, times = self.cluster, self.step_times
        over = {"varied": list(self.varied), "intervals": [dict(row) for row in self.intervals]} if self.samples else {}
        return {
            "rows": [dict(row) for row in self.table],
            **over,
            "trace": {"name": self.trace.name, "jobs": len(self.trace)},
            "cluster": {"name": cluster.name, "gpus": dict(zip(cluster.types, cluster.counts, strict=True))},
            "step_times": {"name": times.name, "kinds": list(times.kinds), "note": times.note},
            "window": None if self.window is None else list(self.window),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw ``jct_makespan`` (Figure 14), ``trace_alloc`` (Figure 15), ``jct_cdf`` and ``queue_length``.

        A cluster with nodes has ``gantt`` too.
        """
        from simcore.studies.trace.figures import jct_cdf, jct_makespan, queue_length, trace_alloc

        text = self._caption()
        origin = self.trace.origin
        queues = {run.policy: metrics.queue_length(self.trace, run.segments) for run in self.runs}
        queues = {policy: (time - origin, waiting) for policy, (time, waiting) in queues.items()}
        return {
            "jct_makespan": jct_makespan(self.table, text, self.intervals if self.samples else None),
            "trace_alloc": trace_alloc(self.allocation, self.cluster.gpus, text, origin),
            "jct_cdf": jct_cdf({run.policy: run.times.jct for run in self.runs}, text),
            "queue_length": queue_length(queues, text),
            **self._on_nodes(text),
        }

    def _on_nodes(self, text: str) -> Mapping[str, Figure]:
        """Draw who runs on which node and when, where the cluster has nodes."""
        from simcore.studies.trace.gantt import gantt

        nodes = self.cluster.nodes
        if not nodes:
            return {}
        return {"gantt": gantt({run.policy: stays(run.log) for run in self.runs}, nodes, text, self.trace.origin)}

    def timeline(self) -> Timeline:
        """Return what runs on which GPU, for ui.perfetto.dev."""
        from simcore.timeline.cluster import cluster_timeline

        runs = [(run.policy, run.segments) for run in self.runs]
        found = [stays(run.log) for run in self.runs] if self.cluster.nodes else ()
        document = cluster_timeline(self.trace, self.cluster, runs, found)
        return Timeline(json.dumps(document, separators=(",", ":")) + "\n")

    def _caption(self) -> str:
        decided = "at every event" if self.interval is None else f"every {self.interval:g} s"
        times = self.step_times
        durations = times.given and not times.applications
        seconds = "durations as the trace gives them" if durations else f"step times {times.label()}"
        return (
            f"trace {self.trace.name} ({counted(len(self.trace), 'job')}) on cluster {self.cluster.name}, "
            f"decided {decided}, {seconds}"
        )

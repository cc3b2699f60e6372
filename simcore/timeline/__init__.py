"""Timelines: what happened when, as a trace for ui.perfetto.dev and as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.timeline.cluster import cluster_timeline
    from simcore.timeline.slices import Slice, timeline

__getattr__, __dir__ = attach(
    __name__,
    {
        "Slice": "simcore.timeline.slices",
        "cluster_timeline": "simcore.timeline.cluster",
        "timeline": "simcore.timeline.slices",
    },
)

__all__ = ["Slice", "cluster_timeline", "timeline"]

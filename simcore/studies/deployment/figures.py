"""Drawings that studies of a layout share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simcore.models.training.parallel.memory import KINDS, RankMemory
from simcore.plots import COLOURS, HATCHES, LINE, RED
from simcore.studies.deployment.words import GIB

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RANKS = 24
"""Pipeline ranks that figures show at most."""


def draw_memory(axes: Axes, memory: Sequence[RankMemory], capacity: float) -> None:
    """Draw memory by pipeline rank and kind, what is reserved beyond, and what a GPU has.

    Parameters
    ----------
    axes : Axes
        Where.
    memory : sequence of RankMemory
        Of one GPU of each rank.
    capacity : float
        Memory of a GPU that programs may use [B].
    """
    ranks = memory[:MOST_RANKS]
    labels = [str(one.rank) for one in ranks]
    bottom = [0.0] * len(ranks)
    parts = {kind: [one.kinds[kind] / GIB for one in ranks] for kind in KINDS}
    parts["reserved beyond"] = [(one.reserved - one.allocated) / GIB for one in ranks]
    for index, (kind, heights) in enumerate(parts.items()):
        if not any(heights):
            continue
        colour, hatch = COLOURS[index % len(COLOURS)], HATCHES[index % len(HATCHES)]
        if kind == "reserved beyond":
            colour, hatch = "white", "..."
        axes.bar(labels, heights, 0.7, bottom, label=kind, color=colour, hatch=hatch, edgecolor=LINE, lw=0.4)
        bottom = [low + high for low, high in zip(bottom, heights, strict=True)]
    axes.axhline(capacity / GIB, color=RED, linestyle="--", linewidth=1.2, label="capacity")
    axes.set_xlabel("pipeline stage" if len(memory) <= MOST_RANKS else f"pipeline stage, the first {MOST_RANKS}")
    axes.set_ylabel("memory of a GPU [GiB]")
    axes.set_ylim(0, 1.08 * max(*bottom, capacity / GIB))

"""The figure of jobs that share a network: what each does when, and who slows whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simcore.plots import BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, YELLOW, new_figure, show_times
from simcore.results import Table
from simcore.timeline.slices import Slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = (GREY, BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW)
_WRITTEN = 12
"""Jobs up to which each cell of the right part has its number."""


def draw(slices: Sequence[Slice], jobs: Sequence[str], pairs: Table, time: float) -> Figure:
    """Draw a row per job over time, and a matrix of slow-downs beside it.

    Parameters
    ----------
    slices : sequence of Slice
        What jobs do, their track the job.
    jobs : sequence of str
        Names, in order.
    pairs : Table
        Slow-down of a job beside one other.
    time : float
        When the last job ends [s].
    """
    from matplotlib.patches import Patch

    kinds = sorted({each.name for each in slices}, key=lambda name: (name != "compute", name))
    colours = dict(zip(kinds, _COLOURS, strict=False))
    figure = new_figure(8.4, 1.6 + 0.45 * max(len(jobs), 3))
    left, right = figure.subplots(1, 2, width_ratios=(3, 1.2))
    for row, job in enumerate(jobs):
        for name in kinds:
            bars = [(each.start, each.end - each.start) for each in slices if (each.track, each.name) == (job, name)]
            left.broken_barh(bars, (row - 0.35, 0.7), color=colours[name], linewidth=0)
    left.set_yticks(range(len(jobs)), jobs)
    left.invert_yaxis()
    left.set_xlim(0, time or 1.0)
    show_times(left, "x", time, "time")
    _matrix(right, jobs, pairs)
    handles = [Patch(color=colours[name], label=name) for name in kinds]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure


def _matrix(axes: Any, jobs: Sequence[str], pairs: Table) -> None:
    """Draw how many times as long each job takes beside each other one."""
    place = {name: number for number, name in enumerate(jobs)}
    values = np.ones((len(jobs), len(jobs)))
    for row in pairs:
        values[place[row["job"]], place[row["beside"]]] = row["slowdown"]
    axes.imshow(values, cmap="Oranges", vmin=1.0, vmax=max(2.0, float(values.max())))
    if len(jobs) <= _WRITTEN:
        for one, other in np.ndindex(values.shape):
            text = "" if one == other else f"{values[one, other]:.2f}"
            axes.text(other, one, text, ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(jobs)), jobs, rotation=30, ha="right")
    axes.set_yticks(range(len(jobs)), jobs)
    axes.set_xlabel("beside")
    axes.set_title("slow-down", fontsize=8)

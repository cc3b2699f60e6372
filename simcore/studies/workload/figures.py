"""Figures of a workload: how durations, gangs and arrivals are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.plots import BLUE, GREEN, ORANGE, SKY, bare_axes, caption, new_figure, show_times_by_logarithm
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def durations(seconds: NDArray[np.float64], text: str) -> Figure:
    """Draw the share of jobs that run no longer than a time, on a logarithmic axis."""
    figure = new_figure(7.0, 3.9)
    axes: Any = figure.subplots()
    ordered = np.sort(seconds)
    axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), where="post", color=BLUE, lw=1.4)
    show_times_by_logarithm(axes, float(ordered[0]), float(max(ordered[-1], 1.01 * ordered[0])), "duration")
    axes.set_ylabel("share of jobs")
    axes.set_ylim(0, 1.02)
    bare_axes(axes)
    return caption(figure, text)


def gangs(table: Table, text: str) -> Figure:
    """Draw the jobs and the GPU-hours of each size of gang."""
    figure = new_figure(7.0, 3.9)
    axes: Any = figure.subplots()
    places = np.arange(len(table))
    jobs = np.array(table.column("jobs"), dtype=np.float64)
    axes.bar(places - 0.2, jobs / jobs.sum(), 0.4, color=SKY, label="jobs")
    axes.bar(places + 0.2, table.column("share"), 0.4, color=ORANGE, label="GPU-hours")
    axes.set_xticks(places, [str(gang) for gang in table.column("gang")])
    axes.set_xlabel("gang [GPUs]")
    axes.set_ylabel("share")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    bare_axes(axes)
    return caption(figure, text)


def arrivals(table: Table, text: str) -> Figure:
    """Draw the jobs that are submitted in each hour of a day, counted from the first submission."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(7.0, 3.9)
    axes: Any = figure.subplots()
    axes.bar(table.column("hour"), table.column("jobs"), 0.8, color=GREEN)
    axes.set_xlim(-0.6, 23.6)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour of the day, from the first submission")
    axes.set_ylabel("jobs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    bare_axes(axes)
    return caption(figure, text)

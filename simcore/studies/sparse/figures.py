"""The figure of sparse operators: each one's time dense and by PIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simcore.plots import kernel_marks, new_figure, show_times
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 30
"""Operators that are drawn, the slowest first."""


def draw(table: Table) -> Figure:
    """Draw two bars per operator, from 0."""
    rows = sorted(table, key=lambda row: -row["dense"])[:MOST]
    names = [f"{row['module'] or '(whole)'}: {row['operator']}" for row in rows]
    figure = new_figure(7.2, 1.2 + 0.34 * len(rows))
    axes = figure.subplots()
    longest = max(max(row["dense"], row["pit"]) for row in rows)
    drawn = kernel_marks(["dense", "pit"])
    places = np.arange(len(rows))
    for offset, way, label in ((-0.2, "dense", "dense"), (0.2, "pit", "PIT with index")):
        mark = drawn[way]
        axes.barh(places + offset, [row[way] for row in rows], 0.38, color=mark.colour, hatch=mark.hatch, label=label)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.05 * longest)
    show_times(axes, "x", longest, "time of one call")
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return figure

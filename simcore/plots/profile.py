"""The figure of a profile: predicted against measured seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots.style import COLOURS, new_figure
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(table: Table, name: str) -> Figure:
    """Draw every sample: filled where it was fitted, open where it was held out; the diagonal is no error.

    Parameters
    ----------
    table : Table
        Columns ``kernel``, ``held_out``, ``measured`` [s] and ``predicted`` [s].
    name : str
        Of the profile.
    """
    figure = new_figure(7.0, 4.2)
    axes = figure.subplots()
    markers = "osv^D<>phX*"
    for position, kernel in enumerate(dict.fromkeys(table.column("kernel"))):
        colour, marker = COLOURS[position % len(COLOURS)], markers[position % len(markers)]
        for held_out in (False, True):
            rows = [row for row in table if row["kernel"] == kernel and row["held_out"] == held_out]
            axes.plot(
                [1e3 * row["measured"] for row in rows], [1e3 * row["predicted"] for row in rows], marker,
                color=colour, markersize=4, fillstyle="none" if held_out else "full",
                label=None if held_out else kernel,
            )  # fmt: skip
    ends = [1e3 * min(table.column("measured")), 1e3 * max(table.column("measured"))]
    axes.plot(ends, ends, color="#555555", linewidth=0.8)
    axes.set(
        xscale="log", yscale="log", xlabel="measured [ms]", ylabel="predicted [ms]", title=f"{name}: open = held out"
    )
    axes.legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure

"""The figure of a search: time against memory of all layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import BLUE, GREY, ORANGE, RED, STYLE, caption, new_figure
from simcore.studies.deployment.words import GIB, degrees, details
from simcore.studies.search.outcome import SearchOutcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: SearchOutcome) -> Figure:
    """Draw a point for each layout that was tried, those that fit apart, with the best one marked."""
    import matplotlib
    from matplotlib.ticker import LogLocator

    points, best = result.found.points, result.best
    with matplotlib.rc_context(STYLE):
        figure = new_figure(5.6, 3.6)
        axes = figure.subplots()
        for fit, marker, colour, label in ((True, "o", BLUE, "fits"), (False, "x", GREY, "does not fit")):
            chosen = [one for one in points if (one.reserved <= result.capacity) is fit]
            x, y = [one.reserved / GIB for one in chosen], [one.time for one in chosen]
            axes.scatter(x, y, 9, colour, marker=marker, label=label, linewidths=0.7, alpha=0.6, rasterized=True)
        axes.axvline(result.capacity / GIB, color=RED, linestyle="--", linewidth=1, label="capacity")
        if best is not None:
            x, y = [best.worst.reserved / GIB], [best.time]
            axes.scatter(x, y, 90, ORANGE, marker="*", label="best", edgecolors="black", linewidths=0.6, zorder=3)
        for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
            scale("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.set_xlabel("memory of the worst GPU, logarithmic [GiB]")
        axes.set_ylabel("iteration, logarithmic [s]")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        said = "no layout fits" if best is None else f"best: {degrees(best.layout)}; {details(best.layout)}"
        caption(figure, f"{result.name} on {result.gpus} x {result.device}: {said}")
    return figure

"""The figure of a training iteration: what its time is spent on, and how busy each dimension is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simcore.plots import BLUE, FILL, GREEN, LINE, ORANGE, PINK, RED, SKY, STYLE, YELLOW, show_times
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# hatches differ as well
_PARTS = {
    "compute": (FILL, ""),
    "tensor-parallel": (BLUE, "//"),
    "data-parallel": (ORANGE, "xx"),
    "expert-parallel": (GREEN, "++"),
    "expert-data-parallel": (YELLOW, "--"),
    "all-NPU": (RED, "oo"),
    "pipeline": (SKY, "\\\\"),
    "other stages": (PINK, ".."),
}
_LEGEND = 4
"""Entries of a legend that fit beside one another."""


def draw(dimensions: Table, parts: Mapping[str, float], bound: float | None) -> Figure:
    """Draw the parts of an iteration as one bar with its bound, and the utilisation of each dimension.

    Parameters
    ----------
    dimensions : Table
        As `simcore.studies.train.result.TrainResult.dimensions` has them.
    parts : mapping
        Seconds of compute and of what it waits for, by the names in the legend.
    bound : float or None
        What no schedule beats [s].
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.8, 1.2 + 0.4 * len(dimensions)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        start = 0.0
        for name, (colour, hatch) in _PARTS.items():
            length = parts.get(name, 0.0)
            if length > 0:
                label = name if name == "compute" else f"waits for {name}"
                left.barh(0, length, 0.5, start, color=colour, hatch=hatch, edgecolor="white", label=label)
            start += length
        if bound is not None:
            left.axvline(bound, color="black", linestyle="--", linewidth=1.0, label="no schedule beats")
        left.set_yticks([])
        left.set_ylim(-0.6, 0.6)
        show_times(left, "x", start, "iteration")
        entries = len(left.get_legend_handles_labels()[0])
        # of a pipeline there are more than one line of the figure holds
        figure.legend(loc="outside upper center", ncols=entries if entries <= _LEGEND else 3, frameon=False)
        labels = [f"{row['dimension']}: {row['block']} {row['npus']}" for row in dimensions]
        shares = [100 * row["utilisation"] for row in dimensions]
        right.bar_label(right.barh(labels, shares, 0.7, color=LINE), fmt="%.1f %%", padding=2)
        right.invert_yaxis()
        right.set_xlim(0, 1.3 * max(1.0, *shares))
        right.set_xlabel("utilisation [%]")
    return figure

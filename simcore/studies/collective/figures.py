"""The figure of a collective: chunk phases of each dimension over time, and how busy its links are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simcore.plots import BLUE, GREEN, LINE, ORANGE, SKY, STYLE, show_times
from simcore.results import Table
from simcore.timeline.slices import Slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# from Okabe and Ito's palette, which colour-blind readers tell apart
_COLOURS = {
    "reduce-scatter": BLUE,
    "all-reduce": ORANGE,
    "all-gather": SKY,
    "all-to-all": GREEN,
}


def draw(timeline: Sequence[Slice], dimensions: Table, time: float) -> Figure:
    """Draw one row per dimension: phases as bars over time, utilisation beside them.

    Parameters
    ----------
    timeline : sequence of Slice
        Chunk phases, their track the dimension.
    dimensions : Table
        As `simcore.studies.collective.run.CollectiveResult.dimensions` has them.
    time : float
        The collective [s].
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    tracks = [f"dimension {row['dimension']}: {row['block']} {row['npus']}" for row in dimensions]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.0 + 0.45 * len(tracks)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
        for name, colour in _COLOURS.items():
            for row, track in enumerate(tracks):
                bars = [
                    (each.start, each.end - each.start) for each in timeline if (each.track, each.name) == (track, name)
                ]
                # white gaps tell chunks apart as long as they are wider than a line
                left.broken_barh(bars, (row - 0.35, 0.7), color=colour, linewidth=0)
        left.set_yticks(range(len(tracks)), tracks)
        left.invert_yaxis()
        left.set_xlim(0, time or 1.0)
        show_times(left, "x", time, "time")
        shares = [100 * row["utilisation"] for row in dimensions]
        right.bar_label(right.barh(range(len(tracks)), shares, 0.7, color=LINE), fmt="%.0f %%", padding=2)
        right.set_xlim(0, 1.3 * max(100.0, *shares))
        right.set_xlabel("utilisation [%]")
        shown = {each.name for each in timeline}
        handles = [Patch(color=colour, label=name) for name, colour in _COLOURS.items() if name in shown]
        if handles:
            figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure

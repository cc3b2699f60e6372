"""The figure of a model's memory: a bar for each pipeline rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import STYLE, caption, new_figure
from simcore.studies.deployment.figures import MOST_RANKS, draw_memory
from simcore.studies.deployment.words import degrees, details
from simcore.studies.memory.outcome import MemoryOutcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: MemoryOutcome) -> Figure:
    """Draw memory by pipeline rank and kind, what is reserved beyond, and what a GPU has."""
    import matplotlib

    ranks, layout = result.evaluation.memory, result.evaluation.layout
    with matplotlib.rc_context(STYLE):
        figure = new_figure(4.2 + 0.35 * min(len(ranks), MOST_RANKS), 3.2)
        axes = figure.subplots()
        draw_memory(axes, ranks, result.capacity)
        handles, names = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], names[::-1], frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        caption(figure, f"{result.name} on {layout.gpus} x {result.device}: {degrees(layout)}; {details(layout)}")
    return figure

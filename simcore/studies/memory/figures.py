"""The figure of a model's memory: a bar for each pipeline rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.models.training.parallel.memory import KINDS
from simcore.plots import COLOURS, HATCHES, STYLE, caption, new_figure
from simcore.studies.deployment.words import GIB, degrees, details
from simcore.studies.memory.outcome import MemoryOutcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: MemoryOutcome) -> Figure:
    """Draw memory by pipeline rank and kind, what is reserved beyond, and what a GPU has."""
    import matplotlib

    ranks, layout = result.evaluation.memory, result.evaluation.layout
    labels = [str(one.rank) for one in ranks]
    with matplotlib.rc_context(STYLE):
        figure = new_figure(4.2 + 0.35 * min(len(ranks), 24), 3.2)
        axes = figure.subplots()
        bottom = [0.0] * len(ranks)
        parts = {kind: [one.kinds[kind] / GIB for one in ranks] for kind in KINDS}
        parts["reserved beyond"] = [(one.reserved - one.allocated) / GIB for one in ranks]
        for index, (kind, heights) in enumerate(parts.items()):
            if not any(heights):
                continue
            colour, hatch = ("#FFFFFF", "...") if kind == "reserved beyond" else (COLOURS[index], HATCHES[index])
            axes.bar(labels, heights, 0.7, bottom, label=kind, color=colour, hatch=hatch, edgecolor="#444444", lw=0.4)
            bottom = [low + high for low, high in zip(bottom, heights, strict=True)]
        axes.axhline(result.capacity / GIB, color="#D55E00", linestyle="--", linewidth=1.2, label="capacity")
        axes.set_xlabel("pipeline stage")
        axes.set_ylabel("memory of a GPU [GiB]")
        axes.set_ylim(0, 1.08 * max(*bottom, result.capacity / GIB))
        handles, names = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], names[::-1], frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        caption(figure, f"{result.name} on {layout.gpus} x {result.device}: {degrees(layout)}; {details(layout)}")
    return figure

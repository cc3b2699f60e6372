"""The figure of a bandwidth plan, from its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simcore.plots import BLUE, FILL, LINE, ORANGE, SKY, STYLE, show_times
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# from Okabe and Ito's palette, which colour-blind readers tell apart; hatches differ as well
_PARTS = {
    "compute": (FILL, ""),
    "forward": (BLUE, "//"),
    "input_gradient": (SKY, ".."),
    "weight_gradient": (ORANGE, "xx"),
}


def draw(table: Table, steps: Mapping[str, Mapping[str, float]], costs: Mapping[str, float]) -> Figure:
    """Draw the bandwidth of each dimension, and what the iteration is spent on, over what the network costs.

    Parameters
    ----------
    table : Table
        One row per dimension, as `simcore.studies.optimize.result.OptimizeResult.table` has them.
    steps : mapping
        Seconds of ``compute``, ``forward``, ``input_gradient`` and ``weight_gradient`` by the name of a split.
    costs : mapping
        What the network of each split costs [$].
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.0 + 1.1 * len(table), 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        blocks = {"FullyConnected": "FC"}  # the field's short name, which fits under a bar
        levels = [row["level"].replace("/", "/\n") for row in table]
        shapes = [f"{blocks.get(row['block'], row['block'])} {row['npus']}" for row in table]
        labels = [f"{shape}\n{level}" for shape, level in zip(shapes, levels, strict=True)]
        labels = [f"{number}: {label}" for number, label in enumerate(labels, 1)]
        bandwidths = [row["bandwidth"] / 1e9 for row in table]
        bars = left.bar(labels, bandwidths, color=BLUE)
        left.tick_params(axis="x", labelsize=7)
        left.bar_label(bars, [f"{value:.4g}" for value in bandwidths], padding=1)
        left.axhline(sum(bandwidths) / len(bandwidths), color=LINE, linestyle="--", linewidth=0.8, label="equal")
        left.margins(y=0.1)
        left.set_ylabel("bandwidth [GB/s per NPU]")
        left.legend(
            frameon=False, loc="lower right", bbox_to_anchor=(1, 1)
        )  # looking for the best place may take seconds
        bottom = dict.fromkeys(steps, 0.0)
        priced = [f"{name}\n${costs[name]:,.0f}" for name in steps]
        for part, (colour, hatch) in _PARTS.items():
            heights = {name: step[part] for name, step in steps.items()}
            label = part.replace("_", " ")
            right.bar(
                priced, list(heights.values()), bottom=list(bottom.values()), color=colour, hatch=hatch, label=label,
                width=0.6, edgecolor="white",
            )  # fmt: skip
            bottom = {name: bottom[name] + heights[name] for name in steps}
        show_times(right, "y", max(bottom.values()), "iteration")
        right.margins(y=0.05)
        right.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure

"""Figures 9, 14 and 15 of EasyScale, from runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from simcore.models.cluster.policies.registry import EXPERIMENT
from simcore.plots import COLOURS, STYLE, marks, new_figure, show_times
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(name: str, data: Mapping[str, Table]) -> Figure:
    """Draw a figure by its name, such as ``fig9``."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return {"fig9": _losses, "fig14": _bars, "fig15": _allocation}[name](data)


def _losses(data: Mapping[str, Table]) -> Figure:
    """Draw a panel per level: the difference of losses over mini-batches, with the stages' borders."""
    points = data["points"]
    levels = [name for name in points.columns if name not in ("batch", "stage")]
    figure = new_figure(6.4, 1.5 * len(levels) + 0.6)
    panels = figure.subplots(len(levels), 1, sharex=True, squeeze=False)[:, 0]
    stages = points.column("stage")
    borders = [0, *(i for i in range(1, len(stages)) if stages[i] != stages[i - 1])]
    for axes, level in zip(panels, levels, strict=True):
        axes.plot(points.column("batch"), points.column(level), color=COLOURS[5], lw=1.0)
        for start in borders:
            axes.axvline(start, color=COLOURS[0], lw=0.6, ls=":")
        axes.set_ylabel(f"{level}: loss difference")
        axes.margins(y=0.3)
    for start in borders:
        panels[0].annotate(
            stages[start], (start, 1), xycoords=("data", "axes fraction"), xytext=(3, -9), textcoords="offset points"
        )
    panels[-1].set_xlabel("mini-batch")
    return figure


def _bars(data: Mapping[str, Table]) -> Figure:
    """Draw mean completion time and makespan: published, ours, and ours with costs."""
    table = data["fig14"]
    figure = new_figure(8.4, 3.6)
    panels = figure.subplots(1, 2)
    kinds = (("reference_{}", "published", COLOURS[0]), ("{}", "ours", COLOURS[5]),
             ("{}_with_costs", "ours, with costs", COLOURS[2]))  # fmt: skip
    for axes, what, title in zip(
        panels, ("mean_jct", "makespan"), ("Mean job completion time", "Makespan"), strict=True
    ):
        places = np.arange(len(table))
        for number, (pattern, label, colour) in enumerate(kinds):
            values = [0.0 if value is None else value / 3600 for value in table.column(pattern.format(what))]
            axes.bar(places + 0.27 * (number - 1), values, 0.25, color=colour, label=label)
        axes.set_xticks(places, table.column("policy"), rotation=20, ha="right")
        axes.set_ylabel("time [h]")
        axes.set_title(title, fontsize=9)
    panels[0].legend(frameon=False)
    return figure


def _allocation(data: Mapping[str, Table]) -> Figure:
    """Draw allocated GPUs over time, without costs and with them."""
    points = data["points"]
    policies = list(dict.fromkeys(points.column("policy")))
    drawn = marks(policies, EXPERIMENT)
    longest = max(points.column("time"))
    figure = new_figure(7.4, 2.0 * len(policies) + 0.4)
    panels = figure.subplots(len(policies), 1, sharex=True, squeeze=False)[:, 0]
    for axes, policy in zip(panels, policies, strict=True):
        for overheads, style in (("none", "-"), ("published", ":")):
            own = [row for row in points if (row["policy"], row["overheads"]) == (policy, overheads)]
            label = "without costs" if overheads == "none" else "with costs"
            axes.step(
                [row["time"] for row in own], [row["gpus"] for row in own], where="post", ls=style, lw=1.2,
                color=drawn[policy].colour, label=label,
            )  # fmt: skip
        axes.set_title(policy, fontsize=9, loc="left")
        axes.set_ylabel("allocated GPUs")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc="upper right")
    show_times(panels[-1], "x", longest, "time")
    return figure

"""Figures of the cluster study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simcore import plots as style
from simcore.plots import COLOURS, DASHES, HATCHES, new_figure
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def jct_makespan(table: Table, caption: str) -> Figure:
    """Draw mean JCT and makespan per policy as two bar charts, each bar with its value and its ratio to the first.

    Parameters
    ----------
    table : Table
        Columns policy, mean_jct_s and makespan_s; the first row is the baseline.
    caption : str
        What was simulated, printed under the bars.
    """
    policies = table.column("policy")
    figure = new_figure(max(7.5, 1.9 * len(policies)), 3.9)
    panels: Sequence[Axes] = figure.subplots(1, 2)
    for axes, column, title in (
        (panels[0], "mean_jct_s", "Mean job completion time"),
        (panels[1], "makespan_s", "Makespan"),
    ):
        values = table.column(column)
        for i, value in enumerate(values):
            colour, hatch = COLOURS[i % len(COLOURS)], HATCHES[i % len(HATCHES)]
            axes.bar(i, value, width=0.68, color=colour, hatch=hatch, edgecolor="black", linewidth=0.7)
            ratio = "" if i == 0 or not value else f"\n{values[0] / value:.2f}x"
            axes.annotate(
                f"{value:,.0f}{ratio}",
                (i, value),
                ha="center",
                va="bottom",
                fontsize=8,
                xytext=(0, 2),
                textcoords="offset points",
            )
        axes.set_title(title, fontsize=10)
        axes.set_ylabel("seconds")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_xticks(
            range(len(policies)), [p.replace("-", "-\n", 1) if len(p) > 9 else p for p in policies], fontsize=9
        )
        axes.set_ylim(0, max(values) * 1.18 or 1.0)  # everything may be done at once
        _plain(axes)
    return style.caption(figure, f"{caption}; ratios: improvement over {policies[0]}")


def trace_alloc(allocation: Table, gpus: int, caption: str) -> Figure:
    """Draw allocated GPUs over time, a step line per policy.

    Parameters
    ----------
    allocation : Table
        Columns policy, time_s and total.
    gpus : int
        GPUs of the cluster, drawn as a line.
    caption : str
        What was simulated.
    """
    figure = new_figure(8.0, 3.9)
    axes: Any = figure.subplots()
    names = np.array(allocation.column("policy"))
    time, total = np.array(allocation.column("time_s")), np.array(allocation.column("total"))
    for i, policy in enumerate(dict.fromkeys(names.tolist())):
        rows = names == policy
        # a run that is over holds nothing
        x, y = np.append(time[rows], time[rows][-1]), np.append(total[rows], 0)
        axes.step(
            x, y, where="post", label=policy, color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)], lw=1.4
        )
    axes.axhline(gpus, color="black", lw=0.8, ls=":")
    axes.annotate(
        f"{gpus} GPUs in the cluster",
        (1, gpus),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    axes.set_xlabel("time [s]")
    axes.set_ylabel("allocated GPUs")
    axes.set_xlim(left=0)
    axes.set_ylim(0, gpus * 1.12)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _plain(axes)
    return style.caption(figure, caption)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)

"""Figures of the network study, from the tables that `simcore evaluate` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.plots import BLUE, LINE, ORANGE, RED, SKY, STYLE, caption
from simcore.results import Row, Table
from simcore.studies.evaluate.grid import PER_COST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# from Okabe and Ito's palette, which colour-blind readers tell apart; markers differ as well
_LINES = {
    "EqualBW": (LINE, "o"),
    "PerfOptBW": (BLUE, "s"),
    "PerfPerCostOptBW": (ORANGE, "^"),
}
_FIXED = "DGX-like"
_FIXED_COLOUR = RED
_BARS = {"17B": (SKY, ""), "175B": (BLUE, "//"), "1T": (ORANGE, ".."), "mean": (LINE, "")}
_AXES = {
    "fig12": ("speedup", 1.0, "speed-up over\nEqualBW on 2D"),
    "fig13": ("cost", 1e-6, "network cost [M$]"),
    "fig14": ("perf_per_cost", 1.0, "perf. per cost\nover EqualBW on 2D"),
}
FIGURES = (*_AXES, "fig15")
"""What can be drawn."""


def draw(name: str, tables: Mapping[str, Table], how: str) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    name : str
        ``fig12`` to ``fig15``.
    tables : mapping of str to Table
        Those of `simcore.studies.evaluate.network.Evaluation`.
    how : str
        How the numbers were made, for the caption.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        if name == "fig15":
            return _bars(tables["summary"], how)
        return caption(_grid(tables[name], *_AXES[name]), how)


def _grid(table: Table, column: str, scale: float, label: str) -> Figure:
    """Draw one subplot per network and workload: a line per split over budgets, dashed where it is not feasible."""
    from matplotlib.figure import Figure

    drawn = [row for row in table if row["allocation"] in _LINES]
    networks = list(dict.fromkeys(row["network"] for row in drawn))
    workloads = list(dict.fromkeys(row["workload"] for row in drawn))
    size = (2.5 * len(workloads) + 0.9, 1.9 * len(networks) + 0.9)
    figure = Figure(figsize=(max(size[0], 4.6), max(size[1], 3.4)), layout="constrained")
    grid = figure.subplots(len(networks), len(workloads), sharex=True, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    # the lines have the budgets that are multiples of the smallest; the equal split also has the DGX-like one
    step = min(row["budget"] for row in drawn)
    for i, network in enumerate(networks):
        for j, workload in enumerate(workloads):
            axes = grid[i, j]
            for allocation, (colour, marker) in _LINES.items():
                line = [
                    row
                    for row in drawn
                    if (row["network"], row["workload"], row["allocation"]) == (network, workload, allocation)
                    and row["budget"] % step == 0
                ]
                handles[allocation] = _line(axes, line, column, scale, colour, marker)
            for row in table:
                if row["allocation"] == _FIXED and row["workload"] == workload:
                    at = [row["budget"] / 1e9], [row[column] * scale]
                    handles[_FIXED] = axes.plot(*at, "*", color=_FIXED_COLOUR, markersize=10, zorder=5)[0]
            axes.set_title(f"{network}, {workload}")
            if column != "cost":
                _write_cost(axes, [row for row in drawn if (row["network"], row["workload"]) == (network, workload)])
            axes.grid(alpha=0.25, linewidth=0.5)
    # axes are shared: once all is drawn, one sets all
    grid[0, 0].set_xticks(range(0, 1001, 200))
    if column != "speedup":  # its lines lie about 1, and a line needs no zero
        grid[0, 0].set_ylim(bottom=0)
    for axes in grid[-1]:
        axes.set_xlabel("bandwidth [GB/s per NPU]")
    for axes in grid[:, 0]:
        axes.set_ylabel(label)
    handles["not feasible"] = _dashed()
    columns = len(handles) if len(workloads) > 1 else 2
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns, frameon=False)
    return figure


def _write_cost(axes: Axes, rows: Sequence[Row]) -> None:
    """Write into a panel what networks that are planned for performance per cost come to."""
    costs = [row["cost"] / 1e6 for row in rows if row["allocation"] == PER_COST]
    if costs:
        text = f"{PER_COST} costs {min(costs):.3g} to {max(costs):.3g} M$"
        axes.text(0.99, 0.03, text, transform=axes.transAxes, fontsize=6, ha="right", color=_LINES[PER_COST][0])


def _line(axes: Axes, line: Sequence[Row], column: str, scale: float, colour: str, marker: str) -> Any:
    """Draw one line, a segment between feasible points solid, others dashed; hollow markers are not feasible."""
    x = [row["budget"] / 1e9 for row in line]
    y = [row[column] * scale for row in line]
    feasible = [row["feasible"] for row in line]
    for i in range(len(line) - 1):
        dashes = "-" if feasible[i] and feasible[i + 1] else (0, (3, 2))
        axes.plot(x[i : i + 2], y[i : i + 2], color=colour, linestyle=dashes, linewidth=1.2)
    for here in (True, False):
        chosen = [i for i in range(len(line)) if feasible[i] is here]
        face = colour if here else "white"
        at = [x[i] for i in chosen], [y[i] for i in chosen]
        axes.plot(*at, marker, color=colour, markerfacecolor=face, markersize=4, zorder=3)
    return axes.plot([], [], color=colour, marker=marker, markersize=4, linewidth=1.2)[0]


def _dashed() -> Any:
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markersize": 4}
    return Line2D([], [], color="black", linestyle=(0, (3, 2)), linewidth=1.2, **style)


def _bars(summary: Table, how: str) -> Figure:
    """Draw one panel per network: slowdown of each workload by what the split was made for, averaged over budgets."""
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(summary.column("network")))
    tuned = list(dict.fromkeys(summary.column("tuned_for")))
    figure = Figure(figsize=(6.8, 2.0 * len(networks) + 0.7), layout="constrained")
    grid = figure.subplots(len(networks), 1, sharex=True, squeeze=False)[:, 0]
    width = 0.8 / len(_BARS)
    for axes, network in zip(grid, networks, strict=True):
        for k, (workload, (colour, hatch)) in enumerate(_BARS.items()):
            rows = [row for row in summary if row["network"] == network and row["workload"] == workload]
            x = [tuned.index(row["tuned_for"]) + (k - (len(_BARS) - 1) / 2) * width for row in rows]
            height = [row["slowdown"] - 1 for row in rows]
            spread = [
                [row["slowdown"] - row["least"] for row in rows],
                [row["largest"] - row["slowdown"] for row in rows],
            ]
            label = f"{workload} runs" if workload != "mean" else "geometric mean of the others and 1.0"
            bar = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.5, "label": label}
            axes.bar(x, height, width, bottom=1.0, **bar)
            error = {"fmt": "none", "ecolor": "black", "elinewidth": 0.7, "capsize": 2}
            axes.errorbar(x, [row["slowdown"] for row in rows], yerr=spread, **error)
            for at, row in zip(x, rows, strict=True):
                place = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "va": "bottom"}
                top = max(row["largest"], 1.0)  # a bar below 1 hangs from there
                axes.annotate(f"{row['slowdown']:.3f}", (at, top), fontsize=6, **place)
        axes.set_title(network)
        axes.set_ylabel("slowdown")
        axes.margins(y=0.2)
        least = min(row["least"] for row in summary if row["network"] == network)
        axes.set_ylim(bottom=min(1.0, least))  # simulated, another split may be quicker by a little
        if least < 1.0:
            axes.axhline(1.0, color="black", linewidth=0.8)
        axes.grid(axis="y", alpha=0.25, linewidth=0.5)
        axes.set_axisbelow(True)
    grid[-1].set_xticks(range(len(tuned)), [f"split made for {name}" for name in tuned])
    shown = "bars and numbers: geometric mean over 100 to 1000 GB/s per NPU, whiskers: least and largest"
    if len(networks) > 1:
        shown += "; each network has a scale of its own"
    caption(figure, f"{shown}; {how}")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(_BARS), frameon=False)
    return figure

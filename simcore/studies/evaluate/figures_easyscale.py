"""Figures 10 to 13 of EasyScale: sharing against packing, and ratios by model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import COLOURS, STYLE, new_figure
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS = {"fig11": ("ratio",), "fig12": ("d1", "d1_d2"), "fig13": ("published_first", "published_last", "first")}
"""Columns that each figure shows as bars."""


def draw(name: str, table: Table) -> Figure:
    """Draw a figure by its name, such as ``fig10``."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return _sharing(table) if name == "fig10" else _ratios(table, _BARS[name])


def _sharing(table: Table) -> Figure:
    """Draw memory and time over workers: points are published, lines the model."""
    models = list(dict.fromkeys(table.column("model")))
    figure = new_figure(3.2 * len(models), 4.4)
    panels = figure.subplots(2, len(models), squeeze=False, sharex=True)
    for column, model in enumerate(models):
        for index, (what, scale, label) in enumerate((("memory", 2**30, "memory [GiB]"), ("time", 1, "time [s]"))):
            axes = panels[index][column]
            for number, system in enumerate(("sharing", "packing")):
                own = [row for row in table if (row["model"], row["system"]) == (model, system)]
                ran = [row for row in own if row["time"] is not None]
                said = [row for row in own if row[f"predicted_{what}"] is not None]
                colour = COLOURS[(5, 6)[number]]
                axes.plot([row["workers"] for row in ran], [row[what] / scale for row in ran], "o", ms=3, color=colour)
                line = [row[f"predicted_{what}"] / scale for row in said]
                axes.plot([row["workers"] for row in said], line, color=colour, label=system)
            axes.set_ylim(bottom=0)
            axes.set_ylabel(label)
        panels[0][column].set_title(model, fontsize=9)
        panels[1][column].set_xlabel("workers")
    panels[0][0].legend(frameon=False)
    return figure


def _ratios(table: Table, columns: tuple[str, ...]) -> Figure:
    labels = [" ".join(str(row[key]) for key in ("model", "gpu") if key in row) for row in table]
    figure = new_figure(max(5.0, 0.32 * len(labels)), 2.8)
    axes = figure.subplots()
    for number, column in enumerate(columns):
        at = [place + 0.8 / len(columns) * (number - (len(columns) - 1) / 2) for place in range(len(labels))]
        axes.bar(at, table.column(column), 0.75 / len(columns), color=COLOURS[1 + number], label=column)
    axes.axhline(1, color="black", lw=0.6)
    axes.set_xticks(range(len(labels)), [label.replace("_", " ") for label in labels], rotation=60, ha="right")
    axes.legend([column.replace("_", " ") for column in columns], frameon=False)
    return figure

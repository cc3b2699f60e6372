"""The figure of PIT's models: a bar for dense, the best library and PIT, case by case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import kernel_marks, new_figure, show_times
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = {"dense": "dense", "library_seconds": "library, conversion left out", "total": "PIT with index"}
"""Columns of the summary, and how each is named."""


def draw(summary: Table) -> Figure:
    """Draw the time of one pass as bars that begin at 0.

    Parameters
    ----------
    summary : Table
        That of `simcore.studies.evaluate.pit_models.ModelEvaluation`.
    """
    rows = list(summary)
    looks = kernel_marks(BARS.values())
    figure = new_figure(6.5, 1.2 + 0.5 * len(rows))
    axes = figure.subplots()
    width = 0.8 / len(BARS)
    for number, (column, label) in enumerate(BARS.items()):
        at = [place + (number - 1) * width for place, row in enumerate(rows) if row[column]]
        seconds = [row[column] for row in rows if row[column]]
        look = looks[label]
        axes.barh(at, seconds, width, color=look.colour, hatch=look.hatch, edgecolor="white", label=label)
    axes.set_yticks(range(len(rows)), [row["case"] for row in rows])
    axes.invert_yaxis()
    known = [row[column] for row in rows for column in BARS if row[column]]
    if known:
        show_times(axes, "x", max(known), "time of one pass")
    figure.legend(loc="outside upper center", ncols=len(BARS), frameon=False)
    return figure

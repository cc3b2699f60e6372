"""Figures of PIT's kernels, from the tables that `simcore evaluate pit-...` writes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

from simcore.plots import kernel_marks, new_figure, show_times_by_tens
from simcore.results import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# what is one subplot, and what is one group of points in it
_KEYS = {
    "fig15": ("granularity", "sparsity"),
    "fig16": (None, "sparsity"),
    "fig17": ("granularity", "sparsity"),
    "moe": ("experts", "tokens"),
    "sequence": (None, "valid"),
}
_LABELS = {"valid": "share of positions that hold a token", "tokens": "spread of tokens over experts"}
_FAMILIES = {
    "dense": "dense", "csr": "CSR, conversion left out", "bsr": "BSR, conversion left out", "blocks": "whole blocks",
    "total": "PIT with index",
}  # fmt: skip

_SHAPES = "osD^vPX*<>"


def draw(name: str, tables: Mapping[str, Table]) -> Figure:
    """Draw one figure: time on a logarithmic axis, where no bar can begin at 0, and so a point for each way.

    Parameters
    ----------
    name : str
        ``fig15``, ``fig16``, ``fig17``, ``moe`` or ``sequence``.
    tables : mapping of str to Table
        Those of `simcore.studies.evaluate.pit.PitEvaluation`.
    """
    from matplotlib.lines import Line2D

    panel, group = _KEYS[name]
    rows: list[Row] = [dict(row) for row in tables["points"]]
    if name == "fig15":
        rows = _families(tables["summary"])
    elif name == "sequence":
        rows = _with_index(rows)
    panels = list(dict.fromkeys(row[panel] if panel else "" for row in rows))
    looks = kernel_marks(row["way"] for row in rows)
    ways = {way: (look.colour, shape) for (way, look), shape in zip(looks.items(), cycle(_SHAPES), strict=False)}
    figure = new_figure(3.2 * len(panels) + 1.0, 3.0)
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, key in zip(grid, panels, strict=True):
        _points(axes, [row for row in rows if panel is None or row[panel] == key], group, ways)
        axes.set_title(f"{panel} {key}" if panel else "")
        axes.set_xlabel(_LABELS.get(group, group))
    seconds = [row["seconds"] for row in rows if row["seconds"]]
    grid[0].set_yscale("log")
    grid[0].set_ylim(min(seconds) / 2, 2 * max(seconds))
    show_times_by_tens(grid[0], "y", max(seconds), "time")
    # not the points of one panel: a way that did not run there has none
    handles = [
        Line2D([], [], color=colour, marker=shape, ls="none", label=way) for way, (colour, shape) in ways.items()
    ]
    columns = min(len(ways), 2 * len(panels))  # as many as fit over so wide a figure
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def _families(summary: Table) -> list[Row]:
    """Turn the quickest of each family into one row each; PIT with its index."""
    return [
        {**row, "way": label, "seconds": row[family]}
        for row in summary
        for family, label in _FAMILIES.items()
        if any(row[family] for row in summary)
    ]


def _with_index(points: list[Row]) -> list[Row]:
    """Turn packed sequences into two rows each: in total, and their index alone; padded ones have none."""
    parts = {
        "padded": {"padded": "seconds"},
        "packed": {"packed with index": "total_seconds", "index alone": "index_seconds"},
    }
    return [
        {**row, "way": label, "seconds": row[column]} for row in points for label, column in parts[row["way"]].items()
    ]


def _points(axes: Axes, rows: list[Row], group: str, ways: Mapping[str, tuple[str, str]]) -> None:
    groups = list(dict.fromkeys(row[group] for row in rows))
    width = 0.8 / len(ways)
    for number, (way, (colour, shape)) in enumerate(ways.items()):
        seconds = {row[group]: row["seconds"] for row in rows if row["way"] == way}
        at = [index + (number - (len(ways) - 1) / 2) * width for index, key in enumerate(groups) if seconds.get(key)]
        heights = [seconds[key] for key in groups if seconds.get(key)]
        axes.plot(at, heights, shape, color=colour, markersize=5)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.set_xticks(range(len(groups)), [f"{key:.3g}" if isinstance(key, float) else str(key) for key in groups])

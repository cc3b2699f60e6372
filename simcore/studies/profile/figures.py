"""The figure of a profile: predicted against measured seconds, and the error of every sample by kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.plots import INK, LINE, PALE, kernel_family, kernel_marks, mark_beyond, new_figure, show_times_by_tens
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = "osD^v"
"""Markers of number formats."""

BAND = 0.15
"""Relative error to either side that is drawn as a band."""

FAR = 0.5
"""Relative error beyond which a sample is an arrow at the edge."""


def draw(table: Table, name: str, notes: Sequence[str] = ()) -> Figure:
    """Draw every sample: filled where it was fitted, open where it was held out or nobody knows.

    On the left the diagonal is no error; on the right the band is `BAND` to either side.

    Parameters
    ----------
    table : Table
        Columns ``kernel``, ``dtype``, ``formula``, ``held_out``, ``measured`` [s] and ``predicted`` [s].
    name : str
        Of the profile.
    notes : sequence of str
        Lines below the title: how the samples were measured.
    """
    kernels = list(dict.fromkeys(table.column("kernel")))
    families = kernel_marks(map(kernel_family, table.column("formula")))
    dtypes = list(dict.fromkeys(table.column("dtype")))
    figure = new_figure(9.0, max(3.6, 1.2 + 0.22 * len(kernels)))
    left, right = figure.subplots(1, 2)
    right.axvspan(-100 * BAND, 100 * BAND, color=PALE)
    right.axvline(0, color=LINE, linewidth=0.8)
    for (family, dtype, fitted), rows in _alike(table).items():
        style = {
            "color": families[family].colour, "markersize": 4, "linestyle": "none",
            "marker": FORMATS[dtypes.index(dtype) % len(FORMATS)], "fillstyle": "full" if fitted else "none",
        }  # fmt: skip
        left.plot([row["measured"] for row in rows], [row["predicted"] for row in rows], **style)
        _errors(right, rows, kernels, style)
    ends = [min(table.column("measured")), max(table.column("measured"))]
    left.plot(ends, ends, color=LINE, linewidth=0.8)
    show_times_by_tens(left, "x", ends[1], "measured")
    show_times_by_tens(left, "y", ends[1], "predicted")
    label = f"predicted / measured - 1 [%]\nband: {BAND:.0%} to either side; < and >: beyond {FAR:.0%}"
    right.set(xlabel=label, xlim=(-103 * FAR, 103 * FAR))
    right.set_yticks(range(len(kernels)), kernels, fontsize=7)
    right.invert_yaxis()
    for family, look in families.items():
        left.plot([], [], "s", color=look.colour, markersize=4, label=family)
    for position, dtype in enumerate(dtypes):
        left.plot([], [], FORMATS[position % len(FORMATS)], color=INK, markersize=4, label=dtype)
    left.legend(frameon=False, fontsize=7, loc="upper left")  # looking for the best place may take seconds
    held_out = table.column("held_out")
    if set(held_out) == {None}:
        kinds = "measured kernels"
    else:
        kinds = "held-out shapes" if all(held_out) else "filled = fitted, open = held out"
    figure.suptitle("\n".join([f"{name}: {kinds}", *notes]), fontsize=10)
    return figure


def _errors(axes: Axes, rows: Sequence[Mapping[str, Any]], kernels: Sequence[str], style: Mapping[str, Any]) -> None:
    """Draw the error of each sample at the height of its kernel, an arrow at the edge where it lies beyond."""
    errors = [100 * (row["predicted"] / row["measured"] - 1) for row in rows]
    at = [kernels.index(row["kernel"]) for row in rows]
    inside = [(error, place) for error, place in zip(errors, at, strict=True) if abs(error) <= 100 * FAR]
    axes.plot([error for error, _ in inside], [place for _, place in inside], **style)
    mark_beyond(axes, errors, -100 * FAR, 100 * FAR, at, style["color"])


def _alike(table: Table) -> dict[tuple[str, str, bool], list[Mapping[str, Any]]]:
    """Return the rows by how they are drawn: a table may have twenty thousand, and every line of a plot takes time."""
    groups: dict[tuple[str, str, bool], list[Mapping[str, Any]]] = {}
    for row in table:
        groups.setdefault((kernel_family(row["formula"]), row["dtype"], row["held_out"] is False), []).append(row)
    return groups

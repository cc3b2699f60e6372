"""Figures of a model that was held against measurements: predicted over measured times, and errors beside noise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.plots import COLOURS, GREEN, INK, LINE, ORANGE, PALE, SKY, STYLE, caption, new_figure, show_times_by_tens
from simcore.studies.validate.errors import error, judged
from simcore.studies.validate.outcome import Measured
from simcore.studies.validate.report import short
from simcore.studies.validate.rows import Held

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND = 0.1
"""Relative error to either side that is drawn as a band."""

NAMED = 6
"""Sources with a colour of their own; the rest are 'others'."""

OTHERS = "others"
"""What they are called."""

FAR = 0.5
"""Relative error beyond which the figure of errors is cut off."""

MOST = 30
"""Sources in the figure of errors."""

_MARKERS = "osD^vPX*"
_LONGEST = 34
_BOXES = {"iterations": SKY, "collectives": GREEN}
_NOISE = ORANGE


def scatter(tables: Sequence[Measured]) -> Figure:
    """Draw predicted over measured times, a panel for each table; filled markers are rows that were not fitted."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = new_figure(0.3 + 4.9 * len(tables), 5.3)
        for axes, each in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables, strict=True):
            _panel(axes, each)
        text = f"diagonal: no error; band: {BAND:.0%} to either side; hollow: constants were fitted to the row"
        return caption(figure, text)


def _panel(axes: Axes, table: Measured) -> None:
    rows = [row for row in table.rows if error(row) is not None]
    times = [float(time or 0) for row in rows for time in (row.measured, row.predicted)]
    ends = [min(times) / 1.5, max(times) * 1.5]
    for side in (1 - BAND, 1 + BAND):
        axes.plot(ends, [side * end for end in ends], color=LINE, linewidth=0.6, linestyle=(0, (3, 2)), zorder=3)
    axes.fill_between(ends, [(1 - BAND) * end for end in ends], [(1 + BAND) * end for end in ends],
                      color=PALE, linewidth=0)  # fmt: skip
    axes.plot(ends, ends, color=INK, linewidth=0.8, zorder=3)
    for index, (name, of) in enumerate(_coloured(rows).items()):
        colour = COLOURS[0] if name == OTHERS else COLOURS[index + 1]
        size = 3.5 if len(of) < 300 else 2
        for fitted in (False, True):
            chosen = [row for row in of if row.fitted is fitted]
            axes.plot(
                [float(row.measured or 0) for row in chosen],
                [float(row.predicted or 0) for row in chosen],
                _MARKERS[index], color=colour, markersize=size, linestyle="none", markeredgewidth=0.6,
                fillstyle="none" if fitted else "full", alpha=0.75, rasterized=True,
                zorder=1.5 if name == OTHERS else 2,
            )  # fmt: skip
        axes.plot([], [], _MARKERS[index], color=colour, markersize=4, label=f"{name} ({len(of):,})")
    axes.set(xlim=ends, ylim=ends, title=table.what)
    show_times_by_tens(axes, "x", ends[1], "measured")
    show_times_by_tens(axes, "y", ends[1], "predicted")
    axes.set_aspect("equal")
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=7, loc="upper left", handletextpad=0.2)  # far above the diagonal


def _coloured(rows: Sequence[Held]) -> Mapping[str, list[Held]]:
    """Return rows by what they are called in the legend: the largest sources, and others last."""
    sources: dict[str, list[Held]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row)
    ranked = sorted(sources, key=lambda source: -len(sources[source]))
    few = len(ranked) <= NAMED
    named = {short(source, _LONGEST): sources[source] for source in (ranked if few else ranked[:NAMED])}
    rest = [row for source in ([] if few else ranked[NAMED:]) for row in sources[source]]
    return named | ({OTHERS: rest} if rest else {})


def errors(tables: Sequence[Measured]) -> Figure:
    """Draw the errors of each source as a box with whiskers for nine of ten rows, on a bar as wide as its noise."""
    import matplotlib

    drawn = sorted((one for each in tables for one in _lines(each)), key=lambda one: -len(one.off))[:MOST]
    with matplotlib.rc_context(STYLE):
        figure = new_figure(7.2, 1.6 + 0.25 * len(drawn))
        axes = figure.subplots()
        axes.axvspan(-100 * BAND, 100 * BAND, color=PALE, linewidth=0)
        axes.axvline(0, color=LINE, linewidth=0.8)
        for position, one in enumerate(drawn):
            _noise(axes, position, one)
            _box(axes, position, one)
        _far(axes, [one.off for one in drawn])
        names = [f"{short(one.source, _LONGEST)} ({len(one.off):,}{'*' * one.fitted})" for one in drawn]
        axes.set_yticks(range(len(drawn)), names, fontsize=7)
        axes.set(xlim=(-100 * FAR, 100 * FAR), ylim=(len(drawn) - 0.4, -0.6), xlabel="predicted / measured - 1 [%]")
        axes.grid(axis="x", alpha=0.25, linewidth=0.5)
        axes.set_axisbelow(True)
        _legend(figure, {one.what for one in drawn})
        text = (
            f"box: half of the rows; line: median; whiskers: nine of ten rows; grey: {BAND:.0%} to either side; "
            f"triangles: more than one row in twenty lies beyond {FAR:.0%}; *: constants were fitted to these rows"
        )
        return caption(figure, text)


@dataclass(frozen=True)
class _Line:
    """A source in the figure of errors: its table, its noise, from rows and published, relative errors, if fitted."""

    what: str
    source: str
    noise: float | None
    published: float | None
    off: list[float]
    fitted: bool


def _lines(table: Measured) -> list[_Line]:
    off: dict[str, list[float]] = {}
    for source, rows in table.by_source().items():
        if table.sources[source].expressed:
            off[source] = [float(error(row) or 0) for row in judged(rows)]
    return [
        _Line(
            table.what, source, table.sources[source].noise,
            min((each.least for each in table.published(source)), default=None), values,
            bool(table.sources[source].of_fitted),
        )
        for source, values in off.items()
    ]  # fmt: skip


def _noise(axes: Axes, position: int, one: _Line) -> None:
    bar: dict[str, Any] = {"height": 0.84}
    if one.noise:
        axes.barh(position, 200 * one.noise, left=-100 * one.noise, color=_NOISE, alpha=0.55, linewidth=0, **bar)
    if one.published:
        wide = 100 * one.published
        axes.barh(position, 2 * wide, left=-wide, facecolor="none", edgecolor=_NOISE, linewidth=1, **bar)


def quantile(ranked: Sequence[float], share: float) -> float:
    """Return the value that a share of sorted values lies below, between two by their distance.

    Examples
    --------
    >>> quantile([1.0, 2.0, 4.0], 0.5), quantile([1.0, 2.0, 4.0], 0.75), quantile([3.0], 0.95)
    (2.0, 3.0, 3.0)
    """
    below = int(share * (len(ranked) - 1))
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (share * (len(ranked) - 1) - below) * (ranked[above] - ranked[below])


def _box(axes: Axes, position: int, one: _Line) -> None:
    ranked = sorted(100 * value for value in one.off)
    ends, (first, middle, third) = (
        [quantile(ranked, share) for share in shares] for shares in ((0.05, 0.95), (0.25, 0.5, 0.75))
    )
    axes.plot(ends, [position, position], "|-", color=INK, linewidth=0.8, markersize=5)
    edge: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.8, "zorder": 2.5}
    axes.barh(position, third - first, left=first, height=0.45, color=_BOXES[one.what], **edge)
    axes.plot([middle, middle], [position - 0.22, position + 0.22], color="black", linewidth=1.6, zorder=3)


def _legend(figure: Figure, tables: Collection[str]) -> None:
    from matplotlib.patches import Patch

    boxes = [Patch(facecolor=colour, edgecolor=INK, label=what) for what, colour in _BOXES.items() if what in tables]
    noise = [
        Patch(facecolor=_NOISE, alpha=0.55, label="noise of equal rows"),
        Patch(facecolor="none", edgecolor=_NOISE, label="noise, published"),
    ]
    figure.legend(handles=[*boxes, *noise], loc="outside upper center", ncols=4, frameon=False)


def _far(axes: Axes, each: Sequence[Sequence[float]]) -> None:
    """Mark sources with rows beyond the edge."""
    for position, off in enumerate(each):
        for side, marker in ((-1, "<"), (1, ">")):
            beyond = sum(side * value > FAR for value in off)
            if beyond > 0.05 * len(off):
                axes.plot(side * 98.5 * FAR, position, marker, color=INK, markersize=3.5)

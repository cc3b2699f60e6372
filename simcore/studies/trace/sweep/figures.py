"""The figure of a sweep: metrics over the first axis of numbers, a line for each combination of the other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcore.plots import STYLE, bare_axes, caption, new_figure, show_times
from simcore.studies.trace.figures import columns_of, policy_marks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simcore.studies.trace.sweep.outcome import TraceSweepOutcome, Values

IN_SECONDS = ("interval", "startup_delay", "restart_cost")
_STEP = 0.01
"""By which lines are beside each other, of the axis."""
_LEFT, _RIGHT = "mean_jct_s", "utilisation_arrivals"


def draw(result: TraceSweepOutcome) -> Figure:
    """Draw mean JCT and utilisation; without an axis of numbers each combination has its place."""
    import matplotlib

    names = list(result.axes)
    axis = next((name for name in names if len(result.axes[name]) > 1 and _numeric(result.axes[name])), None)
    place = None if axis is None else names.index(axis)
    lines: dict[str, list[Values]] = {}
    for values in result.settings:
        others = [_word(each) for index, each in enumerate(values) if index != place]
        lines.setdefault("" if place is None else ", ".join(others), []).append(values)
    drawn = policy_marks(list(lines))
    with matplotlib.rc_context(STYLE):
        figure = new_figure(8.0, 3.6)
        panels: Any = figure.subplots(1, 2)
        for axes, metric in zip(panels, (_LEFT, _RIGHT), strict=True):
            tops = [0.0]
            for number, (name, settings) in enumerate(lines.items()):
                points = [(values, result.over_seeds(values, metric)) for values in settings]
                there = [(index, values, each) for index, (values, each) in enumerate(points) if each is not None]
                x = [_beside(float(values[place]), number, len(lines), result.axes[names[place]])
                     if place is not None else index for index, values, _ in there]  # fmt: skip
                y = [each.mean for _, _, each in there]
                error = [each.half or 0.0 for _, _, each in there]
                tops += [mean + half for mean, half in zip(y, error, strict=True)]
                mark = drawn[name]
                style = {"color": mark.colour, "capsize": 3, "lw": 1.4, "marker": "o", "ms": 3.5}
                axes.errorbar(x, y, error, label=name, ls=mark.dash if place is not None else "none", **style)
            bare_axes(axes)
            if metric == _LEFT:
                show_times(axes, "y", max(tops), "mean job completion time")
                axes.set_ylim(0, 1.05 * max(tops) or 1.0)
            else:
                axes.set_ylabel("allocated GPUs while jobs arrive, share")
                axes.set_ylim(0, 1.05)
            if place is None:
                labels = [", ".join(map(_word, values)) for values in result.settings]
                axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
                axes.set_xlim(-0.5, len(labels) - 0.5)
            else:
                axes.set_xlabel(f"{names[place].replace('_', '-')}{' [s]' if axis in IN_SECONDS else ''}")
        if place is not None and len(lines) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=columns_of(labels), frameon=False,
                          handlelength=4)  # fmt: skip
    seeds = (
        f"{result.seeds} seeds, bars are 95 % confidence intervals"
        if result.varied and result.seeds > 1
        else "one seed"
    )
    return caption(figure, f"trace {result.name_of('trace')}{result.where}; {seeds}")


def _beside(x: float, number: int, lines: int, values: tuple[Any, ...]) -> float:
    """Move the points of a line by a little, so that intervals of several lines do not hide each other.

    Examples
    --------
    >>> [_beside(0.5, number, 3, (0.5, 1.5)) for number in range(3)]
    [0.49, 0.5, 0.51]
    """
    return x + _STEP * float(max(values) - min(values)) * (number - (lines - 1) / 2)


def _numeric(values: tuple[Any, ...]) -> bool:
    return all(isinstance(each, float | int) for each in values)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

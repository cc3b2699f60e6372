"""The figure of a sweep: tokens per second at each value, and what the iteration is spent on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import COLOURS, HATCHES, STYLE, caption, new_figure, show_times
from simcore.studies.iteration.sweep.outcome import COMMUNICATION, SweepOutcome
from simcore.studies.iteration.sweep.report import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REST = "compute and the rest"
_THIN = 0.002
"""Share of the longest iteration that a part needs to be seen."""


def draw(result: SweepOutcome) -> Figure:
    """Draw tokens per second with the gain of each step, and the iteration with its exposed communication."""
    import matplotlib

    points = result.points
    with matplotlib.rc_context(STYLE):
        figure = new_figure(7.2, 3.2)
        left, right = figure.subplots(1, 2)
        places = range(len(points))
        rates = [point.result.tokens_per_second for point in points]
        bars = left.bar(places, rates, 0.7, color=COLOURS[5])
        left.bar_label(bars, ["" if gain is None else f"{gain:+.1%}" for gain in result.gains], padding=2)
        left.set_ylim(0, 1.12 * max(rates))
        left.set_ylabel("tokens [1/s]")
        left.yaxis.set_major_formatter("{x:,.0f}")
        _parts(right, result)
        for axes in (left, right):
            axes.set_xticks(places, [point.shown for point in points])
            axes.set_xlabel(label(result.name))
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    first = points[0].result
    return caption(figure, f"{first.deployment.name} on {first.deployment.evaluator.machine.profile.name}, network "
                   f"{first.deployment.evaluator.machine.topology.name}; gain over the value before")  # fmt: skip


def _parts(axes: Axes, result: SweepOutcome) -> None:
    """Stack what the iteration is spent on: compute at the bottom, communication that is waited for above."""
    points = result.points
    places, bottom = range(len(points)), [0.0] * len(points)
    stacked = {_REST: [point.time - point.exposed for point in points]}
    stacked |= {name: [point.result.evaluation.parts.get(name, 0.0) for point in points] for name in COMMUNICATION}
    longest = max(point.time for point in points)
    for index, (name, seconds) in enumerate(stacked.items()):
        if max(seconds) > _THIN * longest:
            axes.bar(places, seconds, 0.7, bottom, color=COLOURS[index], hatch=HATCHES[index], edgecolor="white",
                     label=name)  # fmt: skip
            bottom = [low + more for low, more in zip(bottom, seconds, strict=True)]
    show_times(axes, "y", max(bottom), "iteration")

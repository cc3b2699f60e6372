"""Figure of a training schedule: samples per second after each step, and where the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import COLOURS, HATCHES, STYLE, show_times
from simcore.studies.schedule.outcome import ScheduleOutcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 24
"""Characters of a step's name that are shown."""


def draw(result: ScheduleOutcome) -> Figure:
    """Draw samples per second, and the parts of the time of a sample, after each step."""
    import matplotlib
    from matplotlib.figure import Figure

    names = [row.step if len(row.step) <= LONGEST else row.step[: LONGEST - 3] + "..." for row in result.rows]
    at = range(len(names))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.6 + 0.34 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        colours = [COLOURS[5] if row.fits else COLOURS[0] for row in result.rows]
        bars = left.barh(at, [row.rate for row in result.rows], 0.7, color=colours)
        left.bar_label(bars, [f"{row.rate:.4g}" + ("" if row.fits else ", no fit") for row in result.rows], padding=2)
        left.set_xlim(0, 1.25 * max(row.rate for row in result.rows))
        left.set_yticks(at, names)
        left.invert_yaxis()
        left.set_xlabel("samples per second")
        start = [0.0] * len(names)
        parts = [
            name for name in result.last.evaluation.parts if any(row.evaluation.parts[name] for row in result.rows)
        ]
        for index, name in enumerate(parts):
            width = [row.evaluation.parts[name] / row.evaluation.layout.global_batch for row in result.rows]
            right.barh(
                at, width, 0.7, left=start, label=name, color=COLOURS[index % len(COLOURS)],
                hatch=HATCHES[index % len(HATCHES)], edgecolor="white", linewidth=0.3,
            )  # fmt: skip
            start = [one + more for one, more in zip(start, width, strict=True)]
        show_times(right, "x", max(start), "time of a sample")
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure

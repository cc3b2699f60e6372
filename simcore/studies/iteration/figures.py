"""Figures of a training iteration: its parts with what each rank holds, and when each stage does what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.plots import COLOURS, STYLE, show_times
from simcore.studies.deployment.figures import MOST_RANKS, draw_memory
from simcore.timeline.slices import Slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TURNS = {
    "forward": COLOURS[1], "backward": COLOURS[2], "input gradient": COLOURS[2], "weight gradient": COLOURS[3],
    "data-parallel": COLOURS[4], "optimizer": COLOURS[0],
}  # fmt: skip
MOST_DRAWN = 24
"""Micro-batches that the figure of the stages shows at most: the first ones."""


def draw(evaluation: Evaluation, capacity: float) -> Figure:
    """Draw the parts of an iteration, and the memory of each pipeline rank with what a GPU has.

    Parameters
    ----------
    evaluation : Evaluation
        Time and memory.
    capacity : float
        Memory of a GPU that programs may use [B].
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        parts = {name: seconds for name, seconds in evaluation.parts.items() if seconds > 0}
        bars = left.barh(list(parts), list(parts.values()), 0.7, color=COLOURS[5])
        left.bar_label(bars, [f"{seconds / evaluation.time:.1%}" for seconds in parts.values()], padding=2)
        left.set_xlim(0, 1.18 * max(parts.values()))
        left.invert_yaxis()
        show_times(left, "x", max(parts.values()), "time in an iteration")
        draw_memory(right, evaluation.memory, capacity)
        figure.legend(*right.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def draw_stages(slices: Sequence[Slice], evaluation: Evaluation) -> Figure:
    """Draw when each pipeline rank does what, for the first micro-batches."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    layout = evaluation.layout
    some = layout.micro_batches > MOST_DRAWN
    drawn = [one for one in slices if int(one.track.split()[1]) < MOST_RANKS and _is_drawn(one, some=some)]
    left_out = [one.start for one in slices if one not in drawn and "micro-batch" in one.arguments]
    end = min(left_out, default=max(one.end for one in slices))
    drawn = [one for one in drawn if one.start < end]
    tracks = list(dict.fromkeys(one.track for one in drawn))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.3 + 0.26 * len(tracks)), layout="constrained")
        axes = figure.subplots()
        for row, track in enumerate(tracks):
            own = [one for one in drawn if one.track == track]
            spans = [(one.start, min(one.end, end) - one.start) for one in own]
            colours = [_TURNS[one.name] for one in own]
            axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=colours, edgecolors="white", linewidth=0.3)
        axes.set_yticks(range(len(tracks)), tracks)
        axes.invert_yaxis()
        which = f", the first {MOST_DRAWN} of {layout.micro_batches:,} micro-batches" if some else ""
        show_times(axes, "x", end, f"time{which}")
        names = [name for name in _TURNS if any(one.name == name for one in drawn)]
        figure.legend(
            handles=[Patch(facecolor=_TURNS[name], label=name) for name in names], loc="outside upper center",
            ncols=len(names), frameon=False,
        )  # fmt: skip
    return figure


def _is_drawn(one: Slice, *, some: bool) -> bool:
    return not some or int(one.arguments.get("micro-batch", MOST_DRAWN + 1)) <= MOST_DRAWN

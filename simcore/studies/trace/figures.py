"""Figures of the cluster study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore import plots as style
from simcore.models.cluster.policies.registry import EXPERIMENT, POLICIES, bare_name
from simcore.plots import Mark, bare_axes, digits, marks, new_figure, show_times, show_times_by_logarithm, time_unit
from simcore.results import Table
from simcore.units import times_as_long

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_WIDEST = 12.0  # picture whose panels stand beside each other, not one above the other [inch]
_CHARACTER = 0.2  # width of a character under a bar, in both panels [inch]
MOST_STEPS = 1000
"""Changes of a line that are drawn; a line with more shows means over `MEANS` equal spans of time."""
MEANS = 300
LITTLE = 0.2
"""Share of a cluster's GPUs below which the axis of allocated GPUs ends above what is allocated, not above them all."""
LOGARITHMIC = 100.0
"""Longest over shortest time from which an axis of completion times is logarithmic."""


_COMPARED = (
    *EXPERIMENT, "sjf", "srtf", "tiresias", "las", "gavel", "themis", "easy-backfill", "optimus", "gittins",
    "finish-time-fairness",
)  # fmt: skip
"""Policies that are often compared: each has a colour that none of the others has."""


def policy_marks(policies: Sequence[str]) -> dict[str, Mark]:
    """Return how each policy is drawn: in the same colour in every figure and run, whatever stands beside it."""
    return marks(policies, tuple(dict.fromkeys((*_COMPARED, *POLICIES))), bare_name)


def jct_makespan(table: Table, caption: str, intervals: Table | None = None) -> Figure:
    """Draw mean JCT and makespan per policy as two bar charts, each bar with its value and its ratio to the first.

    Parameters
    ----------
    table : Table
        Columns policy, mean_jct_s and makespan_s; the first row is the baseline.
    caption : str
        What was simulated, printed under the bars.
    intervals : Table, optional
        Columns policy, metric, mean, low and high: bars are then means over seeds, with their intervals.
    """
    policies = table.column("policy")
    spread = {(row["policy"], row["metric"]): row for row in intervals or ()}
    drawn = policy_marks(policies)
    names = [_broken(policy) for policy in policies]
    longest = max(len(line) for name in names for line in name.splitlines())
    width = max(7.5, len(policies) * max(1.9, _CHARACTER * longest))
    beside = width <= _WIDEST
    figure = new_figure(width, 3.9) if beside else new_figure(width / 2, 7.2)
    panels: Sequence[Axes] = figure.subplots(1, 2) if beside else figure.subplots(2, 1)
    for axes, column, title in (
        (panels[0], "mean_jct_s", "Mean job completion time"),
        (panels[1], "makespan_s", "Makespan"),
    ):
        values = [spread[policy, column]["mean"] for policy in policies] if spread else table.column(column)
        tops = [spread[policy, column]["high"] for policy in policies] if spread else values
        unit = time_unit(max(values))
        for i, (policy, value) in enumerate(zip(policies, values, strict=True)):
            mark = drawn[policy]
            axes.bar(
                i, value / unit.seconds, width=0.68, color=mark.colour, hatch=mark.hatch, edgecolor="black", lw=0.7
            )
            if spread:
                one = spread[policy, column]
                axes.vlines(i, max(0.0, one["low"]) / unit.seconds, one["high"] / unit.seconds, color="black", lw=1.2)
            ratio = "" if i == 0 or not value else f"\n{times_as_long(values[0] / value)}"
            axes.annotate(
                f"{digits(value / unit.seconds)}{ratio}",
                (i, tops[i] / unit.seconds),
                ha="center",
                va="bottom",
                fontsize=8,
                xytext=(0, 2),
                textcoords="offset points",
            )
        axes.set_title(title, fontsize=10)
        axes.set_ylabel(unit.name)
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.set_xticks(range(len(policies)), names, fontsize=9)
        axes.set_xlim(-0.75, len(policies) - 0.25)
        axes.set_ylim(0, max(tops) * 1.18 / unit.seconds or 1.0)  # everything may be done at once
        bare_axes(axes)
    ratios = f"; ratios: improvement over {policies[0]}" if len(policies) > 1 else ""
    seeds = f"; means of {intervals[0]['seeds']} seeds, lines are 95 % confidence intervals" if intervals else ""
    return style.caption(figure, f"{caption}{ratios}{seeds}")


def trace_alloc(allocation: Table, gpus: int, caption: str, origin: float = 0.0) -> Figure:
    """Draw allocated GPUs over time, a step line per policy.

    Parameters
    ----------
    allocation : Table
        Columns policy, time_s and total.
    gpus : int
        GPUs of the cluster, drawn as a line, or named where so few are allocated that the lines would lie on the axis.
    caption : str
        What was simulated.
    origin : float
        Where the axis of time begins [s].
    """
    names = np.array(allocation.column("policy"))
    time, total = np.array(allocation.column("time_s")) - origin, np.array(allocation.column("total"))
    lines = {}
    for policy in dict.fromkeys(names.tolist()):
        rows = names == policy
        # a run that is over holds nothing
        lines[policy] = np.append(time[rows], time[rows][-1]), np.append(total[rows], 0)
    figure, axes = _steps(lines)
    most = max(float(line.get_ydata().max()) for line in axes.get_lines())
    empty = most < LITTLE * gpus
    top = max(most, 1.0) if empty else gpus
    if not empty:
        axes.axhline(gpus, color="black", lw=0.8, ls=":")
    axes.annotate(
        f"{gpus:,} GPUs in the cluster{', far above this axis' if empty else ''}",
        (1, top),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    _label(axes, "allocated GPUs")
    axes.set_ylim(0, top * 1.12)
    return style.caption(figure, caption)


def queue_length(queues: Mapping[str, tuple[Floats, Ints]], caption: str) -> Figure:
    """Draw the jobs that are submitted and hold no GPU over time, a step line per policy.

    Parameters
    ----------
    queues : mapping of str to (array of float, array of int)
        By policy, times [s] and how many jobs wait from then on.
    caption : str
        What was simulated.
    """
    figure, axes = _steps(queues)
    _label(axes, "jobs that wait")
    axes.set_ylim(0, max(1.0, *(1.06 * waiting.max(initial=0) for _, waiting in queues.values())))
    return style.caption(figure, caption)


def jct_cdf(jct: Mapping[str, Floats], caption: str) -> Figure:
    """Draw the share of jobs that complete within a time, a line per policy.

    Parameters
    ----------
    jct : mapping of str to array of float
        By policy, the completion time of each job [s].
    caption : str
        What was simulated.
    """
    figure = new_figure(8.0, 3.9)
    axes: Any = figure.subplots()
    for policy, mark in policy_marks(list(jct)).items():
        times = np.sort(jct[policy])
        share = np.arange(len(times) + 1) / len(times)
        axes.step(np.append(times[:1], times), share, where="post", label=policy, **_line(mark))
    shortest, longest = (float(pick([pick(times) for times in jct.values()])) for pick in (np.min, np.max))
    if shortest > 0.0 and longest > LOGARITHMIC * shortest:
        show_times_by_logarithm(axes, shortest, longest, "job completion time")
    else:
        show_times(axes, "x", longest, "job completion time")
        axes.set_xlim(0, 1.03 * longest or 1.0)
    axes.set_ylabel("share of jobs")
    axes.set_ylim(0, 1.02)
    _legend(axes)
    axes.grid(axis="x", color="0.93", linewidth=0.6)
    bare_axes(axes)
    return style.caption(figure, caption)


def _steps(lines: Mapping[str, tuple[Floats, Ints]]) -> tuple[Figure, Any]:
    """Draw a step line per policy over time; points at which nothing changes are left out.

    Where there are too many to tell apart, all lines are means over equal spans of time, and the label of y says so.
    """
    figure = new_figure(8.0, 3.9)
    axes: Any = figure.subplots()
    drawn = {policy: _changes(*line) for policy, line in lines.items()}
    longest = max(float(x[-1]) for x, _ in drawn.values())
    if max(len(x) for x, _ in drawn.values()) > MOST_STEPS:
        span = longest / MEANS
        drawn = {policy: _means(x, y, span) for policy, (x, y) in drawn.items()}
        unit = time_unit(span)
        axes.set_ylabel(f", mean over {digits(span / unit.seconds, 2)} {unit.name}")
    for policy, mark in policy_marks(list(drawn)).items():
        axes.step(*drawn[policy], where="post", label=policy, **_line(mark))
    show_times(axes, "x", longest, "time")
    axes.set_xlim(0, 1.02 * longest or 1.0)
    _legend(axes)
    bare_axes(axes)
    return figure, axes


def _changes(x: Floats, y: Ints) -> tuple[Floats, Floats]:
    """Return a step line without points at which nothing changes."""
    changes = np.append(True, y[1:] != y[:-1])
    changes[-1] = True
    return x[changes], y[changes].astype(np.float64)


def _means(x: Floats, y: Floats, span: float) -> tuple[Floats, Floats]:
    """Return a step line's means over equal spans of time from 0, the last one to where the line ends."""
    area = np.concatenate(([0.0], np.cumsum(np.diff(x) * y[:-1])))
    edges = np.append(np.arange(0.0, x[-1], span), x[-1])
    return edges, np.append(np.diff(np.interp(edges, x, area)) / np.diff(edges), y[-1])


def _label(axes: Any, what: str) -> None:
    """Label y, which counts something; what is there already says over which time it is averaged."""
    from matplotlib.ticker import MaxNLocator

    axes.set_ylabel(what + axes.get_ylabel())
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _line(mark: Mark) -> dict[str, Any]:
    return {"color": mark.colour, "linestyle": mark.dash, "lw": 1.4}


def columns_of(labels: Sequence[str]) -> int:
    """Return how many labels of a legend stand beside each other over a figure, at most 4.

    Examples
    --------
    >>> columns_of(["fifo", "srtf"]), columns_of(["tiresias:thresholds=3600/7200,within=entry"])
    (4, 2)
    """
    return max(1, min(4, int(110 / (max(map(len, labels)) + 8))))


def _legend(axes: Any) -> None:
    columns = columns_of(axes.get_legend_handles_labels()[1])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False, fontsize=9)


def _broken(policy: str) -> str:
    """Break a name into lines that fit under a bar: at its options, then at a hyphen."""
    name, _, options = policy.partition(":")
    lines = [name.replace("-", "-\n", 1) if len(name) > 9 else name]
    return "\n".join([*lines, *options.split(",")] if options else lines)

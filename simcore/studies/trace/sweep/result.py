"""What ``simcore sweep trace`` gives: each metric over seeds for each combination of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.models.cluster.intervals import Interval, difference, mean_interval, within_noise
from simcore.report import Block, Column, Grid, Headline, Sentences, Text
from simcore.results import Table
from simcore.studies.trace.sweep.inputs import POLICY
from simcore.studies.trace.sweep.kept import REQUEST
from simcore.studies.trace.sweep.outcome import TraceSweepOutcome, Values, as_cell
from simcore.units import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = (
    ("mean JCT [s]", "mean_jct_s"),
    ("p99 JCT [s]", "p99_jct_s"),
    ("mean queueing [s]", "mean_queueing_s"),
    ("makespan [s]", "makespan_s"),
    ("allocated over arrivals", "utilisation_arrivals"),
)
"""Metrics of the report; tables have all."""
MOST_SAID = 12
"""Settings of which a sentence names the best policy."""


class TraceSweepResult(TraceSweepOutcome):
    """A sweep of the cluster study, see `TraceSweepOutcome` for its numbers."""

    stem = "sweep"

    def tables(self) -> Mapping[str, Table]:
        """Return the metrics over seeds, and those of each run."""
        return {self.stem: self.table, "runs": self.runs}

    def inputs(self) -> Mapping[str, str]:
        """Return the request, by which the folder is known again."""
        return {REQUEST: self.request_text}

    def as_dict(self) -> dict[str, Any]:
        """Return the values that vary and all rows as plain containers, with warnings and provenance."""
        return {
            "axes": {name: [as_cell(each) for each in values] for name, values in self.axes.items()},
            "varied": list(self.varied),
            "rows": [dict(row) for row in self.table],
            "runs": [dict(row) for row in self.runs],
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return which policy has the least mean JCT at each setting of the others, and whether that is noise."""
        if len(self.axes.get(POLICY, ())) < 2:
            return []
        place = list(self.axes).index(POLICY)
        groups: dict[Values, list[Values]] = {}
        for values in self.settings:
            groups.setdefault((*values[:place], *values[place + 1 :]), []).append(values)
        said = [self._best(others, rivals, place) for others, rivals in groups.items()]
        more = [f"({len(said) - MOST_SAID} more settings are in the tables.)"] if len(said) > MOST_SAID else []
        return [*said[:MOST_SAID], *more]

    def _best(self, others: Values, rivals: Sequence[Values], place: int) -> str:
        means = [(mean_interval(self._column(values)).mean, values) for values in rivals]
        (least, first), (_, second) = sorted(means, key=lambda pair: pair[0])[:2]
        names = [name for name in self.axes if name != POLICY]
        where = ", ".join(f"{name.replace('_', '-')} {_text(value)}" for name, value in zip(names, others, strict=True))
        one, two = self._column(first), self._column(second)
        off = difference(one, two) if len(one) == len(two) else mean_interval([two[0] - one[0]])
        noise = {True: "within noise", False: "beyond noise", None: "of one run"}[within_noise(off)]
        head = f"With {where} " if where else ""
        if not off.mean and not off.half:
            return f"{head}{first[place]} and {second[place]} have the same mean JCT, {least:,.1f} s, at every seed."
        text = (
            f"{head}{first[place]} has the least mean JCT, {least:,.1f} s; {second[place]} takes {off.mean:,.1f} s more"
        )
        return f"{text}, {noise}."

    def _column(self, values: Values) -> list[float]:
        return [row["mean_jct_s"] for row in self.settings[values]]

    def report(self) -> Sequence[Block]:
        """Return a row per combination of values, its main metrics over seeds."""
        runs = f"{counted(len(self.settings), 'setting')}, {counted(len(self.cells), 'run')}"
        columns = [Column(name.replace("_", "-"), left=True, whole=True) for name in self.axes]
        columns += [Column(label, whole=True) for label, _ in SHOWN]
        rows = [
            (*map(_text, values), *(_said(self.over_seeds(values, metric)) for _, metric in SHOWN))
            for values in self.settings
        ]
        head = Headline(f"sweep of trace {self.name_of('trace')}{self.where}: {runs}")
        return [head, Text(self._how()), Grid(columns, rows, keys=len(self.axes)), Sentences("", self.sentences())]

    def _how(self) -> str:
        if not self.varied:
            return "Numbers are of one run each: no seed changes anything."
        if self.seeds == 1:
            return "Numbers are of one seed each; --seeds gives their confidence intervals."
        return (
            f"{self.seeds} seeds vary {' and '.join(self.varied)}. Numbers are means over seeds, ± half of their 95 % "
            "confidence interval (Student's t). All settings have the same seeds."
        )

    def figures(self) -> Mapping[str, Figure]:
        """Draw mean JCT and utilisation at every combination of values, with their intervals."""
        from simcore.studies.trace.sweep.figures import draw

        return {self.stem: draw(self)}


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(as_cell(value))


def _said(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    small = abs(interval.mean) < 10
    half = "" if interval.half is None else f" ±{interval.half:{'.2f' if small else ',.0f'}}"
    return f"{interval.mean:{'.3f' if small else ',.1f'}}{half}"

"""A sweep in numbers: the runs, and each metric over the seeds of each combination of values."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any

from simcore.models.cluster.intervals import Interval, mean_interval
from simcore.results import Result, Table
from simcore.studies.request import plain
from simcore.studies.trace.seeds import INTERVALS, numbers

Values = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class TraceSweepOutcome(Result, ABC):
    """A trace at every combination of some options' values, over seeds.

    Attributes
    ----------
    request_text : str
        What was asked for, as the folder of the sweep keeps it.
    axes : mapping of str to tuple
        The options that vary, each with its values.
    cells : tuple of (tuple, int)
        Values and seed of each run.
    rows : tuple of mapping
        Metrics of each run, as in summary.csv of a trace.
    varied : tuple of str
        What differs from seed to seed; empty where nothing does.
    seeds : int
        How many were asked for.
    """

    request_text: str
    axes: Mapping[str, Values]
    cells: tuple[tuple[Values, int], ...]
    rows: tuple[Mapping[str, Any], ...]
    varied: tuple[str, ...]
    seeds: int

    @cached_property
    def settings(self) -> dict[Values, list[Mapping[str, Any]]]:
        """Rows by the values that they have, a row per seed."""
        rows: dict[Values, list[Mapping[str, Any]]] = {}
        for (values, _), row in zip(self.cells, self.rows, strict=True):
            rows.setdefault(values, []).append(row)
        return rows

    def over_seeds(self, values: Values, metric: str) -> Interval | None:
        """Return a metric of one combination of values, over seeds; None where a run does not have it."""
        found = [row.get(metric) for row in self.settings[values]]
        return None if None in found else mean_interval([float(each) for each in found if each is not None])

    @property
    def where(self) -> str:
        """The cluster of all runs, for a head: `` on cluster sc23``; empty where clusters are what varies."""
        return "" if "cluster" in self.axes else f" on cluster {self.name_of('cluster')}"

    def name_of(self, option: str) -> str:
        """Return an input as text: of a file its name without the folders."""
        return PurePath(named(self.provenance.inputs[option])).name

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, of all combinations; clusters may differ in their GPU types."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @cached_property
    def table(self) -> Table:
        """A row per combination of values and metric: mean over seeds and 95 % confidence interval."""
        rows = [
            (*map(as_cell, values), metric, interval.runs, *numbers(interval))
            for values in self.settings
            for metric in self.metrics
            if (interval := self.over_seeds(values, metric)) is not None
        ]
        return Table([*self.axes, "metric", "seeds", *INTERVALS], rows)

    @cached_property
    def runs(self) -> Table:
        """A row per run: values, seed, and all its metrics."""
        metrics = self.metrics
        rows = [
            (*map(as_cell, values), seed, *(row.get(metric) for metric in metrics))
            for (values, seed), row in zip(self.cells, self.rows, strict=True)
        ]
        return Table([*self.axes, "seed", *metrics], rows)


def as_cell(value: Any) -> Any:
    """Return a value as a table holds it: of an object its name.

    Examples
    --------
    >>> as_cell(0.5), as_cell("packed")
    (0.5, 'packed')
    """
    return value if isinstance(value, str | float | int) else named(plain(value))


def named(value: Any) -> str:
    """Return an input of a provenance as text: of an object in memory its name."""
    return str(value.get("in_memory")) if isinstance(value, Mapping) else str(value)

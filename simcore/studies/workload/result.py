"""What ``simcore workload`` returns: tables, a report and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.report import Block, Column, Grid, Headline
from simcore.results import Result, Table
from simcore.units import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN = 10
"""Groups of a kind that the report lists; tables have all."""
TITLES = {
    "user": "users",
    "vc": "virtual clusters",
    "gpu_type": "GPU types",
    "gang": "gangs [GPUs]",
    "status": "status",
}


@dataclass(frozen=True, kw_only=True)
class WorkloadResult(Result):
    """What a trace holds.

    Attributes
    ----------
    trace : Trace
        Its jobs.
    cluster : Cluster or None
        Whose load is said.
    sizes : array of float, shape (J,)
        GPUs of each job.
    groups : mapping of str to Table
        By ``user``, ``vc``, ``gpu_type``, ``gang``, ``status`` and ``hour``: jobs, GPU-hours, share and load.
    odd : Table
        What to look at, with the first such job.
    """

    trace: Trace
    cluster: Cluster | None
    sizes: NDArray[np.float64]
    groups: Mapping[str, Table]
    odd: Table

    stem = "workload"

    @property
    def table(self) -> Table:
        """A row: jobs, users, span, GPU-hours, and how durations and gangs are spread."""
        work, submit = self.trace.work, self.trace.submit
        median, p90, p99 = np.percentile(work, [50, 90, 99]).tolist()
        row = {
            "jobs": len(self.trace),
            "users": len(self.groups["user"]) if "user" in self.groups else None,
            "vcs": len(self.groups["vc"]) if "vc" in self.groups else None,
            "span_s": float(np.ptp(submit)),
            "gpu_hours": float(self.sizes @ work) / 3600.0,
            "mean_duration_s": float(work.mean()),
            "median_duration_s": median,
            "p90_duration_s": p90,
            "p99_duration_s": p99,
            "longest_s": float(work.max()),
            "mean_gang": float(self.sizes.mean()),
            "largest_gang": int(self.sizes.max()),
            "load": self._load(),
        }
        return Table(list(row), [tuple(row.values())])

    def _load(self) -> float | None:
        span = float(np.ptp(self.trace.submit))
        if self.cluster is None or not span:
            return None
        return float(self.sizes @ self.trace.work) / (self.cluster.gpus * span)

    def tables(self) -> Mapping[str, Table]:
        """Return the row of the whole, a table per way of grouping, and what is odd."""
        groups = {f"by_{name}": table for name, table in self.groups.items()}
        return {self.stem: self.table, **groups, "odd": self.odd}

    def sentences(self) -> list[str]:
        """Return what is odd, a sentence each."""
        return [f"{row['jobs']:,} jobs {row['what']}, the first in line {row['line']}." for row in self.odd]

    def report(self) -> Sequence[Block]:
        """Return the whole, then the largest groups of each kind."""
        row = next(iter(self.table))
        said = [("GPU-hours", f"{row['gpu_hours']:,.0f}"), ("submitted over [h]", f"{row['span_s'] / 3600:,.1f}")]
        said += [
            (f"{name} duration [s]", f"{row[f'{name}_duration_s']:,.0f}") for name in ("median", "mean", "p90", "p99")
        ]
        said += [("longest [s]", f"{row['longest_s']:,.0f}"), ("mean gang", f"{row['mean_gang']:.2f}")]
        if row["load"] is not None:
            said.append(("load", _load(row["load"])))
        whole = Grid([Column("of all jobs", left=True, whole=True), Column("", whole=True)], said)
        headline = Headline(
            f"workload {self.trace.name}: {counted(len(self.trace), 'job')}", "\n".join(self.sentences())
        )
        return [headline, whole, *(self._grid(name) for name in TITLES if name in self.groups)]

    def _grid(self, name: str) -> Grid:
        table = self.groups[name]
        load = "load" in table.columns
        columns = [
            Column(TITLES[name], left=True, whole=True),
            *(Column(each, whole=True) for each in ("jobs", "GPU-hours", "share", *(("load",) if load else ()))),
        ]
        rows = []
        least = sorted((row["gpu_hours"] for row in table), reverse=True)[:MOST_SHOWN][-1]
        for row in [row for row in table if row["gpu_hours"] >= least][:MOST_SHOWN]:
            cells = (str(row[name]) or "-", f"{row['jobs']:,}", f"{row['gpu_hours']:,.1f}", f"{row['share']:.1%}")
            rows.append((*cells, *((_load(row["load"]),) if load else ())))
        if len(table) > MOST_SHOWN:
            rows.append((f"({len(table) - MOST_SHOWN:,} more)", *("",) * (3 + load)))
        return Grid(columns, rows, keys=1)

    def as_dict(self) -> dict[str, Any]:
        """Return all tables as plain containers, with warnings and provenance."""
        return {
            "trace": {"name": self.trace.name, "jobs": len(self.trace)},
            **{name: [dict(row) for row in table] for name, table in self.tables().items()},
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw durations, gangs and arrivals by hour."""
        from simcore.studies.workload.figures import arrivals, durations, gangs

        text = f"trace {self.trace.name} ({counted(len(self.trace), 'job')})"
        return {
            "durations": durations(self.trace.work, text),
            "gangs": gangs(self.groups["gang"], text),
            "arrivals": arrivals(self.groups["hour"], text),
        }


def _load(load: float | None) -> str:
    """Write a load; one that two decimals do not show gets two digits.

    Examples
    --------
    >>> _load(1.452), _load(0.00231), _load(None)
    ('1.45', '0.0023', '-')
    """
    if load is None:
        return "-"
    return f"{load:.2f}" if load >= 0.1 or not load else f"{load:.2g}"

"""What is said of an evaluation: tables in GB/s, ms and millions of dollars, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from simcore.report import Block, Column, Grid, Headline, Text
from simcore.results import Row, Table
from simcore.studies.evaluate.grid import PER_COST
from simcore.studies.evaluate.result import Evaluation

_VALUES = {"fig12": ("speedup", 1.0, ".3f"), "fig13": ("cost", 1e-6, ".3f"), "fig14": ("perf_per_cost", 1.0, ".2f")}
_UNITS = {
    "fig12": "by bandwidth per NPU [GB/s]",
    "fig13": "in millions of dollars, by bandwidth per NPU [GB/s]",
    "fig14": "by bandwidth per NPU [GB/s]",
}
_GIVEN = {"granularity", "sparsity", "experts", "tokens", "valid", "way", "tile"}
"""Columns of measurements that say what was measured, where they come first."""


def network_report(result: Evaluation) -> list[Block]:
    """Return a figure or the table of the network study, and how it was made."""
    name, tables = result.name, result.data
    blocks: list[Block]
    if name == "table6":
        blocks = [Headline(result.title), *_plans(tables[name])]
    elif name == "fig15":
        title = f"{result.title}; geometric mean over budgets (least .. largest)"
        blocks = [Text(title, hang=2), *_matrices(tables["summary"])]
    else:
        title = f"{result.title}, {_UNITS[name]}; * is not feasible"
        blocks = [Text(title, hang=2), _lines(tables[name], *_VALUES[name])]
        if name != "fig13":  # a plan for performance per cost is nothing without its cost
            plans = Table(tables[name].columns, [list(row.values()) for row in tables[name] if _is_per_cost(row)])
            blocks += [Text(f"Network cost of {PER_COST} {_UNITS['fig13']}"), _lines(plans, *_VALUES["fig13"])]
        blocks += [Text("Geometric means over workloads and budgets"), _listed(list(_means(tables["summary"])))]
    return [*blocks, _listed(result.notes)] if result.notes else blocks


def _is_per_cost(row: Row) -> bool:
    return bool(row["allocation"] == PER_COST)


def measured_report(result: Evaluation) -> list[Block]:
    """Return measurements: the quickest of each family where there is such a table, else every point."""
    table = result.data.get("summary", result.data["points"])
    named = {
        "seconds": "time", "index_seconds": "index", "total_seconds": "total", "index_spread": "index spread",
    }  # fmt: skip
    times = {*named, "dense", "csr", "bsr", "blocks", "pit", "index", "total"} - {"index_spread"}
    columns = [name for name in table.columns if any(value not in (None, "", False) for value in table.column(name))]
    body = [[_cell(name, row[name], 1e3 if name in times else 1.0) for name in columns] for row in table]
    header = [named.get(name, name) for name in columns]
    keys = sum(1 for _ in takewhile(_GIVEN.__contains__, columns))
    return [Headline(f"{result.title} [ms]"), _plain(header, body, keys), _listed(result.notes)]


def _listed(lines: Sequence[str]) -> Text:
    return Text("\n".join(lines), hang=2)


def _cell(name: str, value: object, scale: float) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "NOISY" if value else ""
    if isinstance(value, float) and name.endswith("spread"):
        return f"{value:.0%}"
    return format(value * scale, ".4g") if isinstance(value, float) else str(value)


def _lines(table: Table, column: str, scale: float, digits: str) -> Grid:
    """Set one line per network, workload and split, one column per budget."""
    budgets = sorted({row["budget"] for row in table})
    cells: dict[tuple[str, str, str], dict[float, str]] = {}
    for row in table:
        text = format(row[column] * scale, digits) + (" " if row["feasible"] else "*")
        cells.setdefault((row["network"], row["workload"], row["allocation"]), {})[row["budget"]] = text
    header = ["network", "workload", "split", *(f"{budget / 1e9:g} " for budget in budgets)]
    body = [[*key, *(by_budget.get(budget, "") for budget in budgets)] for key, by_budget in cells.items()]
    return _plain(header, body, 3)


def _means(summary: Table) -> Iterator[str]:
    for row in summary:
        ratio = f"{row['network']} {row['allocation']} over {row['over']}"
        line = f"{ratio}: {row['mean']:#.4g}, at most {row['largest']:#.4g}"
        if row["reference_mean"] is not None:
            line += (
                f" (reference {row['reference_mean']:g}, at most {row['reference_largest']:g}; "
                f"the means differ by {abs(row['difference']):.2%})"
            )
        yield line


def _matrices(summary: Table) -> Iterator[Block]:
    """Set one matrix per network: what the split was made for, against what runs on it."""
    workloads = list(dict.fromkeys(summary.column("workload")))
    for network in dict.fromkeys(summary.column("network")):
        cells: dict[str, dict[str, Row]] = {}
        for row in summary:
            if row["network"] == network:
                cells.setdefault(row["tuned_for"], {})[row["workload"]] = row
        body = [
            [f"made for {key}", *(_range(by_workload, name) for name in workloads)]
            for key, by_workload in cells.items()
        ]
        header = [network, *(f"{name} runs" if name != "mean" else "mean with 1.0" for name in workloads)]
        yield _plain(header, body, 1)


def _range(by_workload: Mapping[str, Row], workload: str) -> str:
    row = by_workload[workload]
    if row["largest"] == 1:
        return "1"
    return f"{row['slowdown']:.3f} ({row['least']:.3f} .. {row['largest']:.3f})"


def _plans(table: Table) -> Iterator[Block]:
    """Set the bandwidths found over those of the original, configuration by configuration."""
    names = [name for name in table.columns if name.startswith("b")]
    body = []
    for row in table:
        ours = [f"{row[name] / 1e9:.3f}" for name in names]
        theirs = [f"{row[f'reference_{name}'] / 1e9:.3f}" for name in names]
        gap = f"{row['relative_gap']:.1e}"
        body.append([row["workload"], row["loop"], "simcore", *ours, f"{row['time'] * 1e3:.4f}", gap])
        body.append(["", "", "original", *theirs, f"{row['time_at_reference'] * 1e3:.4f}", ""])
    header = ["workload", "loop", "", *(f"{name} [GB/s]" for name in names), "time [ms]", "gap"]
    yield _plain(header, body, 3)
    yield Text(f"Largest difference: {max(table.column('largest_difference')) / 1e9:.4f} GB/s")


def _plain(header: Sequence[str], body: Sequence[Sequence[str]], keys: int) -> Grid:
    """Return a table whose first columns, `keys` of them, say what a row is of; words stand left, numbers right."""
    left = [all(not row[i][:1].isdigit() or row[i][-1:].isalpha() for row in body) for i in range(len(header))]
    return Grid([Column(name, words) for name, words in zip(header, left, strict=True)], body, keys=keys)

"""What `simcore evaluate` prints: tables that a person reads, in GB/s, ms and millions of dollars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from simcore.results import Row, Table
from simcore.studies.evaluate_network import Evaluation

_VALUES = {"fig12": ("speedup", 1.0, ".3f"), "fig13": ("cost", 1e-6, ".3f"), "fig14": ("perf_per_cost", 1.0, ".2f")}
_UNITS = {
    "fig12": "by bandwidth per NPU [GB/s]",
    "fig13": "in millions of dollars, by bandwidth per NPU [GB/s]",
    "fig14": "by bandwidth per NPU [GB/s]",
}


def report(result: Evaluation) -> str:
    """Return an evaluation as text."""
    name = result.target.removeprefix("network-")
    if name == "table6":
        parts = [result.title, *_plans(result.tables[name])]
    elif name == "fig15":
        title = f"{result.title}; geometric mean over budgets (least .. largest)"
        parts = [title, *_matrices(result.tables["summary"])]
    else:
        parts = [f"{result.title}, {_UNITS[name]}; * is not feasible", _lines(result.tables[name], *_VALUES[name])]
        parts += ["Geometric means over workloads and budgets"]
        parts += ["\n".join(_means(result.tables["summary"]))]
    parts += ["\n".join(result.provenance.notes)] if result.provenance.notes else []
    return "\n\n".join(parts)


def measured(result: Evaluation) -> str:
    """Return a measurement as text: the quickest of each family where there is such a table, else every point."""
    table = result.tables.get("summary", result.tables["points"])
    times = {"seconds", "index_seconds", "dense", "csr", "bsr", "blocks", "pit", "index", "total"}
    columns = [name for name in table.columns if any(value not in (None, "") for value in table.column(name))]
    body = [[_cell(row[name], 1e3 if name in times else 1.0) for name in columns] for row in table]
    header = ["time" if name == "seconds" else name for name in columns]
    parts = [f"{result.title} [ms]", _aligned(header, body), "\n".join(result.provenance.notes)]
    return "\n\n".join(parts)


def _cell(value: object, scale: float) -> str:
    if value is None:
        return "-"
    return format(value * scale, ".4g") if isinstance(value, float) else str(value)


def _lines(table: Table, column: str, scale: float, digits: str) -> str:
    """Set one line per network, workload and split, one column per budget."""
    budgets = sorted({row["budget"] for row in table})
    cells: dict[tuple[str, str, str], dict[float, str]] = {}
    for row in table:
        text = format(row[column] * scale, digits) + (" " if row["feasible"] else "*")
        cells.setdefault((row["network"], row["workload"], row["allocation"]), {})[row["budget"]] = text
    header = ["network", "workload", "split", *(f"{budget / 1e9:g} " for budget in budgets)]
    return _aligned(header, [[*key, *(found.get(budget, "") for budget in budgets)] for key, found in cells.items()])


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


def _matrices(summary: Table) -> Iterator[str]:
    """Set one matrix per network: what the split was made for, against what runs on it."""
    workloads = list(dict.fromkeys(summary.column("workload")))
    for network in dict.fromkeys(summary.column("network")):
        cells: dict[str, dict[str, Row]] = {}
        for row in summary:
            if row["network"] == network:
                cells.setdefault(row["tuned_for"], {})[row["workload"]] = row
        body = [[f"made for {key}", *(_range(found, name) for name in workloads)] for key, found in cells.items()]
        yield _aligned([network, *(f"{name} runs" if name != "mean" else "mean with 1.0" for name in workloads)], body)


def _range(found: Mapping[str, Row], workload: str) -> str:
    row = found[workload]
    if row["largest"] == 1:
        return "1"
    return f"{row['slowdown']:.3f} ({row['least']:.3f} .. {row['largest']:.3f})"


def _plans(table: Table) -> Iterator[str]:
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
    yield _aligned(header, body)
    yield f"Largest difference: {max(table.column('largest_difference')) / 1e9:.4f} GB/s"


def _aligned(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Align columns: words to the left, from the first column of numbers on to the right."""
    cells = [header, *body]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    words = [all(not row[i][:1].isdigit() or row[i][-1:].isalpha() for row in body) for i in range(len(header))]
    lines = (
        "  ".join(
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(row, widths, words, strict=True)
        )
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)

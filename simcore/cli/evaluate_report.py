"""What `simcore evaluate` prints: tables that a person reads, in GB/s, ms and millions of dollars."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from math import ceil

from simcore.results import Row, Table
from simcore.studies.evaluate.network import Evaluation

_VALUES = {"fig12": ("speedup", 1.0, ".3f"), "fig13": ("cost", 1e-6, ".3f"), "fig14": ("perf_per_cost", 1.0, ".2f")}
_UNITS = {
    "fig12": "by bandwidth per NPU [GB/s]",
    "fig13": "in millions of dollars, by bandwidth per NPU [GB/s]",
    "fig14": "by bandwidth per NPU [GB/s]",
}
_GIVEN = {"granularity", "sparsity", "experts", "spread", "valid", "way", "tile"}
"""Columns of measurements that say what was measured, where they come first."""


def report(result: Evaluation, width: int | None = None) -> str:
    """Return an evaluation as text of at most `width` columns; None: as many as there are."""
    name = result.target.removeprefix("network-")
    if name == "table6":
        parts = [result.title, *_plans(result.tables[name], width)]
    elif name == "fig15":
        title = f"{result.title}; geometric mean over budgets (least .. largest)"
        parts = [_filled([title], width), *_matrices(result.tables["summary"], width)]
    else:
        title = f"{result.title}, {_UNITS[name]}; * is not feasible"
        parts = [_filled([title], width), _lines(result.tables[name], *_VALUES[name], width)]
        parts += ["Geometric means over workloads and budgets"]
        parts += [_filled(_means(result.tables["summary"]), width)]
    parts += [_filled(result.provenance.notes, width)] if result.provenance.notes else []
    return "\n\n".join(parts)


def measured(result: Evaluation, width: int | None = None) -> str:
    """Return a measurement as text: the quickest of each family where there is such a table, else every point."""
    table = result.tables.get("summary", result.tables["points"])
    named = {"seconds": "time", "index_seconds": "index", "total_seconds": "total"}
    times = {*named, "dense", "csr", "bsr", "blocks", "pit", "index", "total"}
    columns = [name for name in table.columns if any(value not in (None, "") for value in table.column(name))]
    body = [[_cell(row[name], 1e3 if name in times else 1.0) for name in columns] for row in table]
    header = [named.get(name, name) for name in columns]
    keys = sum(1 for _ in takewhile(_GIVEN.__contains__, columns))
    parts = [f"{result.title} [ms]", _aligned(header, body, keys, width), _filled(result.provenance.notes, width)]
    return "\n\n".join(parts)


def _cell(value: object, scale: float) -> str:
    if value is None:
        return "-"
    return format(value * scale, ".4g") if isinstance(value, float) else str(value)


def _lines(table: Table, column: str, scale: float, digits: str, width: int | None) -> str:
    """Set one line per network, workload and split, one column per budget."""
    budgets = sorted({row["budget"] for row in table})
    cells: dict[tuple[str, str, str], dict[float, str]] = {}
    for row in table:
        text = format(row[column] * scale, digits) + (" " if row["feasible"] else "*")
        cells.setdefault((row["network"], row["workload"], row["allocation"]), {})[row["budget"]] = text
    header = ["network", "workload", "split", *(f"{budget / 1e9:g} " for budget in budgets)]
    body = [[*key, *(found.get(budget, "") for budget in budgets)] for key, found in cells.items()]
    return _aligned(header, body, 3, width)


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


def _matrices(summary: Table, width: int | None) -> Iterator[str]:
    """Set one matrix per network: what the split was made for, against what runs on it."""
    workloads = list(dict.fromkeys(summary.column("workload")))
    for network in dict.fromkeys(summary.column("network")):
        cells: dict[str, dict[str, Row]] = {}
        for row in summary:
            if row["network"] == network:
                cells.setdefault(row["tuned_for"], {})[row["workload"]] = row
        body = [[f"made for {key}", *(_range(found, name) for name in workloads)] for key, found in cells.items()]
        header = [network, *(f"{name} runs" if name != "mean" else "mean with 1.0" for name in workloads)]
        yield _aligned(header, body, 1, width)


def _range(found: Mapping[str, Row], workload: str) -> str:
    row = found[workload]
    if row["largest"] == 1:
        return "1"
    return f"{row['slowdown']:.3f} ({row['least']:.3f} .. {row['largest']:.3f})"


def _plans(table: Table, width: int | None) -> Iterator[str]:
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
    yield _aligned(header, body, 3, width)
    yield f"Largest difference: {max(table.column('largest_difference')) / 1e9:.4f} GB/s"


def _aligned(header: Sequence[str], body: Sequence[Sequence[str]], keys: int, width: int | None) -> str:
    """Align columns: words to the left, from the first column of numbers on to the right.

    A table of more than `width` columns is set in several, one below the other, that all have the first `keys` columns.
    """
    cells = [header, *body]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    words = [all(not row[i][:1].isdigit() or row[i][-1:].isalpha() for row in body) for i in range(len(header))]
    return "\n\n".join(
        "\n".join(
            "  ".join(row[i].ljust(widths[i]) if words[i] else row[i].rjust(widths[i]) for i in columns).rstrip()
            for row in cells
            if any(row[i] for i in columns[keys:])
        )
        for columns in _folded(widths, keys, width)
    )


def _folded(widths: Sequence[int], keys: int, width: int | None) -> list[list[int]]:
    """Return which columns stand side by side: as few tables as fit, of about as many columns each.

    Examples
    --------
    >>> _folded([4, 8, 8, 8], 1, 24)
    [[0, 1, 2], [0, 3]]
    """
    values = range(keys, len(widths))
    tables: list[list[int]] = []
    for count in range(1, len(values) + 1):
        each = ceil(len(values) / count)
        tables = [[*range(keys), *values[i : i + each]] for i in range(0, len(values), each)]
        if width is None or all(sum(widths[i] + 2 for i in table) - 2 <= width for table in tables):
            break
    return tables


def _filled(lines: Iterable[str], width: int | None) -> str:
    """Break lines at blanks, so that none has more than `width` columns."""
    if width is None:
        return "\n".join(lines)
    return "\n".join(textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False) for line in lines)

"""Results that can testify: tables, where they came from, and how they leave as JSON and CSV.

What is written holds nothing that changes between two runs of the same inputs: no date, no CPU time, no path of a
scratch file. CPU seconds stay on the object, for the log.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any, overload

from simcore._version import __version__
from simcore.files import csv_text

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Provenance:
    """Everything needed to run a result again.

    Attributes
    ----------
    command : str
        The study: ``trace``.
    inputs : mapping
        Every input as it was resolved, defaults included.
    sha256 : mapping
        Hash of every file that was read, by role.
    notes : sequence of str
        What a reader must know beside the numbers: fitted inputs, warnings of a reader.
    counts : mapping
        Deterministic cost: SimPy events, rounds, solver iterations.
    seed : int or None
        Seed of the run's `numpy.random.SeedSequence`; None where nothing is random.
    versions : mapping
        simcore, Python and the packages the numbers depend on.
    """

    command: str
    inputs: Mapping[str, Any]
    sha256: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return asdict(self)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of simcore, Python and some installed packages.

    Examples
    --------
    >>> sorted(versions("numpy"))
    ['numpy', 'python', 'simcore']
    """
    found = {"simcore": __version__, "python": platform.python_version()}
    found.update({name: metadata.version(name) for name in packages})
    return found


def with_units(columns: Sequence[str], units: Mapping[str, str]) -> list[str]:
    """Return names of columns with the unit at the end of each that has one: ``busy_s``."""
    return [f"{name}_{units[name]}" if name in units else name for name in columns]


class Table(Sequence[Row]):
    """An ordered table: a sequence of mappings that all have the same columns.

    It prints as text, shows as HTML in a notebook, and ``pandas.DataFrame(table)`` takes it as it is.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : sequence of sequences
        A value for each column.
    units : mapping of str to str
        Units by column, such as ``s`` or ``B_per_s``: CSV has no other place for them than the header.

    Examples
    --------
    >>> table = Table(["policy", "jobs"], [("fifo", 62)])
    >>> table[0]["jobs"], table.column("policy")
    (62, ['fifo'])
    >>> print(Table(["dimension", "busy"], [(1, 0.5)], {"busy": "s"}).to_csv().split())
    ['dimension,busy_s', '1,0.5']
    """

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], units: Mapping[str, str] | None = None
    ) -> None:
        self.columns = list(columns)
        self.units = dict(units or {})
        self._rows = [tuple(row) for row in rows]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [dict(zip(self.columns, row, strict=True)) for row in self._rows[index]]
        return dict(zip(self.columns, self._rows[index], strict=True))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return (dict(zip(self.columns, row, strict=True)) for row in self._rows)

    def column(self, name: str) -> list[Any]:
        """Return one column as a list."""
        index = self.columns.index(name)
        return [row[index] for row in self._rows]

    def to_csv(self) -> str:
        """Return the table as CSV text at full precision, the unit of a column at the end of its name."""
        return csv_text(with_units(self.columns, self.units), self._rows)

    def __repr__(self) -> str:
        cells = [self.columns, *([_short(value) for value in row] for row in self._rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in cells)

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(_short(v))}</td>" for v in row) + "</tr>" for row in self._rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def to_json(document: Mapping[str, Any]) -> str:
    """Write a document as JSON: full precision, no NaN, a newline at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

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


class Table(Sequence[Row]):
    """An ordered table: a sequence of mappings that all have the same columns.

    It prints as text, shows as HTML in a notebook, and ``pandas.DataFrame(table)`` takes it as it is.

    Examples
    --------
    >>> table = Table(["policy", "jobs"], [("fifo", 62)])
    >>> table[0]["jobs"], table.column("policy")
    (62, ['fifo'])
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.columns = list(columns)
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
        """Return the table as CSV text at full precision."""
        return csv_text(self.columns, self._rows)

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

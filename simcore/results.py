"""Results that can testify: tables, where they came from, and how they leave as JSON and CSV.

What is written holds nothing that changes between two runs of the same inputs: no date, no CPU time, no path of a
scratch file. CPU seconds stay on the object, for the log.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, overload

from simcore._version import versions as versions
from simcore.cells import describe
from simcore.errors import CONTROL, MissingExtraError, one_line, unknown_name
from simcore.files import csv_text
from simcore.outputs import atomic_directory, check_timeline, is_device, write_atomic
from simcore.plots import FIGURES, formats, save, without_caption
from simcore.report import Block, Sentences, as_html, as_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Row = Mapping[str, Any]

CONTENTS = "contents.json"
"""The file in the folder of a result that says what is in it: tables with units and types, texts, provenance."""
FORMAT = 1
"""Of that file; another one is refused."""
LONGEST = 40
"""Lines of a table's or a result's ``repr`` at most: a notebook shows it as it is."""


@dataclass(frozen=True)
class Provenance:
    """Everything needed to run a result again.

    Attributes
    ----------
    command : str
        The study: ``trace``.
    inputs : mapping
        The fields of the request as they were resolved, defaults included.
    sha256 : mapping
        Hash of every file that was read, by role.
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
    counts: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return asdict(self)


def with_units(columns: Sequence[str], units: Mapping[str, str]) -> list[str]:
    """Return names of columns with the unit at the end of each that has one: ``busy_s``."""
    return [f"{name}_{units[name]}" if name in units else name for name in columns]


class Table(Sequence[Row]):
    """An ordered table: a sequence of mappings that all have the same columns.

    It prints as text, shows as HTML in a notebook, and ``pandas.DataFrame(table)`` takes it as it is. Text and HTML of
    many rows are cut off, and say so. Tables with the same columns, units and rows are equal.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : sequence of sequences
        A value for each column.
    units : mapping of str to str
        Units by column, such as ``s`` or ``B_per_s``; those of other columns count for nothing. CSV has no other place
        for them than the header.

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
        self.units = {name: unit for name, unit in (units or {}).items() if name in self.columns}
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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return (self.columns, self.units, self._rows) == (other.columns, other.units, other._rows)

    __hash__ = None  # type: ignore[assignment]  # equal by what it holds, and that has no hash

    def __repr__(self) -> str:
        rows, left = self._first()
        cells = [self.columns, *([_short(value) for value in row] for row in rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([*lines, *([f"... {left} more rows"] if left else [])])

    def _repr_html_(self) -> str:
        from html import escape

        rows, left = self._first()
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(_short(v))}</td>" for v in row) + "</tr>" for row in rows)
        more = f"<p>... {left} more rows</p>" if left else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _first(self) -> tuple[list[tuple[Any, ...]], int]:
        """Return the rows that are shown, and how many are not."""
        shown = len(self._rows) if len(self._rows) < LONGEST else LONGEST - 2
        return self._rows[:shown], len(self._rows) - shown


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else one_line(str(value))


@dataclass(frozen=True)
class Timeline:
    """What happened when, as files.

    Attributes
    ----------
    trace : str
        JSON that ui.perfetto.dev opens.
    table : str or None
        The same as CSV; None where there is no such table.
    """

    trace: str
    table: str | None = None

    def files(self, path: Path) -> dict[Path, str]:
        """Return the text of each file: the trace under its path, and the table beside it.

        Raises
        ------
        InputError
            If the trace would have the name of the table, or the place cannot be written.
        """
        if self.table is None or is_device(path):
            return {path: self.trace}
        check_timeline(path)
        return {path.with_suffix(".csv"): self.table, path: self.trace}

    def write(self, path: str | Path) -> list[Path]:
        """Write the trace, and the table beside it; returns the files.

        Raises
        ------
        InputError
            If the trace would have the name of the table, or the place cannot be written.
        RunError
            If the disk is full.
        """
        files = self.files(Path(path))
        for each, text in files.items():
            write_atomic(each, text)
        return list(files)


@dataclass(frozen=True, kw_only=True)
class Result(ABC):
    """What a study returns: numbers as tables and plain containers, what they mean, figures, and where they come from.

    Attributes
    ----------
    provenance : Provenance
        How to make it again: ``study(**result.provenance.inputs)`` gives the same bytes.
    warnings : tuple of str
        What a reader must know before relying on it.
    cpu_seconds : float
        CPU time of the study's own work [s]; not part of what is written.
    """

    stem: ClassVar[str]
    """Name of the JSON file and, where there is one, of the figure."""
    keeps_timeline: ClassVar[bool] = True
    """Whether `write` writes the timeline too."""

    provenance: Provenance
    warnings: tuple[str, ...] = ()
    cpu_seconds: float = field(default=0.0, compare=False)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__repr__" not in vars(cls):  # a dataclass would make one of all fields, which has thousands of lines
            cls.__repr__ = Result.__repr__  # type: ignore[method-assign]

    @abstractmethod
    def tables(self) -> Mapping[str, Table]:
        """Return all tables by the name of their file, the main one first."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""

    @abstractmethod
    def report(self) -> Sequence[Block]:
        """Return what a person reads, as neutral blocks."""

    def figures(self) -> Mapping[str, Figure]:
        """Draw all figures, by the name of their file."""
        return {}

    def inputs(self) -> Mapping[str, str]:
        """Return what other commands take as an input, as text by the whole name of its file."""
        return {}

    def timeline(self) -> Timeline | None:
        """Return what happened when; None where nothing happens in time."""
        return None

    def sentences(self) -> list[str]:
        """Return what the numbers mean, a sentence each."""
        return []

    def to_json(self) -> str:
        """Return the result as JSON: what the command prints with ``--json``."""
        return to_json(self.as_dict())

    def to_pandas(self, table: str = "") -> DataFrame:
        """Return a table as a `pandas.DataFrame`, by default the main one.

        Raises
        ------
        InputError
            If there is no such table.
        MissingExtraError
            If pandas is not installed.
        """
        tables = self.tables()
        name = table or next(iter(tables))
        if name not in tables:
            raise unknown_name("table", name, tables)
        try:
            import pandas
        except ImportError:
            raise MissingExtraError(
                "to_pandas needs pandas, which is not installed: pip install pandas, or in simcore's checkout "
                "pip install -e '.[pandas]'"
            ) from None
        return pandas.DataFrame({column: tables[name].column(column) for column in tables[name].columns})

    def write(
        self, directory: str | Path, *, force: bool = False, figures: Sequence[str] = FIGURES, captions: bool = True
    ) -> list[Path]:
        """Write everything into a new directory, whole or not at all: JSON, CSV, figures and the timeline.

        Parameters
        ----------
        directory : str or Path
            Where to; the folder above must be there.
        force : bool
            Whether to replace what simcore wrote there before; other files stay.
        figures : sequence of str
            Formats of the figures: ``png``, ``pdf``, ``svg``.
        captions : bool
            Whether a figure says under it what it shows.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, it holds what must stay, or it cannot be written.
        RunError
            If the disk is full.
        """
        kinds = formats(figures)
        with atomic_directory(Path(directory), force=force) as scratch:
            for path, text in self._texts(scratch).items():
                path.write_text(text, encoding="utf-8", newline="")
            for name, figure in self.figures().items():
                save(figure if captions else without_caption(figure), scratch / name, kinds)
            written = sorted(each.name for each in scratch.iterdir())
        return [Path(directory) / name for name in written]

    def _texts(self, folder: Path) -> dict[Path, str]:
        """Return what is written but for figures, by its path."""
        texts = {folder / f"{self.stem}.json": self.to_json()}
        texts |= {folder / f"{name}.csv": table.to_csv() for name, table in self.tables().items()}
        texts |= {folder / name: text for name, text in self.inputs().items()}
        timeline = self.timeline() if self.keeps_timeline else None
        texts[folder / CONTENTS] = to_json(self._contents(timeline))
        return texts if timeline is None else texts | timeline.files(folder / "timeline.json")

    def _contents(self, timeline: Timeline | None) -> dict[str, Any]:
        """Return what the folder holds, for `simcore.load`."""
        tables = {
            name: [describe(column, table.units.get(column), table.column(column)) for column in table.columns]
            for name, table in self.tables().items()
        }
        return {
            "format": FORMAT,
            "document": f"{self.stem}.json",
            "tables": tables,
            "inputs": list(self.inputs()),
            "timeline": timeline and ["timeline.json", *(["timeline.csv"] if timeline.table is not None else [])],
            "sentences": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def __repr__(self) -> str:
        warnings = as_lines(self._warned())[: LONGEST // 4]
        lines, room = as_lines(self.report()), LONGEST - len(warnings)
        return "\n".join([*(lines if len(lines) <= room else [*lines[: room - 1], "..."]), *warnings])

    def _repr_html_(self) -> str:
        return as_html([*self.report(), *self._warned()])

    def _warned(self) -> list[Block]:
        """Return the warnings, which a command prints apart and a notebook would never show."""
        return [Sentences("Warnings", self.warnings)] if self.warnings else []


def to_json(document: Mapping[str, Any]) -> str:
    """Write a document as JSON: full precision, no NaN, a newline at the end, nothing that a terminal would act on."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return CONTROL.sub(lambda match: "\n" if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text) + "\n"

"""Reading a result back from the folder that it was written to; no study is run again.

Nothing is taken from a folder that simcore did not write: `CONTENTS` says what is in it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.cells import read
from simcore.errors import InputError, one_line
from simcore.outputs import first_changed
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.results import CONTENTS, FORMAT, Provenance, Result, Table, Timeline, with_units

_SHOWN = 20  # rows of the main table in the report of a result that was read back
_REMEDY = "Write the result anew."
_EXPECTED = "a folder that simcore wrote with -o DIR or Result.write"


@dataclass(frozen=True, kw_only=True)
class LoadedResult(Result):
    """A result that was read back from its folder: the same numbers, and nothing to compute more with.

    Attributes
    ----------
    folder : Path
        Where it lies.
    document : mapping
        What `as_dict` gives.
    data : mapping of str to Table
        The tables by name.
    texts : mapping of str to str
        Inputs for other commands, by file.
    said : tuple of str
        What the numbers mean.
    happened : Timeline or None
        What happened when.
    stem : str
        Name of the JSON file.
    """

    folder: Path
    document: Mapping[str, Any]
    data: Mapping[str, Table]
    texts: Mapping[str, str]
    said: tuple[str, ...]
    happened: Timeline | None
    stem: str  # type: ignore[misc]  # a class has one, and what was read back that of its class

    def tables(self) -> Mapping[str, Table]:
        """Return all tables by the name of their file, the main one first."""
        return self.data

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        return dict(self.document)

    def inputs(self) -> Mapping[str, str]:
        """Return what other commands take as an input, as text by the whole name of its file."""
        return self.texts

    def timeline(self) -> Timeline | None:
        """Return what happened when; None where nothing happens in time."""
        return self.happened

    def sentences(self) -> list[str]:
        """Return what the numbers mean, a sentence each."""
        return list(self.said)

    def report(self) -> Sequence[Block]:
        """Return what it is of, the first rows of its main table and what they mean; figures lie in the folder."""
        name, table = next(iter(self.data.items()))
        columns = [Column(each) for each in with_units(table.columns, table.units)]
        rows = [["" if cell is None else str(cell) for cell in row.values()] for row in table[:_SHOWN]]
        more = f", the first {_SHOWN} of {len(table)} rows" if len(table) > _SHOWN else ""
        head = Headline(
            f"simcore {self.provenance.command}, read from {self.folder}", f"tables: {', '.join(self.data)}"
        )
        return [head, Grid(columns, rows, title=f"{name}{more}"), Sentences("", self.said)]


def load(directory: str | Path) -> LoadedResult:
    """Read a result back from the folder that ``-o DIR`` or `Result.write` wrote; no study is run.

    Parameters
    ----------
    directory : str or Path
        The folder.

    Returns
    -------
    LoadedResult
        With the same tables, document, timeline and provenance. Its figures lie in the folder.

    Raises
    ------
    InputError
        If there is no such folder, simcore did not write it, or one of its files was changed or taken away.

    Examples
    --------
    >>> import tempfile
    >>> import simcore
    >>> folder = tempfile.mkdtemp() + "/out"
    >>> written = simcore.optimize("4D", "325 GB/s", "1T")
    >>> _ = written.write(folder)
    >>> simcore.load(folder).tables() == written.tables()
    True
    """
    folder = Path(directory)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise InputError(str(folder), found, _EXPECTED, "Name the folder, not a file in it.")
    if not (folder / CONTENTS).is_file():
        raise InputError(str(folder), f"a folder without {CONTENTS}", _EXPECTED, _REMEDY)
    changed = first_changed(folder)
    if changed is not None:
        raise InputError(str(changed), "a file that was changed since simcore wrote it", _EXPECTED, _REMEDY)
    with _as_written(folder / CONTENTS):
        head = json.loads(_read(folder / CONTENTS))
        if head["format"] != FORMAT:
            raise InputError(str(folder / CONTENTS), f"format {head['format']}", f"format {FORMAT}", _REMEDY)
        return _loaded(folder, head)


def _loaded(folder: Path, head: Mapping[str, Any]) -> LoadedResult:
    with _as_written(folder / head["document"]):
        document = json.loads(_read(folder / head["document"]))
    texts = [_read(folder / name) for name in head["timeline"] or ()]
    return LoadedResult(
        folder=folder,
        document=document,
        data={name: _table(folder / f"{name}.csv", columns) for name, columns in head["tables"].items()},
        texts={name: _read(folder / name) for name in head["inputs"]},
        said=tuple(head["sentences"]),
        happened=Timeline(*texts) if texts else None,
        stem=Path(head["document"]).stem,
        warnings=tuple(head["warnings"]),
        provenance=Provenance(**head["provenance"]),
    )


def _table(path: Path, columns: Sequence[Mapping[str, Any]]) -> Table:
    """Read one table, each column as its kind says."""
    names, units = [each["name"] for each in columns], {each["name"]: each["unit"] for each in columns if each["unit"]}
    with _as_written(path):
        header, *rows = csv.reader(io.StringIO(_read(path), newline=""))
        if header != [one_line(name) for name in with_units(names, units)]:
            raise ValueError(header)
        cells = zip(*rows, strict=True) if rows else [()] * len(columns)
        values = [read(*pair) for pair in zip(columns, cells, strict=True)]
    return Table(names, list(zip(*values, strict=True)), units)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(str(path), f"no such file ({error.strerror})", _EXPECTED, _REMEDY) from None


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    """Refuse a file that is not as simcore wrote it, whatever reading it stumbles over."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise InputError(str(path), "a file that is not as simcore wrote it", _EXPECTED, _REMEDY) from None

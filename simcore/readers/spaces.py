"""Spaces of ways to train, and tables of what was measured of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simcore.errors import InputError
from simcore.files import check_columns, csv_rows, csv_text, read_yaml
from simcore.models.training.tuning.cells import Cell
from simcore.models.training.tuning.space import Space
from simcore.numerals import as_real, as_whole
from simcore.readers.quantities import Entry, NotEmpty, Real, Strict, Whole
from simcore.readers.read import InputFile, Read, read_path

MOST = 1_000_000
"""Sequences of a batch at most."""

NEEDED, OPTIONAL = ("batch", "ratio", "samples_per_s"), ("parallel", "kernels")
"""Columns of a table of measured cells."""

_Batch = Annotated[Whole, Field(ge=1, le=MOST)]
EXAMPLE = "batch: {from: 8, to: 64, step: 8}"
_Ratio = Annotated[Real, Field(ge=0, le=1)]


class _Batches(Strict):
    """Batches one by one, or from one to another."""

    values: Annotated[list[_Batch], NotEmpty] | None = None
    least: _Batch | None = Field(None, alias="from")
    most: _Batch | None = Field(None, alias="to")
    step: _Batch | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, data: object) -> object:
        """Take a list, or one number, for the values."""
        if isinstance(data, list):
            return {"values": data}
        return {"values": [data]} if isinstance(data, int) else data


class _SpaceFile(Entry):
    batch: _Batches | None = None
    ratio: Annotated[list[_Ratio], NotEmpty] | None = None
    parallel: Annotated[list[str], NotEmpty] | None = None
    kernels: Annotated[list[str], NotEmpty] | None = None
    rounding: Literal["head", "uniform"] = "head"


def read_space(path: str | Path, usual: Space) -> Read[Space]:
    """Read a space; what the file does not give is that of `usual`.

    Raises
    ------
    InputError
        Naming file, line and field; for a range in which no batch lies, too.
    """
    file = read_path(Path(path), "space", str(path))
    data = read_yaml(file.path, _SpaceFile, "space", file.text, EXAMPLE)
    batches = usual.batches if data.batch is None else _batches(data.batch, str(file.path))
    ratios = usual.ratios if data.ratio is None else tuple(dict.fromkeys(float(ratio) for ratio in data.ratio))
    parallel = usual.parallel if data.parallel is None else tuple(dict.fromkeys(map(_plain, data.parallel)))
    kernels = usual.kernels if data.kernels is None else tuple(dict.fromkeys(map(_plain, data.kernels)))
    return file.of(Space(batches, ratios, parallel, kernels, data.rounding))


def _plain(text: str) -> str:
    """Return a text of steps or degrees without spaces; ``none`` is no step."""
    words = ",".join(word.strip() for word in text.split(",") if word.strip())
    return "" if words == "none" else words


def _batches(given: _Batches, path: str) -> tuple[int, ...]:
    place = f"{path}, field 'batch'"
    bounds = (given.least, given.most, given.step)
    if given.values is not None:
        if any(each is not None for each in bounds):
            raise InputError(place, "values and a range", "one of the two", "Leave one out.")
        return tuple(dict.fromkeys(given.values))
    if given.least is None or given.most is None or given.step is None:
        raise InputError(place, "a part of a range", "from, to and step", "Write {from: 8, to: 64, step: 8}.")
    if given.most < given.least:
        found = f"from {given.least} to {given.most}"
        raise InputError(place, found, "a range with a batch in it", "Exchange from and to.")
    return tuple(range(given.least, given.most + 1, given.step))


def read_measured_cells(file: InputFile, parallel: str, kernels: str) -> Read[dict[Cell, float | None]]:
    """Read what was measured of cells: samples per second, empty where memory ran out.

    Parameters
    ----------
    file : InputFile
        A CSV table with the columns `NEEDED`, and perhaps `OPTIONAL`.
    parallel, kernels : str
        Of rows whose table has no such column.

    Raises
    ------
    InputError
        Naming file and line.
    """
    header, rows = csv_rows(file.text, str(file.path), "measurement")
    check_columns(header, NEEDED, OPTIONAL, str(file.path))
    found: dict[Cell, float | None] = {}
    for line, fields in rows:
        place = f"{file.path}, line {line}"
        if len(fields) != len(header):
            raise InputError(place, f"{len(fields)} fields", f"{len(header)}, as in the header")
        row = {"parallel": parallel, "kernels": kernels, **dict(zip(header, fields, strict=True))}
        cell = _cell(row, place)
        if cell in found:
            raise InputError(place, f"{cell} again", "each cell once", "Remove one of the rows.")
        found[cell] = _rate(row["samples_per_s"], place)
    return file.of(found)


def _cell(row: dict[str, str], place: str) -> Cell:
    batch, ratio = as_whole(row["batch"]), as_real(row["ratio"])
    if batch is None or not 1 <= batch <= MOST:
        raise InputError(f"{place}, column 'batch'", f"'{row['batch']}'", "a whole number of at least 1")
    if ratio is None or not 0 <= ratio <= 1:
        raise InputError(f"{place}, column 'ratio'", f"'{row['ratio']}'", "a share from 0 to 1")
    return Cell(_plain(row["parallel"]), _plain(row["kernels"]), int(batch), float(ratio))


def _rate(text: str, place: str) -> float | None:
    if not text:
        return None
    rate = as_real(text)
    if rate is None or rate <= 0:
        expected = "sequences per second above 0, or nothing where memory ran out"
        raise InputError(f"{place}, column 'samples_per_s'", f"'{text}'", expected)
    return float(rate)


def cells_text(rates: dict[Cell, float | None]) -> str:
    """Return measured cells as the CSV that `read_measured_cells` reads."""
    columns = ("parallel", "kernels", "batch", "ratio", "samples_per_s")
    return csv_text(columns, [(c.parallel, c.steps or "none", c.batch, c.ratio, r) for c, r in rates.items()])

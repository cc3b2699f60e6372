"""Columns of tables as CSV, and back: CSV tells neither the type of a cell nor the unit of a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

from simcore.errors import one_line

_WHOLE = re.compile(r"-?\d+")


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> int | float:
    return int(cell) if _WHOLE.fullmatch(cell) else float(cell)


def _truth(cell: str) -> bool:
    return {"True": True, "False": False}[cell]


_KINDS: Mapping[str, tuple[type, Callable[[str], Any]]] = {
    "truth": (bool, _truth),
    "number": (Number, _number),
    "text": (str, _text),
}
"""What cells of a column are, and how they are read; an empty cell is None."""


def describe(name: str, unit: str | None, values: Sequence[Any]) -> dict[str, Any]:
    """Return name, unit and kind of a column; where its cells cannot be told from CSV alone, its values.

    Examples
    --------
    >>> describe("busy", "s", [1, 0.5, None])
    {'name': 'busy', 'unit': 's', 'kind': 'number'}
    >>> describe("split", None, ["equal", 2])["values"]
    ['equal', 2]
    """
    kind = next((kind for kind in _KINDS if _survives(values, kind)), None)
    return {"name": name, "unit": unit, **({"values": list(values)} if kind is None else {"kind": kind})}


def read(column: Mapping[str, Any], cells: Sequence[str]) -> Sequence[Any]:
    """Return the values of a column from its cells, as `describe` says.

    Raises
    ------
    ValueError, KeyError
        If they are not of its kind, or not as many as its values.

    Examples
    --------
    >>> read({"name": "busy", "unit": "s", "kind": "number"}, ["1", "0.5", ""])
    [1, 0.5, None]
    """
    if "values" in column:
        return [value for value, _ in zip(column["values"], cells, strict=True)]
    of_kind = _KINDS[column["kind"]][1]
    return [None if cell == "" else of_kind(cell) for cell in cells]


def _survives(values: Sequence[Any], kind: str) -> bool:
    """Tell whether values are the same after they were written as CSV and read again."""
    type_, of_kind = _KINDS[kind]
    known = [value for value in values if value is not None]
    if not all(isinstance(value, type_) and isinstance(value, bool) == (type_ is bool) for value in known):
        return False
    return all(str(value) != "" and of_kind(one_line(str(value))) == value for value in known)

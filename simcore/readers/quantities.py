"""Pydantic field types for data files: numbers that must carry a unit, parsed by `simcore.units`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from simcore.errors import InputError, shortened, written
from simcore.numerals import REAL, WHOLE, Spelt, as_real, as_whole, asked_for, of_float, parse_real
from simcore.units import LARGEST, SMALLEST, parse

_PRICE = re.compile(r"\s*\$\s*([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\s+per\s+(\S+)\s*\Z")


class Strict(BaseModel):
    """A schema that knows all its fields, takes no number for text, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(Strict):
    """What every zoo file holds beside its numbers."""

    description: str = ""
    source: str = ""


class QuantityError(InputError, ValueError):
    """An `InputError` that pydantic collects, so that `simcore.files.validate` can add file, line and field."""


def _quantity(kind: str, example: str) -> Callable[[object], float]:
    def read(value: object) -> float:
        if not isinstance(value, str):
            found = f"{_json(value)} without a unit"
            raise QuantityError("", found, f"text with a unit, such as {example}", f"Write it like {example}.")
        try:
            number = parse(value, kind, "")
        except InputError as error:
            raise QuantityError(*error.args) from None
        if not 0 <= number < float("inf"):
            raise QuantityError("", f"'{value}'", "a finite quantity of at least 0")
        return number

    return read


def _price(value: object) -> float:
    match = _PRICE.match(value) if isinstance(value, str) else None
    if match is None:
        found = _json(value)
        raise QuantityError("", found, "dollars per bandwidth, such as $7.8 per GB/s", "Write it like $7.8 per GB/s.")
    try:
        dollars = Decimal(match[1]) if parse_real(match[1], "", "dollars") else Decimal(0)
        price = dollars * 10**9 / Decimal(parse(f"1e9 {match[2]}", "bandwidth", ""))  # a unit alone may be too little
    except InputError as error:
        raise QuantityError(*error.args) from None
    if price and not SMALLEST <= float(price * 10**9) <= LARGEST:
        bounds = f"0 or from {SMALLEST:g} to {LARGEST:g} dollars per GB/s"
        raise QuantityError("", f"'{value}'", f"a price of {bounds}")
    return float(price)


def _json(value: object) -> str:
    return shortened(json.dumps(value, default=str), 60)


def _whole(value: object) -> int:
    if isinstance(value, str):
        remedy = "Write it without quotes." if as_whole(value) is not None and not value.startswith("0") else ""
        raise QuantityError("", _said(value), WHOLE, remedy)
    return _whole_text(value)


def _whole_text(value: object) -> int:
    number = as_whole(value)
    if number is None:
        raise QuantityError("", _said(value, bare=True), asked_for(value, WHOLE))
    return number


def _real(value: object) -> float:
    if isinstance(value, str):
        remedy = "Write it without quotes." if as_real(value) is not None else ""
        raise QuantityError("", _said(value), REAL, remedy)
    return _real_text(value)


def _real_text(value: object) -> float:
    number = as_real(value)
    if number is None:
        raise QuantityError("", _said(value, bare=True), asked_for(value, REAL))
    return number


def _size(value: float) -> float:
    if value and not SMALLEST <= abs(value) <= LARGEST:
        raise QuantityError("", f"{value:g}", f"0 or a number from {SMALLEST:g} to {LARGEST:g}")
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _WORDS.get(str(value).lower()) if isinstance(value, str) else None
    raise QuantityError("", _said(value), "true or false", f"Write {word}." if word else "")


_WORDS = {"yes": "true", "on": "true", "y": "true", "true": "true",
          "no": "false", "off": "false", "n": "false", "false": "false"}  # fmt: skip


def _flag_text(value: object) -> bool:
    flag = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(str(value).lower())
    if flag is None:
        raise QuantityError("", _said(value), "yes or no")
    return flag


def _said(value: object, *, bare: bool = False) -> str:
    """Return a value for a message: text in quotes, with `bare` only if it is no number."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return value if bare and of_float(value) is not None else f"'{shortened(value, 60)}'"
    if isinstance(value, float) and math.isinf(value):
        return "inf, or a number beyond 1.8e308"
    return _json(value) if isinstance(value, bool) else written(value)


def _not_empty(values: Any) -> Any:
    if not values:
        raise QuantityError("", "nothing in it", "at least one entry")
    return values


def _name(value: object) -> object:
    if isinstance(value, Spelt):
        return value.text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(_name)]
"""Text of a document that may look like a number: ``vc: 103959``, ``vc: 6214e9``."""
Whole = Annotated[int, BeforeValidator(_whole)]
"""Whole number of a document."""
Real = Annotated[float, BeforeValidator(_real)]
"""Finite number of a document."""
Measure = Annotated[float, BeforeValidator(_real), AfterValidator(_size)]
"""Number of a document that arithmetic is done with: 0, or of a size that products of several keep finite."""
Flag = Annotated[bool, BeforeValidator(_flag)]
"""``true`` or ``false`` of a document."""
WholeText = Annotated[int, BeforeValidator(_whole_text)]
"""Whole number of a table, whose values are text."""
RealText = Annotated[float, BeforeValidator(_real_text)]
"""Finite number of a table."""
FlagText = Annotated[bool, BeforeValidator(_flag_text)]
"""``yes`` or ``no`` of a table, also ``true``, ``false``, ``1`` and ``0``."""
NotEmpty = AfterValidator(_not_empty)
"""For a list or a mapping that holds at least one entry."""
Time = Annotated[float, BeforeValidator(_quantity("time", "500 ns"))]
"""Time [s]."""
Bytes = Annotated[float, BeforeValidator(_quantity("bytes", "2 B"))]
"""Size [B]."""
Bandwidth = Annotated[float, BeforeValidator(_quantity("bandwidth", "300 GB/s"))]
"""Bandwidth [B/s]."""
Rate = Annotated[float, BeforeValidator(_quantity("rate", "60 TFLOP/s"))]
"""Speed of compute [FLOP/s]."""
Frequency = Annotated[float, BeforeValidator(_quantity("frequency", "1530 MHz"))]
"""Speed of a clock [Hz]."""
Power = Annotated[float, BeforeValidator(_quantity("power", "250 W"))]
"""Power [W]."""
Price = Annotated[float, BeforeValidator(_price)]
"""Price of bandwidth [$ s/B], written as dollars per GB/s."""

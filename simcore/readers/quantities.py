"""Pydantic field types for data files: numbers that must carry a unit, parsed by `simcore.units`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from simcore.errors import InputError
from simcore.units import parse

_PRICE = re.compile(r"\s*\$\s*(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s+per\s+(\S+)\s*\Z")


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
            found = f"{json.dumps(value, default=str)} without a unit"
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
        found = json.dumps(value, default=str)
        raise QuantityError("", found, "dollars per bandwidth, such as $7.8 per GB/s", "Write it like $7.8 per GB/s.")
    try:
        return float(Decimal(match[1]) / Decimal(parse(f"1 {match[2]}", "bandwidth", "")))
    except InputError as error:
        raise QuantityError(*error.args) from None


def _not_empty(values: Any) -> Any:
    if not values:
        raise QuantityError("", "nothing in it", "at least one entry")
    return values


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
Price = Annotated[float, BeforeValidator(_price)]
"""Price of bandwidth [$ s/B], written as dollars per GB/s."""

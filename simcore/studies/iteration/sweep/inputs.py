"""What ``--sweep`` says: one numeric field of a training iteration, and its values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from simcore.errors import InputError, field, unknown_name
from simcore.numerals import as_real, as_whole
from simcore.studies.inputs import bandwidth
from simcore.studies.iteration.request import IterationRequest
from simcore.studies.iteration.sweep.request import SweepRequest
from simcore.studies.request import descriptions, hints

MOST_VALUES = 64
"""Values of a sweep at most."""
NIC = "nic"
_UNCHANGED = ("chunks", "tokens")
"""Numeric fields that change nothing in the time of an iteration in closed form."""
_NUMERIC = re.compile(r"(int|float)( \| (int|float|str|None))*\Z")


@dataclass(frozen=True)
class Swept:
    """A field and the values that it takes.

    Attributes
    ----------
    name : str
        Of the field.
    values : tuple of int, float or str
        As a request takes them.
    shown : tuple of str
        As a reader sees them.
    """

    name: str
    values: tuple[Any, ...]
    shown: tuple[str, ...]


def numeric_fields() -> tuple[str, ...]:
    """Return the fields of a training iteration that a sweep takes, in the order of the request.

    Examples
    --------
    >>> [name for name in numeric_fields() if name in ("nic", "gpus", "tp", "micro_batch", "model")]
    ['tp', 'micro_batch', 'gpus', 'nic']
    """
    types = hints(IterationRequest)
    return tuple(
        name for name in descriptions(IterationRequest) if _NUMERIC.match(types[name]) and name not in _UNCHANGED
    )


def swept(request: SweepRequest) -> Swept:
    """Return the field and the values that a request sweeps.

    Raises
    ------
    InputError
        If the field is not known or not numeric, is given beside the sweep, or a value is wrong or comes twice.

    Examples
    --------
    >>> swept(SweepRequest("llama-2-7b", sweep="micro-batch=1,2")).values
    (1, 2)
    >>> swept(SweepRequest("llama-2-7b", sweep="nik=25,50"))
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: sweep: found 'nik', expected one of tp, cp, pp, ...
    """
    place = field("sweep")
    name, equals, text = str(request.sweep).partition("=")
    known = {each.replace("_", "-"): each for each in numeric_fields()}
    wanted = name.strip().lower().removeprefix("--").replace("_", "-")
    if not equals:
        example = f"Write {place} nic=25,50,100,200."
        raise InputError(place, f"'{request.sweep}'", "a field, = and its values with commas", example)
    if wanted not in known:
        raise unknown_name(place, name.strip(), known)
    field_name = known[wanted]
    if getattr(request, field_name) is not None:
        found = f"{field(field_name)} {getattr(request, field_name)} beside it"
        raise InputError(place, found, "one of the two", f"Leave {field(field_name)} out.")
    return _values(field_name, text)


def _values(name: str, text: str) -> Swept:
    place, words = field("sweep"), [word.strip() for word in text.split(",")]
    values = [_value(name, word) for word in words]
    if not 2 <= len(values) <= MOST_VALUES:
        raise InputError(place, f"{len(values)} values", f"2 to {MOST_VALUES} values with commas")
    if len(set(values)) < len(values):
        twice = next(word for word, value in zip(words, values, strict=True) if values.count(value) > 1)
        raise InputError(place, f"{twice} twice", "each value once", "Leave one of them out.")
    shown = [f"{value / 1e9:g} GB/s" if name == NIC else f"{value:,}" for value in values]
    return Swept(name, tuple(values), tuple(shown))


def _value(name: str, word: str) -> Any:
    """Return one value as the request's field takes it."""
    place = f"{field('sweep')} {name.replace('_', '-')}"
    if name == NIC:
        return bandwidth(word, place, least="above 0")
    whole = hints(IterationRequest)[name].startswith("int")
    number = as_whole(word) if whole else as_real(word)
    if number is None or not math.isfinite(number):
        raise InputError(place, f"'{word}'", "a whole number" if whole else "a number")
    least = descriptions(IterationRequest)[name].least
    if least is not None and number < least:
        raise InputError(place, word, f"a whole number of at least {least}")
    return number

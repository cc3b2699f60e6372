"""Degrees of parallelism as a text: ``tp=8``, ``pp=2,tp=4``, ``zero3`` or ``dp``."""

from __future__ import annotations

import re

from simcore.errors import InputError, field

_DEGREE = re.compile(r"(tp|pp|cp|ep|dp)=([1-9][0-9]*)\Z")
_ZERO = re.compile(r"zero([0-3])\Z")


def degrees_of(text: str, place: str = field("parallel")) -> dict[str, int]:
    """Return the degrees of parallelism, and the stage of ZeRO, that a text gives.

    Raises
    ------
    InputError
        If the text names anything else, or one twice.

    Examples
    --------
    >>> degrees_of("pp=2,tp=4"), degrees_of("fsdp"), degrees_of("dp")
    ({'pp': 2, 'tp': 4}, {'zero': 3}, {})
    """
    found: dict[str, int] = {}
    for word in filter(None, (each.strip().lower() for each in text.split(","))):
        degree, zero = _DEGREE.match(word), _ZERO.match("zero3" if word == "fsdp" else word)
        if word == "dp":
            continue
        name, value = (degree[1], degree[2]) if degree else ("zero", zero[1]) if zero else ("", "")
        if not name or name in found:
            expected = "degrees such as tp=8 or pp=2,tp=4, zero1 to zero3, or dp, each once"
            raise InputError(place, f"'{word}'", expected)
        found[name] = int(value)
    return found

"""How numbers are written: one rule for every file and for the command line.

A whole number is ASCII digits, at most 18 of them, or a decimal that is whole, such as ``1e9``. Any other number is
decimal, finite, and 0 or large enough that a float keeps all its digits. Python's own ``int`` and ``float`` read more:
``1_000``, the digits of other scripts, ``nan``. A boolean is no number.
"""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal

from simcore.errors import InputError, shortened

MOST_DIGITS = 18
"""Digits of a whole number: it fits the arrays and the clocks of all simulators."""
WHOLE = "a whole number"
REAL = "a number"

_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_SHOWN = 60
_LEAST, _MOST = sys.float_info.min, sys.float_info.max
_ENDLESS = {"inf", "infinity", "nan"}


class Spelt(float):
    """A number of a document that keeps its spelling, for a field that takes it as a name: ``vc: 6214e9``.

    Examples
    --------
    >>> Spelt("6214e9") == 6.214e12, Spelt("6214e9").text
    (True, '6214e9')
    """

    text: str

    def __new__(cls, text: str) -> Spelt:
        """Keep the text beside the number."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def as_whole(value: object) -> int | None:
    """Return a whole number that a file holds, as a number or as text; None for anything else.

    Examples
    --------
    >>> as_whole("1e9"), as_whole(8.0), as_whole("-1"), as_whole(10**17)
    (1000000000, 8, -1, 100000000000000000)
    >>> as_whole("1_000"), as_whole("²"), as_whole("9" * 19), as_whole(0.5), as_whole(True)
    (None, None, None, None, None)
    """
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS:  # nearly all, and a trace has millions
            return int(value)
        return _of_decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 10**MOST_DIGITS and value == int(value) else None


def _of_decimal(text: str) -> int | None:
    exact = Decimal(text) if _DECIMAL.fullmatch(text) else None
    if exact is None or exact.adjusted() >= MOST_DIGITS:  # before all digits are written out
        return None
    return int(exact) if exact == exact.to_integral_value() else None


def as_real(value: object) -> float | None:
    """Return a finite number that a file holds, as a number or as text; None for anything else.

    Examples
    --------
    >>> as_real("2.5e3"), as_real(7), as_real("0")
    (2500.0, 7.0, 0.0)
    >>> as_real("1e400"), as_real("1e-320"), as_real("1e-400"), as_real("nan"), as_real("1_0"), as_real(False)
    (None, None, None, None, None, None)
    """
    if isinstance(value, str):
        number = float(value) if _DECIMAL.fullmatch(value) else math.nan
        if number == 0:
            number = float(read_number(value))  # which tells 0 from what is too close to it
    elif isinstance(value, int) and not isinstance(value, bool):
        number = float(value) if abs(value) < 10**MOST_DIGITS else math.inf
    else:
        number = value if isinstance(value, float) else math.nan
    return number if number == 0 or _LEAST <= abs(number) <= _MOST else None


def read_number(text: str) -> int | float:
    """Return the number that a JSON or YAML document holds, which its field then takes or refuses.

    One that no field takes stays recognisable: digits beyond 18 become a float, what is beyond a float is infinite, and
    what is too close to 0 is a float that has lost digits, never 0.

    Examples
    --------
    >>> read_number("12"), read_number("9" * 19), read_number("1e400"), read_number("1e-400")
    (12, 1e+19, inf, 5e-324)
    """
    if text.lstrip("+-").isdigit() and len(text.lstrip("+-")) <= MOST_DIGITS:
        return int(text)
    number = float(text)
    if number == 0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        return math.copysign(math.ulp(0.0), -1.0 if text.startswith("-") else 1.0)
    return number


def of_float(text: str) -> float | None:
    """Return the number of a text for a check that refuses what is not finite in words of its own; None for no number.

    Examples
    --------
    >>> of_float("0.5"), of_float("1e400"), of_float("nan"), of_float("1_0")
    (0.5, inf, nan, None)
    """
    if text.lower().lstrip("+-") in _ENDLESS:
        return float(text)
    return float(read_number(text)) if _DECIMAL.fullmatch(text) else None


def parse_whole(text: str, place: str, expected: str = WHOLE, remedy: str = "") -> int:
    """Return the whole number that a text is.

    Parameters
    ----------
    text : str
        For example ``64`` or ``1e9``.
    place : str
        Where it stands, for the message.
    expected, remedy : str
        What the message asks for.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> parse_whole("64", "--tp")
    64
    >>> parse_whole("6_4", "--tp")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: --tp: found '6_4', expected a whole number.
    """
    number = as_whole(text)
    if number is None:
        raise InputError(place, f"'{shortened(text, _SHOWN)}'", asked_for(text, expected), remedy)
    return number


def parse_real(text: str, place: str, expected: str = REAL, remedy: str = "") -> float:
    """Return the finite number that a text is; parameters and errors are those of `parse_whole`.

    Examples
    --------
    >>> parse_real("2.5e3", "--scale")
    2500.0
    """
    number = as_real(text)
    if number is None:
        raise InputError(place, f"'{shortened(text, _SHOWN)}'", asked_for(text, expected), remedy)
    return number


def asked_for(value: object, expected: str) -> str:
    """Return what a message expects in place of a value: of a number that is out of bounds, the bound too.

    Examples
    --------
    >>> asked_for("x", "a whole number"), asked_for("9" * 19, "a whole number of at least 1")
    ('a whole number', 'a whole number of at most 18 digits, of at least 1')
    >>> asked_for("1e400", "a number"), asked_for("1e-320", "a number above 0")
    ('a finite number', 'a number of at least 2.2e-308, or 0, above 0')
    """
    if isinstance(value, str):
        value = of_float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return expected
    if expected.startswith(WHOLE) and abs(value) >= 10**MOST_DIGITS:
        return _joined(f"{WHOLE} of at most {MOST_DIGITS} digits", expected.removeprefix(WHOLE))
    if expected.startswith(REAL) and as_real(value) is None and abs(value) < 1:
        return _joined(f"{REAL} of at least 2.2e-308, or 0", expected.removeprefix(REAL))
    if expected.startswith(REAL) and as_real(value) is None:
        return f"a finite number{expected.removeprefix(REAL)}"
    return expected


def _joined(limit: str, rest: str) -> str:
    return f"{limit},{rest}" if rest else limit

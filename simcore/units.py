"""Quantities with units: the only place that knows prefixes.

Inside simcore everything is SI: seconds, bytes, FLOP, B/s, FLOP/s. ``G`` is 1e9 and ``Gi`` is 2**30, for bandwidth as
for sizes. Text is parsed with `decimal.Decimal`, because ``float("5") * 1e-6`` is 4.9999999999999996e-06.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from simcore.errors import InputError, did_you_mean
from simcore.numerals import as_real

_DECIMAL = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}

_TIME = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
}


def _with_prefixes(unit: str) -> dict[str, Decimal]:
    table = {prefix + unit: Decimal(10) ** power for prefix, power in _DECIMAL.items()}
    table.update({prefix + unit: Decimal(2) ** power for prefix, power in _BINARY.items()})
    return table


_UNITS: dict[str, dict[str, Decimal]] = {
    "time": _TIME,
    "bytes": _with_prefixes("B"),
    "bandwidth": _with_prefixes("B/s"),
    "rate": _with_prefixes("FLOP/s"),
    "work": _with_prefixes("FLOP"),
    "frequency": _with_prefixes("Hz"),
    "power": _with_prefixes("W"),
}
_EXAMPLE = {"time": "500 ns", "bytes": "1 GiB", "bandwidth": "325 GB/s", "rate": "66 TFLOP/s", "work": "2 GFLOP",
            "frequency": "1530 MHz", "power": "250 W"}  # fmt: skip
_PLAIN = {"time": "s", "bytes": "B", "bandwidth": "B/s", "rate": "FLOP/s", "work": "FLOP", "frequency": "Hz",
          "power": "W"}  # fmt: skip
_BITS = re.compile(r"([kKMGT]?)(?:[bB]its?|bp?)(?:/?s)?\Z")
_QUANTITY = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([^\s\d]\S*)?\s*\Z")
LEAST_BANDWIDTH = 1e6
"""No link of today is as slow [B/s]: less is a slip of the unit, such as GB/s that were taken for B/s."""
SMALLEST, LARGEST = 1e-30, 1e30
"""Size of a quantity in its SI unit, where it is not 0: far beyond all machines, and products of several are finite."""


def bits_remedy(text: str, kind: str = "bandwidth") -> str:
    """Say what an amount of bits is in bytes, or in bytes per second; nothing of other text.

    Examples
    --------
    >>> bits_remedy("400 Gbit/s"), bits_remedy("400Gbps") == bits_remedy("400Gbit")
    ('Bandwidth is counted in bytes: divided by 8 it is 50 GB/s.', True)
    >>> bits_remedy("8 Mb", "bytes"), bits_remedy("400 GB/s")
    ('Sizes are counted in bytes: divided by 8 it is 1 MB.', '')
    """
    match = _QUANTITY.match(text)
    bits = _BITS.match(match[2] or "") if match else None
    if match is None or bits is None:
        return ""
    what, per = ("Bandwidth is", "/s") if kind == "bandwidth" else ("Sizes are", "")
    return f"{what} counted in bytes: divided by 8 it is {float(match[1]) / 8:g} {bits[1]}B{per}."


def parse(text: str, kind: str, place: str) -> float:
    """Parse a quantity with its unit into SI.

    Parameters
    ----------
    text : str
        For example ``325 GB/s`` or ``1GiB``; the blank is optional.
    kind : {'time', 'bytes', 'bandwidth', 'rate', 'work', 'frequency', 'power'}
        What is expected, giving [s], [B], [B/s], [FLOP/s], [FLOP], [Hz] or [W].
    place : str
        Where the text stands, for the error message.

    Returns
    -------
    float
        The value in the SI unit.

    Raises
    ------
    InputError
        If the text is not a number with a unit of this kind, or beyond `SMALLEST` and `LARGEST`, or a bandwidth above 0
        is below `LEAST_BANDWIDTH`. A bare number is an error.

    Examples
    --------
    >>> parse("325 GB/s", "bandwidth", "--budget")
    325000000000.0
    >>> parse("5us", "time", "latency")
    5e-06
    >>> parse("1GiB", "bytes", "SIZE")
    1073741824.0
    """
    units = _UNITS[kind]
    expected = f"a {'size in bytes' if kind == 'bytes' else kind} with its unit, such as {_EXAMPLE[kind]}"
    match = _QUANTITY.match(text)
    if match is None:
        raise InputError(place, f"'{text}'", expected)
    number, unit = match.groups()
    if unit is None:
        remedy = f"Add the unit: '{number} {_EXAMPLE[kind].split()[1]}' or '{number} {_PLAIN[kind]}'."
        raise InputError(place, f"'{text}' without a unit", expected, remedy)
    if unit not in units:
        bits = bits_remedy(text, kind) if kind in ("bandwidth", "bytes") else ""
        raise InputError(place, f"unit '{unit}'", expected, bits or did_you_mean(unit, units))
    exact = _exact(number)
    value = float(exact * units[unit]) if exact is not None else math.inf
    if value and not SMALLEST <= abs(value) <= LARGEST:
        bounds = f"0 or from {SMALLEST:g} to {LARGEST:g} {_PLAIN[kind]}"
        raise InputError(place, f"'{text}'", f"{expected}: {bounds}")
    if kind == "bandwidth" and 0 < value < LEAST_BANDWIDTH:
        raise InputError(place, f"'{text}'", f"{expected}: 0, or at least {format_si(LEAST_BANDWIDTH, 'B/s')}")
    return value


def _exact(number: str) -> Decimal | None:
    """Return a number with all its digits; None for one that no quantity has."""
    held = as_real(number)
    return None if held is None else Decimal(number)


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """Write a value with the decimal prefix that keeps it between 1 and 1000.

    Examples
    --------
    >>> format_si(3.25e11, "B/s")
    '325 GB/s'
    >>> format_si(0.2301607, "s")
    '230.2 ms'
    >>> format_si(0, "s")
    '0 s'
    """
    scales = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u")]
    if unit == "s":
        scales = scales[5:]
    if value == 0:
        return f"0 {unit}"
    for scale, prefix in scales:
        if abs(value) >= scale * 0.9999999:
            return f"{value / scale:.{digits}g} {prefix}{unit}"
    return f"{value / 1e-9:.{digits}g} n{unit}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> counted(1, "chunk"), counted(0, "chunk"), counted(2048, "chunk")
    ('1 chunk', '0 chunks', '2,048 chunks')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def times_as_long(ratio: float) -> str:
    """Write a ratio of two times; one that two decimals do not show gets two digits.

    Examples
    --------
    >>> times_as_long(13.03), times_as_long(0.13), times_as_long(0.00055)
    ('13.03x', '0.13x', '0.00055x')
    """
    return f"{ratio:.2f}x" if ratio >= 0.1 or not ratio else f"{ratio:.2g}x"

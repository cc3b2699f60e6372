"""Lists of places as people write them: ``0-15`` or ``0,4,8-11``."""

from __future__ import annotations

import re
from collections.abc import Callable

from simcore.errors import InputError
from simcore.numerals import parse_whole

_PART = re.compile(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?\Z")
MOST = 2**17
"""Places that are written out: it takes a second to see what box they fill."""


def listed(text: str, place: str, check: Callable[[int], None], what: str = "ranks") -> list[int]:
    """Return the numbers of a list of numbers and ranges, in its order.

    Parameters
    ----------
    text : str
        For example ``0,4,8-11``.
    place : str
        What gave it, for messages.
    check : callable
        Raises for the last number of a part that is too large; asked before a range is written out.
    what : str
        What the numbers are, in the plural.

    Raises
    ------
    InputError
        If a part is no number and no range, a range goes downwards, or there are more than `MOST`.

    Examples
    --------
    >>> listed("0,4,8-11", "--group", lambda last: None)
    [0, 4, 8, 9, 10, 11]
    """
    example = f"{what} such as 0-15 or 0,4,8-11"
    members: list[int] = []
    for part in text.split(","):
        match = _PART.match(part)
        if match is None:
            raise InputError(place, f"'{part}'", example)
        first, last = (parse_whole(number, place, example) for number in (match[1], match[2] or match[1]))
        if last < first:
            raise InputError(place, f"'{part}'", example, f"Write {last}-{first}.")
        check(last)
        if len(members) + last - first >= MOST:
            remedy = f"Leave {place} out for all NPUs, or choose a smaller network."
            raise InputError(place, f"more than {MOST:,} {what}", f"{MOST:,} at most", remedy)
        members.extend(range(first, last + 1))
    return members

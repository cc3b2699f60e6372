"""What is piped in, in place of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simcore.cli.completion import takes_file
from simcore.errors import InputError, field

if TYPE_CHECKING:
    from simcore.studies.request import Description


@contextmanager
def standard_input(fields: Mapping[str, Description], given: Mapping[str, Any]) -> Iterator[None]:
    """Let ``-`` be what is piped in, for the one field that takes a file and is given so."""
    from simcore.files import STANDARD_INPUT, piped

    asking = [
        name
        for name, value in given.items()
        for each in (value if isinstance(value, tuple) else (value,))
        if each == STANDARD_INPUT and name in fields and takes_file(name, fields[name])
    ]
    if not asking:
        yield
        return
    if len(asking) > 1:
        found, remedy = "'-' a second time", "Give one of them as a file."
        raise InputError(field(asking[1]), found, "standard input for one file of a command", remedy)
    if sys.stdin is None:
        raise InputError(field(asking[0]), "'-', but standard input is closed", "a file, or something piped in")
    with piped(sys.stdin.buffer.read()):
        yield

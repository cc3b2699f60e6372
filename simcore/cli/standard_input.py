"""What is piped in, in place of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, field

if TYPE_CHECKING:
    from simcore.studies.request import Request


@contextmanager
def standard_input(request: type[Request], given: Mapping[str, Any]) -> Iterator[None]:
    """Let ``-`` be what is piped in, for the one field that takes a file and is given so.

    Parameters
    ----------
    request : type of Request
        Says which fields may be the path of a file that is read, and which of one that is written.
    given : mapping
        What the command line gives, by field.

    Raises
    ------
    InputError
        If two fields are given so, or one that is written, or standard input is closed.
    """
    from simcore.piping import STANDARD_INPUT, piped
    from simcore.studies.request import descriptions, file_fields

    for name, each in descriptions(request).items():
        if each.written:
            check_written(given.get(name), field(name))
    reading = file_fields(request)
    asking = [
        name
        for name, value in given.items()
        for each in (value if isinstance(value, tuple) else (value,))
        if name in reading and each == STANDARD_INPUT
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


def check_written(path: object, option: str) -> None:
    """Refuse ``-`` where a file is written: it would be a file of that name, which no command reads.

    Parameters
    ----------
    path : object
        What an option gives.
    option : str
        Its name, for the message.

    Raises
    ------
    InputError
        If it is ``-``.
    """
    from simcore.piping import STANDARD_INPUT

    if str(path) == STANDARD_INPUT:
        remedy = "Name one; /dev/stdout is standard output."
        raise InputError(option, "'-', which is standard input", "a path that can be written", remedy)

"""What is piped into a command: the path ``-`` is a file that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from simcore.outputs import is_there

STANDARD_INPUT = "-"
"""The path by which commands mean what is piped into them."""
_PIPED: ContextVar[bytes | None] = ContextVar("piped", default=None)


@contextmanager
def piped(data: bytes) -> Iterator[None]:
    """Let the path ``-`` be a file of these bytes in the block, which may be read more than once.

    Examples
    --------
    >>> from simcore.files import read_bytes
    >>> with piped(b"dimensions: []"):
    ...     is_input(Path("-")), read_bytes(Path("-"), "network")
    (True, b'dimensions: []')
    """
    token = _PIPED.set(data)
    try:
        yield
    finally:
        _PIPED.reset(token)


def what_is_piped() -> bytes | None:
    """Return what the path ``-`` is in the block of `piped` at hand; None outside of one."""
    return _PIPED.get()


def piped_as(path: Path) -> bytes | None:
    """Return what is piped in, where a path means that; None for a path of its own."""
    return _PIPED.get() if str(path) == STANDARD_INPUT else None


def is_input(path: Path) -> bool:
    """Tell whether an input is there: something with this path, or what is piped in."""
    return piped_as(path) is not None or is_there(path)


def is_input_file(path: Path) -> bool:
    """Tell whether an input is a file, no folder: one with this path, or what is piped in."""
    return piped_as(path) is not None or path.is_file()

"""The file that a calibration from a table makes: a result that is made again finds its own file."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import field
from simcore.outputs import check_file, is_there, write_atomic


def write_anew(path: Path, text: str, *, force: bool, own: str) -> None:
    """Write a file; one that is there is replaced with `force` alone, and may be there if it holds the same.

    `own` says what is written, of `simcore.outputs.MARKS`: another's file stays.

    Raises
    ------
    InputError
        If another file is there and `force` is false, or the place cannot be written.
    """
    if is_there(path) and path.is_file() and path.read_bytes() == text.encode():
        return
    check_file(path, option=field("output"), force=force, own=own)
    write_atomic(path, text)

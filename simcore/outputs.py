"""Writing whole or not at all: files and directories that appear under their name only when they are complete.

What simcore did not write it does not delete: a directory of results lists its files with their hashes, and only those
that are still as they were written are replaced. A file alone is replaced where it bears the mark of what simcore would
write there. Folders above an output are not made.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from simcore.errors import InputError, RunError, SimcoreError

LISTING = "simcore-files.sha256"
"""The file in a directory of results that lists the others, as ``sha256sum --check`` reads it."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""The system's refusals for which a path is as good as any other: no room, or a device that fails."""


def is_there(path: Path) -> bool:
    """Tell whether something has this path; False as well where the system cannot even look for it.

    `Path.exists` raises where a name is too long or a folder may not be searched.
    """
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


@contextmanager
def atomic_directory(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a scratch directory whose files become those of `path` when the block ends without an error.

    Of a block that fails nothing is left. In a directory that is there, the files that simcore wrote are replaced, and
    come back if that fails; all others stay.

    Raises
    ------
    InputError
        If `path` exists and `force` is false, holds what must stay, or its place cannot be written.
    RunError
        If the disk is full.
    """
    check_output(path, force=force)
    there = is_there(path)
    with writing(path, "directory"):
        # beside it, or in it: renaming works within a file system only
        scratch = Path(tempfile.mkdtemp(prefix=".simcore-", dir=path if there else path.absolute().parent))
        try:
            new = scratch / "new"
            new.mkdir()
            yield new
            (new / LISTING).write_text(_listed(new), encoding="utf-8")
            if there:
                _replace(path, new, scratch)
            else:
                new.rename(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _listed(folder: Path) -> str:
    """Return the names of a directory's files, each behind its hash."""
    return "".join(f"{_hash(each)}  {each.name}\n" for each in sorted(folder.iterdir()))


def listing_of(files: Mapping[str, str]) -> str:
    """Return the text of `LISTING` for files by name, whose texts are given.

    Examples
    --------
    >>> listing_of({"a.txt": ""}).split()[1]
    'a.txt'
    """
    return "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(files.items()))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _replace(path: Path, new: Path, scratch: Path) -> None:
    """Put new files where those lie that simcore wrote before; all come back where one cannot be put."""
    old, own = scratch / "old", [name for name in _written(path) if is_there(path / name)]
    old.mkdir()
    for each in new.iterdir():
        if each.name not in own and is_there(path / each.name):
            raise _foreign(path / each.name, "a file that simcore did not write")
    moves = [(path / name, old / name) for name in own]
    moves += [(each, path / each.name) for each in sorted(new.iterdir())]
    try:
        for source, target in moves:
            source.rename(target)
    except BaseException:
        for source, target in reversed(moves):
            if is_there(target) and not is_there(source):
                target.rename(source)
        raise


def _foreign(path: Path, found: str) -> InputError:
    return InputError(str(path), found, "a file that may be replaced", "Move it away, or choose another directory.")


def _written(path: Path) -> Mapping[str, str]:
    """Return the files that simcore wrote into a directory, their list among them: hash by name; none without a list.

    A name with a folder in it is none that simcore writes.
    """
    listing = path / LISTING
    try:
        text = listing.read_text(encoding="utf-8") if listing.is_file() else ""
    except UnicodeDecodeError:
        text = ""
    pairs = [line.split("  ", 1) for line in text.splitlines()]
    names = {pair[1]: pair[0] for pair in pairs if len(pair) == 2 and Path(pair[1]).name == pair[1]}
    return names | {LISTING: hashlib.sha256(text.encode()).hexdigest()} if names else {}


def check_output(path: Path, *, force: bool = False, option: str = "") -> None:
    """Refuse an output directory that exists or cannot be made, before any work is done for it.

    Parameters
    ----------
    path : Path
        The directory.
    force : bool
        Whether simcore's own files in an existing directory are to be replaced.
    option : str
        The option that gave the path, for messages.

    Raises
    ------
    InputError
        If it exists and `force` is false, is a file or a directory that simcore did not write, holds a file of
        simcore's that was changed since, or lies where nothing can be written.
    """
    place = _place(path, option)
    if is_there(path):
        if not force:
            remedy = "Choose another, or add --force to replace what simcore wrote there."
            raise InputError(place, "a path that exists", "a new directory", remedy)
        if not path.is_dir():
            raise InputError(place, "a file", "a directory", "Choose another path.")
        _check_own(path, place)
    _check_place(path, place, "directory")


def first_changed(path: Path) -> Path | None:
    """Return a file of a directory of results that is not as simcore wrote it; None for none. One may be gone."""
    for name, wanted in _written(path).items():
        each = path / name
        if is_there(each) and (each.is_symlink() or not each.is_file() or _hash(each) != wanted):
            return each
    return None


def _check_own(path: Path, place: str) -> None:
    """Refuse a directory that simcore did not write, or whose files were changed since."""
    with writing(place, "directory"):
        own, empty = _written(path), next(path.iterdir(), None) is None
        if not own and not empty:
            found = f"a directory that simcore did not write: it has no {LISTING}"
            raise InputError(place, found, "a new directory, or one of results", "Choose another path.")
        changed = first_changed(path)
        if changed is not None:
            raise _foreign(changed, "a file that was changed since simcore wrote it")


def check_file(path: Path, *, option: str = "", force: bool = True, own: str = "") -> None:
    """Refuse a path that no file can be written to, before any work is done for it.

    Parameters
    ----------
    path : Path
        The file.
    option : str
        The option that gave the path, for messages.
    force : bool
        Whether an existing file is to be replaced.
    own : str, optional
        What simcore writes there, of `MARKS`; without it any file may be replaced.

    Raises
    ------
    InputError
        If it is a directory, lies where nothing can be written, exists and `force` is false, or is another's.
    """
    place = _place(path, option)
    if path.name in {"", ".", ".."} or (is_there(path) and path.is_dir()):
        raise InputError(place, "a directory", "the path of a file", "Add a file name.")
    if is_device(path):
        return
    if is_there(path) and not force:
        raise InputError(place, "a file that exists", "a new file", "Choose another, or add --force to replace it.")
    if own:
        check_own(path, own, option=option)
    _check_place(path, place, "file")


MARKS: Mapping[str, re.Pattern[bytes]] = {
    "captured model": re.compile(rb"\Adescription: '?captured of "),
    "cells": re.compile(rb"\Aparallel,kernels,batch,ratio,samples_per_s\r?\n"),
    "checkpoint": re.compile(rb"\Asimcore elastic checkpoint "),
    "collectives": re.compile(rb'"collectives of [^"\n]* fitted to \d+ rows"'),
    "figure": re.compile(rb"Software\0simcore|/Creator \(simcore\)|<dc:title>simcore</dc:title>"),
    "profile": re.compile(rb'\A\{\n  "schema": \d+,\n  "name": '),
    "step times": re.compile(rb"^# Source: simcore rates, ", re.MULTILINE),
    "timeline": re.compile(rb'\A\{"displayTimeUnit"'),
    "timeline table": re.compile(rb"\Atrack,name,start_s,end_s"),
    "trace": re.compile(rb"\A# Source: simcore workload synthesise, "),
}
"""What tells a file that simcore wrote from another's, by kind; it stands in the first or the last 64 KiB."""
_END = 1 << 16


def check_own(path: Path, own: str, *, option: str = "") -> None:
    """Refuse to replace a file without the mark of what simcore would write there; an empty one holds nothing.

    Parameters
    ----------
    path : Path
        The file.
    own : str
        What simcore writes there, of `MARKS`.
    option : str
        The option that gave the path, for messages.

    Raises
    ------
    InputError
        If it is another's.
    """
    if not path.exists() or is_device(path):
        return
    with writing(path, "file"), path.open("rb") as stream:
        start = stream.read(_END)
        stream.seek(max(0, path.stat().st_size - _END))
        end = stream.read()
    if start and not any(map(MARKS[own].search, (start, end))):
        found, expected = "a file that simcore did not write", "a file that may be replaced"
        raise InputError(_place(path, option), found, expected, "Move it away, or choose another path.")


def check_timeline(path: Path, *, force: bool = True, place: str = "timeline", table: bool = True) -> None:
    """Refuse a place where a timeline cannot be written, before any work is done for it.

    Parameters
    ----------
    path : Path
        Of the trace.
    force : bool
        Whether existing files are to be replaced.
    place : str
        What gave the path, for messages.
    table : bool
        Whether a CSV goes beside it.

    Raises
    ------
    InputError
        If the trace would have the name of the CSV, a file exists and `force` is false or it is no timeline, or nothing
        can be written.
    """
    table = table and not is_device(path)
    beside = path.with_suffix(".csv") if table and path.name not in {"", ".", ".."} else path
    if table and path == beside and path.suffix == ".csv":
        expected = f"a name for the trace, such as '{path.with_suffix('.json')}'"
        raise InputError(place, f"'{path}'", expected, f"The same as CSV goes to '{beside}' beside it.")
    for each, own in ((path, "timeline"), *([(beside, "timeline table")] if beside != path else [])):
        check_file(each, option=place, force=force, own=own)


def is_device(path: Path) -> bool:
    """Tell whether a path is a device or a pipe, such as ``/dev/stdout``: it is written to, never replaced."""
    return is_there(path) and (path.absolute().parent == Path("/dev") or not (path.is_file() or path.is_symlink()))


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name and rename it, so that no reader ever sees half of it.

    Raises
    ------
    InputError
        If the place cannot be written.
    RunError
        If the disk is full.
    """
    check_file(path)
    data = data.encode() if isinstance(data, str) else data
    with writing(path, "file"):
        if is_device(path):
            path.write_bytes(data)
            return
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:60]}-", dir=path.absolute().parent)
        scratch = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            scratch.chmod(0o666 & ~_umask())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def _place(path: Path, option: str) -> str:
    return f"{option} {path}" if option else str(path)


def _check_place(path: Path, place: str, what: str) -> None:
    """Refuse a place where nothing can be written, or whose folder is not there."""
    parent = next(each for each in path.absolute().parents if is_there(each))
    if not parent.is_dir():
        found = f"a path under {parent}, which is a file"
        raise InputError(place, found, f"a {what} in a folder", "Choose another path.")
    try:
        os.lstat(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # a name too long, a character that no name may hold
        raise InputError(place, f"a path that cannot be used ({error})", f"the path of a {what}") from None
    if parent != path.absolute().parent:
        remedy = f"Make it first: mkdir -p '{path.parent}'."
        raise InputError(place, f"no folder '{path.parent}'", f"a {what} in a folder that is there", remedy)
    with writing(place, what), tempfile.TemporaryFile(dir=parent):  # asking for permissions does not tell everything
        pass


@contextmanager
def writing(place: Path | str, what: str) -> Iterator[None]:
    """Turn the system's refusals to write into one message, with the path that the user gave."""
    try:
        yield
    except OSError as error:
        raise refused(error, str(place), what) from None


def refused(error: OSError, place: str, what: str) -> SimcoreError:
    """Return the error for a refusal of the system to write: no room is a failure, all else a wrong path.

    Examples
    --------
    >>> print(refused(OSError(errno.ENOSPC, "No space left on device"), "results", "directory"))
    results: the system cannot write there (No space left on device). Make room, or name another place.
    >>> refused(OSError(errno.EACCES, "Permission denied"), "results", "directory").exit_code
    2
    """
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return RunError(f"{place}: the system cannot write there ({reason}). Make room, or name another place.")
    return InputError(place, f"a place that cannot be written ({reason})", f"a writable {what}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

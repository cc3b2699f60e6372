"""Writing whole or not at all: files and directories that appear under their name only when they are complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simcore.errors import InputError


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
    """Give a scratch directory that becomes `path` when the block ends without an error, and vanishes otherwise.

    The scratch lies in the nearest folder that exists, so that nothing at all is left of a block that fails. A
    directory that is replaced is moved aside first and comes back if the replacement fails.

    Raises
    ------
    InputError
        If `path` exists and `force` is false, or its place cannot be written.
    """
    check_output(path, force=force)
    with writing(path, "directory"):
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name[:60]}-", dir=_nearest(path)))
    retired = scratch.with_name(f"{scratch.name}-old")
    try:
        scratch.chmod(0o777 & ~_umask())
        yield scratch
        with writing(path, "directory"):
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_there(path):
                path.rename(retired)
            scratch.rename(path)
    finally:
        if is_there(retired):
            if not is_there(path):  # stopped between the two renames
                retired.rename(path)
            elif retired.is_symlink():
                retired.unlink()
            else:
                shutil.rmtree(retired, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)


def check_output(path: Path, *, force: bool = False, option: str = "") -> None:
    """Refuse an output directory that exists or cannot be made, before any work is done for it.

    Parameters
    ----------
    path : Path
        The directory.
    force : bool
        Whether an existing directory is to be replaced.
    option : str
        The option that gave the path, for messages.

    Raises
    ------
    InputError
        If it exists and `force` is false, is a file or a directory that must stay, or lies where
        nothing can be written.
    """
    place = _place(path, option)
    if is_there(path):
        if not force:
            remedy = "Choose another, or add --force to replace it."
            raise InputError(place, "a path that exists", "a new directory", remedy)
        if not path.is_dir():
            raise InputError(place, "a file", "a directory", "Choose another path.")
        kept = (Path.cwd(), Path(os.path.expanduser("~")))
        real = path.resolve()
        if path.is_mount() or any(real == k or real in k.parents for k in kept):
            found = "the working directory, the home directory, a mount point or a folder above one of them"
            raise InputError(place, found, "a directory that may be replaced whole", "Name a folder below it.")
    _check_place(path, place, "directory")


def check_file(path: Path, *, option: str = "", force: bool = True) -> None:
    """Refuse a path that no file can be written to, before any work is done for it.

    Parameters
    ----------
    path : Path
        The file.
    option : str
        The option that gave the path, for messages.
    force : bool
        Whether an existing file is to be replaced.

    Raises
    ------
    InputError
        If it is a directory, lies where nothing can be written, or exists and `force` is false.
    """
    place = _place(path, option)
    if path.name in {"", ".", ".."} or (is_there(path) and path.is_dir()):
        raise InputError(place, "a directory", "the path of a file", "Add a file name.")
    if is_there(path) and not force:
        raise InputError(place, "a file that exists", "a new file", "Choose another, or add --force to replace it.")
    _check_place(path, place, "file")


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name and rename it, so that no reader ever sees half of it.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    check_file(path)
    data = data.encode() if isinstance(data, str) else data
    with writing(path, "file"):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:60]}-", dir=_nearest(path))
    scratch = Path(name)
    try:
        with writing(path, "file"):
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            scratch.chmod(0o666 & ~_umask())
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _place(path: Path, option: str) -> str:
    return f"{option} {path}" if option else str(path)


def _nearest(path: Path) -> Path:
    """Return the nearest folder above a path that exists."""
    return next(parent for parent in path.absolute().parents if is_there(parent))


def _check_place(path: Path, place: str, what: str) -> None:
    """Refuse a place where nothing can be written; in a folder that is not there yet, its parents decide."""
    parent = _nearest(path)
    if not parent.is_dir():
        found = f"a path under {parent}, which is a file"
        raise InputError(place, found, f"a {what} in a folder", "Choose another path.")
    with writing(place, what), tempfile.TemporaryFile(dir=parent):  # asking for permissions does not tell everything
        pass
    try:
        os.lstat(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # a name too long, a character that no name may hold
        raise InputError(place, f"a path that cannot be used ({error})", f"the path of a {what}") from None


@contextmanager
def writing(place: Path | str, what: str) -> Iterator[None]:
    """Turn the system's refusals to write into one message."""
    try:
        yield
    except OSError as error:
        raise InputError(
            str(place), f"a place that cannot be written ({error.strerror})", f"a writable {what}"
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Parts that a user brings: an object in a Python file (``mine.py:MyPolicy``), or an entry point of a package."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from simcore.errors import InputError, by_name, unknown_name


def load(spec: str, group: str, known: Mapping[str, str], place: str) -> Any:
    """Return the object that a text names.

    Parameters
    ----------
    spec : str
        A name in any case, or ``FILE.py:NAME``: an object that a Python file defines.
    group : str
        Entry points of this group are names too; one that is in `known` as well is not looked at.
    known : mapping of str to str
        Names that come with simcore, to ``module:object``.
    place : str
        The argument that gave the text, for messages.

    Raises
    ------
    InputError
        If there is no such name, file or object, or if the file or the package fails when it is loaded.

    Examples
    --------
    >>> load("root", "simcore.nothing", {"root": "math:sqrt"}, "--function")(9.0)
    3.0
    """
    own = by_name(spec, known)
    if own is not None:
        module, _, name = known[own].partition(":")
        return getattr(import_module(module), name)
    file, colon, name = spec.rpartition(":")
    if colon and file.endswith(".py"):
        return _member(_module(Path(file), place), file, name, place)
    if spec.endswith(".py"):
        raise InputError(place, f"'{spec}', a file alone", "FILE.py:NAME", f"Write '{spec}:' and the name in it.")
    from importlib.metadata import entry_points  # which takes longer than all names of simcore's own

    others = {point.name: point for point in entry_points(group=group)}
    other = by_name(spec, others)
    if other is None:
        raise unknown_name(place, spec, [*known, *(each for each in others if each not in known)])
    try:
        return others[other].load()
    except Exception as error:
        found = f"'{other}' of {others[other].value}, which fails: {_said(error)}"
        raise InputError(place, found, "a package that can be imported") from error


def _module(path: Path, place: str) -> ModuleType:
    """Import a file, once; it keeps the name by which Python finds what is pickled or annotated in it."""
    if not os.path.isfile(path):  # False too for a name that no file can have
        raise InputError(place, f"'{path}', which is no file", "FILE.py:NAME", "Check the path.")
    resolved = path.resolve()
    name = f"{resolved.stem}_{sha256(str(resolved).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise InputError(place, f"'{path}'", "a Python file")
    sys.modules[name] = module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        from traceback import extract_tb

        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(resolved)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = "" if line is None else f" in line {line}"
        raise InputError(
            place, f"'{path}', which fails{where}: {_said(error)}", "a file that Python can run"
        ) from error
    return module


def _member(module: ModuleType, file: str, name: str, place: str) -> Any:
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    if not hasattr(module, name):
        raise (
            unknown_name(f"{place} {file}", name, own)
            if own
            else InputError(f"{place} {file}", f"'{name}'", "a name that the file defines, and it defines none")
        )
    return getattr(module, name)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""The measured rows that ship with simcore."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError, field
from simcore.readers.zoo import ROOT

FOLDER = "_measured"
"""Folder of the zoo."""


def shipped_iterations() -> Path:
    """Return the file of measured training iterations.

    Raises
    ------
    InputError
        If this simcore ships none.
    """
    return _shipped("training_iterations.csv.gz", "iterations")


def shipped_collectives() -> Path:
    """Return the file of measured collectives.

    Raises
    ------
    InputError
        If this simcore ships none.
    """
    return _shipped("collectives.csv.gz", "collectives")


def _shipped(name: str, what: str) -> Path:
    path = ROOT / FOLDER / name
    if not path.exists():
        remedy = f"This simcore ships no measured {what}: add {field('rows')} FILE or {field('collectives')} FILE."
        raise InputError(field("rows"), "nothing", "a file of measured rows", remedy)
    return path

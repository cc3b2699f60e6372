"""The zoo: devices, networks, models, costs, clusters and rates as data files, each number with its source.

A kind is a folder beside this file, an entry is a file in it. Wherever a command takes NAME|FILE, `find` decides: a
name in the zoo wins, anything else is a path. ``aliases.csv`` holds other names of entries.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

from simcore.errors import InputError, did_you_mean
from simcore.piping import is_input

ROOT = Path(__file__).parents[1] / "zoo"


def kinds() -> list[str]:
    """Return the kinds of entries, sorted."""
    return sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("_"))


def names(kind: str) -> list[str]:
    """Return the names of all entries of one kind, sorted.

    Examples
    --------
    >>> "sc23" in names("clusters")
    True
    """
    return sorted(path.stem for path in (ROOT / kind).iterdir() if path.suffix in {".yaml", ".csv", ".json"})


def entry_of(kind: str, name: str) -> str:
    """Return the entry that a name means where it is another name of one, and the name itself elsewhere.

    Examples
    --------
    >>> entry_of("profiles", "v100"), entry_of("models", "bert")
    ('v100-pcie-32gb', 'bert')
    """
    return _aliases().get((kind, name.lower()), name)


@cache
def _aliases() -> dict[tuple[str, str], str]:
    lines = (ROOT / "aliases.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {(row["kind"], row["alias"]): row["name"] for row in rows}


def find(
    kind: str | tuple[str, ...], name_or_path: str | Path, place: str, fits: Callable[[str], bool] = lambda name: True
) -> Path:
    """Return the file of a zoo entry, or of the user's own path.

    Parameters
    ----------
    kind : str or tuple of str
        A folder of the zoo, such as ``clusters``, or several.
    name_or_path : str or Path
        An entry's name (any case), or a path.
    place : str
        The field that gave it, for messages.
    fits : callable
        Tells which names a message may offer.

    Raises
    ------
    InputError
        If it is neither, with the closest name.
    """
    wanted = str(name_or_path)
    folders = (kind,) if isinstance(kind, str) else kind
    for folder in folders:
        name = entry_of(folder, wanted).lower()
        for path in (ROOT / folder).iterdir():
            if path.suffix in {".yaml", ".csv", ".json"} and path.stem.lower() == name:
                return path
    path = Path(wanted)
    if wanted and is_input(path):
        return path
    known = sorted(name for folder in folders for name in names(folder) if fits(name))
    others = sorted(name for kind, name in _aliases() if kind in folders)
    remedy = did_you_mean(wanted, [*others, *known])
    if kind == "networks" and "(" in wanted:
        remedy = "A network that is written out brings its bandwidths, so that no budget goes with it."
    raise InputError(
        place,
        f"'{wanted}', which is no file",
        f"one of {', '.join(known)}, or the path of a file",
        remedy or "Check the path.",
    )

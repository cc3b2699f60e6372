"""Finished runs of a sweep in its folder, a file each: it goes on where it was, and grows by values and seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simcore.documents import Broken, parse_json
from simcore.errors import InputError, field
from simcore.files import read_text
from simcore.outputs import LISTING, check_output, is_there, listing_of, write_atomic, writing

REQUEST = "request.json"
"""The file of a sweep's folder that says of which sweep it is."""
GROWS = {"vary", "seed", "seeds", "policies"}
"""Fields of a request that may differ from those of the sweep whose folder it goes on with."""
RUNS = "runs"
"""The folder of finished runs in it."""


class Kept:
    """A sweep's folder: what is asked for, and the runs that are finished.

    Parameters
    ----------
    folder : Path or None
        Made where there is none; None keeps nothing.
    request : str
        The sweep as text, the same for the same sweep.
    force : bool
        Whether to start anew in the folder of a sweep.

    Raises
    ------
    InputError
        If the folder holds another sweep or something else, or cannot be written.
    """

    def __init__(self, folder: Path | None, request: str, *, force: bool = False) -> None:
        self.folder, self.request = folder, request
        self.added = 0
        if folder is None:
            return
        place = f"{field('output')} {folder}"
        if not is_there(folder):
            check_output(folder, option=field("output"))
            with writing(place, "directory"):
                folder.mkdir()
        self._check(folder, place, force=force)
        with writing(place, "directory"):
            (folder / RUNS).mkdir(exist_ok=True)
        if not is_there(folder / REQUEST):
            write_atomic(folder / REQUEST, request)
            write_atomic(folder / LISTING, listing_of({REQUEST: request}))

    def _check(self, folder: Path, place: str, *, force: bool) -> None:
        """Refuse a folder of something else; start anew in that of another sweep if that is forced."""
        if not folder.is_dir():
            raise InputError(place, "a file", "a directory", "Choose another path.")
        if not is_there(folder / REQUEST):
            if next((each for each in folder.iterdir() if each.name != RUNS), None) is not None:
                raise InputError(place, "a directory that holds no sweep", "a new one", "Choose another path.")
            return
        check_output(folder, force=True, option=field("output"))
        before = read_text(folder / REQUEST, "request")
        if force or before != self.request:
            differs = others_than(before, self.request)
            if differs and not force:
                found = f"the directory of another sweep, which differs in {', '.join(differs)}"
                remedy = "Choose another, or add --force to start anew in it."
                raise InputError(place, found, "a new one, or that of a sweep with other values or seeds", remedy)
            if force:
                with writing(place, "directory"):
                    shutil.rmtree(folder / RUNS, ignore_errors=True)
            write_atomic(folder / REQUEST, self.request)
            kept = (folder / LISTING).read_text(encoding="utf-8").splitlines()
            others = "".join(f"{line}\n" for line in kept if not line.endswith(f"  {REQUEST}"))
            write_atomic(folder / LISTING, others + listing_of({REQUEST: self.request}))

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a finished run; None if there is none, or it is no whole one."""
        if self.folder is None or not is_there(path := self.folder / RUNS / f"{key}.json"):
            return None
        try:
            run = parse_json(read_text(path, "finished run"))
        except (Broken, InputError):
            return None
        return run if isinstance(run, dict) and {"row", "warnings", "sha256"} <= set(run) else None

    def add(self, key: str, run: Mapping[str, Any]) -> None:
        """Keep a finished run, whole or not at all."""
        if self.folder is not None:
            write_atomic(self.folder / RUNS / f"{key}.json", json.dumps(run) + "\n")
            self.added += 1

    @property
    def finished(self) -> int:
        """How many runs are kept."""
        return 0 if self.folder is None else sum(1 for _ in (self.folder / RUNS).glob("*.json"))


def others_than(before: str, request: str) -> list[str]:
    """Return in what a sweep differs from one before so that runs of both do not belong together.

    Seeds, policies and the values of options that vary in either of them may differ: more runs join those that are
    kept. A file must not have changed since, nor the versions of simcore and what it computes with.

    Parameters
    ----------
    before, request : str
        Sweeps as text, as they stand in `REQUEST`.
    """
    try:
        old, new = parse_json(before), parse_json(request)
        varies = {name for each in (old, new) for name in each["varies"]}
        may = GROWS | varies
        inputs, hashes = ([each[part] for each in (old, new)] for part in ("inputs", "sha256"))
        differs = [name for name in inputs[1] if name not in may and inputs[0].get(name) != inputs[1][name]]
        changed = [name for name in hashes[1] if hashes[0].get(name, hashes[1][name]) != hashes[1][name]]
        versions = ["versions"] if old["versions"] != new["versions"] else []
    except (Broken, KeyError, TypeError, AttributeError):
        return ["how it is written down"]
    return [*(name.replace("_", "-") for name in differs), *(f"the content of {name}" for name in changed), *versions]

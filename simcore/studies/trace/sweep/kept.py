"""Finished runs of a sweep in its folder, a file each, so that an interrupted sweep goes on where it was."""

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
        if force or read_text(folder / REQUEST, "request") != self.request:
            if not force:
                remedy = "Choose another, or add --force to start anew in it."
                raise InputError(place, "another sweep's directory", "a new one, or that of this sweep", remedy)
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

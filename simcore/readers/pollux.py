"""A folder of profiles of applications, as the artifacts of Pollux and Sia hold them: one folder for each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.files import check_columns, csv_rows, sha256
from simcore.models.cluster.applications import Application, Split, Validation
from simcore.numerals import parse_real, parse_whole
from simcore.readers.read import InputFile, Read, read_path

PLACEMENTS = ("placement", "local_bsz", "step_time", "sync_time")
SCALABILITY = ("num_nodes", "num_replicas", "local_bsz", "step_time", "sync_time")
LEAST = {
    "placement": 1.0, "num_nodes": 1.0, "num_replicas": 1.0, "local_bsz": 1.0, "step_time": 1e-9, "sync_time": 0.0,
    "progress": 0.0, "iteration": 0.0, "grad_sqr": 0.0, "grad_var": 0.0,
}  # fmt: skip
"""Of what is read of a column; a column that is not here may hold any number."""
MOST = 1e18
"""Of any number."""
VALIDATION = ("progress", "iteration", "metric", "grad_sqr", "grad_var")
MOST_LOCAL = {"yolov3": 8}
"""Samples of a GPU at once that the artifact's code allows an application, where that is fewer than were measured."""
_BATCH = re.compile(r"validation-([0-9]+)\.csv")

Floats = NDArray[np.float64]


def read_pollux(folder: Path, gpu: str = "") -> Read[dict[str, Application]]:
    """Read the profiles of a folder.

    Each application is a folder with ``placements.csv``, ``scalability.csv`` and a ``validation-BATCH.csv`` for each
    global batch size. ``placements-TYPE.csv`` and ``scalability-TYPE.csv`` stand for them on a GPU type. A folder
    without these is passed over.

    Parameters
    ----------
    folder : Path
        That holds a folder for each application.
    gpu : str
        GPU type whose files are taken where they are there.

    Raises
    ------
    InputError
        If there is no application, or a file is malformed.
    """
    found: dict[str, Application] = {}
    digests = []
    for each in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = [_of_type(each, kind, gpu) for kind in ("placements", "scalability")]
        batches = {int(match[1]): path for path in each.iterdir() if (match := _BATCH.fullmatch(path.name))}
        if not all(path.exists() for path in paths) or not batches:
            continue
        files = [read_path(path, "profile") for path in (*paths, *(batches[size] for size in sorted(batches)))]
        digests += [file.sha256 for file in files]
        validation = {size: _validation(file) for size, file in zip(sorted(batches), files[2:], strict=True)}
        scalability = _table(files[1], SCALABILITY)
        most = MOST_LOCAL.get(each.name)
        found[each.name] = Application(each.name, _placements(files[0]), scalability, validation, most)
    if not found:
        expected = "a folder for each application, with placements.csv, scalability.csv and validation-BATCH.csv"
        raise InputError(str(folder), "no profiles of applications", expected, "Is it the right folder?")
    return Read(found, str(folder), sha256("".join(digests).encode()))


def _of_type(folder: Path, kind: str, gpu: str) -> Path:
    own = folder / f"{kind}-{gpu}.csv"
    return own if gpu and own.exists() else folder / f"{kind}.csv"


def _table(file: InputFile, columns: tuple[str, ...]) -> Floats:
    """Return columns of a table as numbers, in their order."""
    header, rows = csv_rows(file.text, file.name, "profile")
    check_columns(header, columns, None, file.name)
    places = [header.index(column) for column in columns]
    values = []
    for line, fields in rows:
        where = f"{file.name}, line {line}"
        if len(fields) != len(header):
            raise InputError(where, f"{len(fields)} fields", f"{len(header)}: {', '.join(header)}")
        values.append([_number(fields[place], header[place], where) for place in places])
    if not values:
        raise InputError(file.name, "no rows", f"rows of {', '.join(columns)}")
    return np.array(values)


def _number(text: str, column: str, where: str) -> float:
    """Return a number of a column, which is within what the column may hold."""
    number = parse_real(text, f"{where}, field '{column}'")
    least = LEAST.get(column, -math.inf)
    if not least <= number <= MOST:
        raise InputError(f"{where}, field '{column}'", f"{number:g}", f"a number from {least:g} to {MOST:g}")
    return number


def _placements(file: InputFile) -> Mapping[Split, Floats]:
    """Return samples of a GPU and times by placement: ``44`` is 4 GPUs on each of two nodes."""
    by_split: dict[Split, list[list[float]]] = {}
    for number, *rest in _table(file, PLACEMENTS).tolist():
        place = f"{file.name}, field 'placement'"
        digits = str(parse_whole(f"{number:g}" if number % 1 else f"{number:.0f}", place))
        if "0" in digits:
            raise InputError(place, digits, "a digit from 1 for each node", "Leave out nodes without GPUs.")
        by_split.setdefault(tuple(map(int, digits)), []).append(rest)
    return {split: np.array(sorted(rows)) for split, rows in by_split.items()}


def _validation(file: InputFile) -> Validation:
    progress, iteration, _, sqr, var = _table(file, VALIDATION).T
    if (np.diff(progress, prepend=0.0) <= 0).any():
        raise InputError(
            f"{file.name}, field 'progress'",
            "progress that stands still or goes back",
            "more than 0 in the first row, and more in each row",
        )
    if (sqr + var <= 0).any():
        raise InputError(f"{file.name}, fields 'grad_sqr' and 'grad_var'", "an epoch with 0 for both", "one above 0")
    return Validation(progress, iteration, sqr, var)

"""A folder of profiles of applications, as the artifacts of Pollux and Sia hold them: one folder for each."""

from __future__ import annotations

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
        values.append([parse_real(fields[place], f"{where}, field '{header[place]}'") for place in places])
    if not values:
        raise InputError(file.name, "no rows", f"rows of {', '.join(columns)}")
    return np.array(values)


def _placements(file: InputFile) -> Mapping[Split, Floats]:
    """Return samples of a GPU and times by placement: ``44`` is 4 GPUs on each of two nodes."""
    by_split: dict[Split, list[list[float]]] = {}
    for number, *rest in _table(file, PLACEMENTS).tolist():
        digits = str(parse_whole(f"{number:.0f}", f"{file.name}, field 'placement'"))
        by_split.setdefault(tuple(map(int, digits)), []).append(rest)
    return {split: np.array(sorted(rows)) for split, rows in by_split.items()}


def _validation(file: InputFile) -> Validation:
    progress, iteration, _, sqr, var = _table(file, VALIDATION).T
    return Validation(progress, iteration, sqr, var)

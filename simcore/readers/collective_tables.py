"""Tables of measured collectives: CSV, plain or packed by gzip, or what the programs of nccl-tests print.

The size of an all-gather in a table is what all GPUs end with, as nccl-tests has it, unless a column ``size_of`` says
``shard``. The profiler of Aceso writes what each GPU sends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from simcore.errors import InputError
from simcore.files import decode, read_bytes, sha256
from simcore.readers.collective_rows import CollectiveRow, CollectiveTable, measured_row
from simcore.readers.measured import read_rows
from simcore.readers.nccl_tests import parse_nccl_tests

REQUIRED = ("device", "gpus", "collective", "bytes")
"""Columns that every table has, beside one of times."""

TIMES: Mapping[str, float] = {"time_us": 1e-6, "time_ms": 1e-3, "time_s": 1.0}
"""Columns of the time, of which a table has one, and their units [s]."""


_PRINTED = re.compile(rb"^#.*\bout-of-place\b.*\bin-place\b", re.MULTILINE)
"""A line that tells the output of nccl-tests from a table."""


def read_collectives(path: str | Path, device: str = "") -> CollectiveTable:
    """Read a table of measured collectives, or the text of nccl-tests.

    Parameters
    ----------
    path : str or Path
        The file.
    device : str
        What to call the device where a text does not say it.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing, or times have two units. Rows that are wrong say so.
    """
    data = read_bytes(Path(path), "measurements")
    if _PRINTED.search(data):
        return parse_nccl_tests(decode(data, Path(path), "measurements"), Path(path), sha256(data), device)
    table = read_rows(path)
    _check_header(table.header, str(path))
    column = next(name for name in TIMES if name in table.header)
    read = [(where, _row(number, row, column)) for number, (where, row) in enumerate(table.rows(), 1)]
    return CollectiveTable(tuple(row for _, row in read), table.sha256, tuple(where for where, _ in read))


def _check_header(header: Sequence[str], path: str) -> None:
    for name in REQUIRED:
        if name not in header:
            raise InputError(
                f"{path}, header",
                f"no column '{name}'",
                f"the columns {', '.join(REQUIRED)} and one of times",
                "Add it.",
            )
    named = [name for name in TIMES if name in header]
    if len(named) != 1:
        found = f"{' and '.join(named)}, which are two units" if named else "no column of times"
        raise InputError(f"{path}, header", found, f"one of {', '.join(TIMES)}", "Keep one column of times.")


def _row(number: int, row: Mapping[str, str], column: str) -> CollectiveRow:
    base = CollectiveRow(
        row.get("row_id") or str(number), row.get("source", ""), row["device"], row.get("dtype", ""),
        row["collective"], row.get("note", ""),
    )  # fmt: skip
    return measured_row(base, row["gpus"], row["bytes"], row[column], TIMES[column], row)

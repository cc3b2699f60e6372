"""Files of measured memory: CSV, plain or packed by gzip, with the columns of Megatron-LM's tests, or of iterations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simcore.errors import InputError
from simcore.models.training.parallel.search import USABLE
from simcore.numerals import as_real
from simcore.progress import tracked
from simcore.readers.measured import read_rows
from simcore.readers.memory_iterations import expressed_iteration
from simcore.readers.memory_rows import OF_TESTS, Expressed, Row, Unexpressed, expressed

PEAK, STATE, GIB = "mem_max_allocated_bytes", "mem_allocated_bytes", "mem_gb"

OF_ITERATIONS = (
    "source", "model", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "seq_len", "device", "tp", "pp", "cp",
    "dp", "params_b", "zero_or_fsdp", "recompute", "global_batch", "micro_batch", "mem_gb", "kind", "note",
)  # fmt: skip
"""Columns of measured iterations that are needed."""

OUT = "OOM"
"""Kind of an iteration that ran out of memory."""


@dataclass(frozen=True)
class MemoryRow:
    """A measured row, with what the model says of it.

    Attributes
    ----------
    source, name : str
        Where it comes from, and what was run.
    peak, state : float or None
        Measured: at the peak, and between iterations [B].
    predicted, predicted_state : float or None
        The same by the model; None where the row is not expressed.
    capacity : float or None
        What programs may use of the device's memory [B]; None where that is not known.
    ran_out : bool
        Whether it ran out of memory.
    reason : str
        Why it is not expressed.
    """

    source: str
    name: str
    peak: float | None
    state: float | None = None
    predicted: float | None = None
    predicted_state: float | None = None
    capacity: float | None = None
    ran_out: bool = False
    reason: str = ""


@dataclass(frozen=True)
class MemoryRows:
    """The measured rows of a file.

    Attributes
    ----------
    rows : tuple of MemoryRow
        In its order.
    sha256 : str
        Of the file.
    warnings : tuple of str
        What to know of them.
    """

    rows: tuple[MemoryRow, ...]
    sha256: str
    warnings: tuple[str, ...] = ()


def read_memory(path: str | Path) -> MemoryRows:
    """Read measured memory, and say what the model says of each row.

    Raises
    ------
    InputError
        If a column is missing, a row is broken, or no row is one of measured memory.
    """
    file = read_rows(path)
    tests = GIB not in file.header
    _check(file.header, (*OF_TESTS, PEAK, STATE) if tests else OF_ITERATIONS, str(path))
    each = _of_test if tests else _of_iteration
    rows = tracked(list(file.rows()), "rows of memory")
    found = tuple(made for where, row in rows if (made := each(row, where)) is not None)
    if not found:
        raise InputError(str(path), "no row with measured memory", f"numbers in the column {PEAK if tests else GIB}")
    return MemoryRows(found, file.sha256)


def _check(header: Sequence[str], needed: Sequence[str], place: str) -> None:
    for name in needed:
        if name not in header:
            raise InputError(f"{place}, header", f"no column '{name}'", f"the columns {', '.join(needed)}", "Add it.")


def _of_test(row: Row, where: str) -> MemoryRow:
    peak, state = _number(row, PEAK, where), _number(row, STATE, where)
    return _told(MemoryRow(row["source"], row["test"], peak, state), row, expressed)


def _of_iteration(row: Row, where: str) -> MemoryRow | None:
    """Return a row of an iteration whose memory was measured, or that ran out of it."""
    gib, out = _number(row, GIB, where), row["kind"] == OUT
    if gib is None and not out:
        return None
    size = re.search(r"(\d+)gb", row["device"])
    made = MemoryRow(
        row["source"], row["model"], None if gib is None else gib * 2**30,
        capacity=None if size is None else USABLE * int(size[1]) * 2**30, ran_out=out,
    )  # fmt: skip
    return _told(made, row, expressed_iteration)


def _told(made: MemoryRow, row: Row, express: Callable[[Row], Expressed]) -> MemoryRow:
    """Return a row with what the model says of it, or why it says nothing."""
    if made.peak is None and not made.ran_out:
        return replace(made, reason="no peak in the row")
    try:
        one = express(row)
        peak, state = one.predicted()
    except Unexpressed as reason:
        return replace(made, reason=str(reason))
    except InputError as error:
        return replace(made, reason=f"the layout does not fit the model: {error.place}")
    return replace(made, predicted=peak, predicted_state=state)


def _number(row: Row, column: str, where: str) -> float | None:
    """Return a measured number; None where there is none, or 0."""
    value = as_real(row[column]) if row[column] else 0.0
    if value is None or not 0 <= value < float("inf"):
        raise InputError(f"{where}, column '{column}'", f"'{row[column]}'", "a number of at least 0")
    return value or None

"""Measured training iterations beside their predictions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from simcore.numerals import as_real
from simcore.readers.measured import read_rows
from simcore.studies.validate.rows import Held


def held_against_iterations(path: str | Path) -> tuple[Held, ...]:
    """Return each row of a table of training iterations; none is modelled yet."""
    return tuple(
        Held(
            row.get("row_id", ""), row["source"], row["device"], row["precision"], row["kind"],
            as_real(row["iteration_s"]), why_not="not modelled yet",
        )
        for _, row in read_rows(path).rows()
    )  # fmt: skip


def fit_to(path: str | Path) -> tuple[tuple[Held, ...], SimpleNamespace, list[str]]:
    """Return the rows of a table, the constants that were fitted to them, and what was fitted; nothing is yet."""
    return held_against_iterations(path), SimpleNamespace(name="none"), ["Nothing was fitted."]

"""Measured collectives beside their predictions."""

from __future__ import annotations

from pathlib import Path

from simcore.numerals import as_real
from simcore.readers.measured import read_rows
from simcore.studies.validate.rows import Held


def held_against_collectives(path: str | Path) -> tuple[Held, ...]:
    """Return each row of a table of collectives; none is modelled yet."""
    return tuple(
        Held(
            row.get("row_id", ""), row["source"], row["device"], row["dtype"], row["collective"],
            None if (time := as_real(row["time_us"])) is None else time * 1e-6, why_not="not modelled yet",
        )
        for _, row in read_rows(path).rows()
    )  # fmt: skip

"""A profile held against a table of kernels that anyone measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simcore.models.compute.kernels import outside, seconds_of
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.predict import fit_for, sizes_known
from simcore.models.compute.profile import Errors, KernelProfile
from simcore.results import Table

Key = tuple[str, ...]


@dataclass(frozen=True)
class TableValidation:
    """Predictions of one profile against the rows of a table.

    Attributes
    ----------
    name : str
        Of the profile.
    file : str
        How the profile was given.
    table_name : str
        Where the rows are from.
    errors : mapping
        By the table's operation and number format, of operators also by pass; None where every row is outside what the
        profile predicts.
    outside : mapping
        Rows that the profile refuses, as their shapes lie outside what it was sampled on.
    predictions : Table
        Every other row: measured and predicted seconds.
    source : str or None
        Where the rows are from that the profile was fitted to, if others published them.
    keys : tuple of str
        What tells entries apart, in the order of their keys.
    summary : Table or None
        What a reader is shown where there are too many entries; None for all of them.
    sums : tuple of str
        What is said of sums of rows.
    """

    name: str
    file: str
    table_name: str
    errors: Mapping[Key, Errors | None]
    outside: Mapping[Key, int]
    predictions: Table
    source: str | None = None
    keys: tuple[str, ...] = ("kernel", "dtype")
    summary: Table | None = None
    sums: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
        """A row per operation and number format: rows that are compared, rows outside, and errors."""
        return errors_table(self.keys, self.errors, self.outside)

    @property
    def shown(self) -> Table:
        """The table that a reader is shown."""
        return self.table if self.summary is None else self.summary

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {"profile": self.file, "kernels": [dict(row) for row in self.table]}

    def sentences(self) -> list[str]:
        """Say how many rows the profile refuses."""
        refused = sum(self.outside.values())
        said = [f"{refused} rows lie outside what the profile was sampled on and are not compared"] if refused else []
        said += self.sums
        return said if self.source is None else [*said, f"if these are rows that it was fitted to ({self.source}), "
                f"errors on new shapes are larger: simcore profile show {self.file} has them"]  # fmt: skip

    def measured(self) -> list[str]:
        """Return the line that says what was compared."""
        return [f"held against {len(self.predictions)} rows of {self.table_name}"]


def errors_table(keys: Sequence[str], errors: Mapping[Key, Errors | None], outside: Mapping[Key, int]) -> Table:
    """Return a row for each key: rows that are compared, rows outside, and errors."""
    rows = []
    for key, each in errors.items():
        count, *known = (0, None, None, None) if each is None else dataclasses.astuple(each)
        rows.append((*key, count, outside[key], *known))
    return Table([*keys, "samples", "outside", "mape", "p90", "bias"], rows)


def against(profile: KernelProfile, file: str, rows: Sequence[Measurement], table_name: str) -> TableValidation:
    """Hold a profile against measured rows; a prediction sees the shape alone.

    Parameters
    ----------
    profile : KernelProfile
        What predicts.
    file : str
        How it was given.
    rows : sequence of Measurement
        Of its device.
    table_name : str
        Where the rows are from.

    Raises
    ------
    InputError
        If the profile lacks a kernel or a number format of the table.
    """
    misses: dict[Key, list[float]] = {}
    refused: dict[Key, int] = {}
    compared = []
    for one in rows:
        sample, key = one.sample, (one.op, one.sample.dtype)
        fit, _ = fit_for(profile, sample.kernel, sample.dtype, sample.shape, sample.state)
        shape = sizes_known(fit, sample.kernel, sample.shape)
        known = misses.setdefault(key, [])
        refused.setdefault(key, 0)
        if outside(fit, shape):
            refused[key] += 1
            continue
        predicted = seconds_of(fit, shape, profile.device)
        known.append(predicted / sample.seconds - 1)
        # whether the fit saw a row is not known: profiles of published tables were fitted to all of theirs
        compared.append((*key, fit.formula, None, sample.seconds, predicted))
    columns = ["kernel", "dtype", "formula", "held_out", "measured", "predicted"]
    table = Table(columns, compared, {"measured": "s", "predicted": "s"})
    errors = {key: Errors.of(each) for key, each in misses.items()}
    source = profile.source if profile.origin == "published measurement" else None
    return TableValidation(profile.name, file, table_name, errors, refused, table, source)

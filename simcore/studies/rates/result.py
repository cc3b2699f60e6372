"""What ``simcore rates`` gives: predicted step times, in the form that the cluster study reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.errors import one_line
from simcore.files import csv_text
from simcore.models.cluster.step_times import StepTimes
from simcore.models.training.remainder import Remainder
from simcore.outputs import check_file, write_atomic
from simcore.report import Block, Headline, grid
from simcore.results import Result, Table
from simcore.units import counted, format_si

PREDICTED = "predicted"
"""Kind of a step time that kernels alone give."""

FITTED = "predicted+fitted"
"""Kind of a step time with a constant that was fitted to measured steps."""

COLUMNS = ("model", "batch_size", "gpu_type", "seconds_per_minibatch", "kind")


@dataclass(frozen=True)
class Fitted:
    """What a model's steps take beside their kernels, fitted to measured steps.

    Attributes
    ----------
    model : str
        As the table calls it.
    remainder : Remainder
        The constant.
    source : str
        The table of measured steps.
    steps : tuple of (int, str)
        Batch sizes and GPU types of those that it was fitted to.
    """

    model: str
    remainder: Remainder
    source: str
    steps: tuple[tuple[int, str], ...]

    @property
    def fitted_to(self) -> str:
        """The steps that it was fitted to, in words."""
        return ", ".join(f"batch {batch} on {gpu}" for batch, gpu in self.steps)


@dataclass(frozen=True, kw_only=True)
class RatesResult(Result):
    """Predicted step times.

    The provenance holds the hash of every profile by GPU type, since two profiles may have one name.

    Attributes
    ----------
    rates : StepTimes
        What `simcore.trace` takes.
    fitted : tuple of Fitted
        What steps take beside their kernels; empty where no measured steps were given.
    models : tuple of str
        What each model is predicted with, in words: parameters, sequence, number format.
    """

    stem = "rates"

    rates: StepTimes
    fitted: tuple[Fitted, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
        """A row per model, batch size and GPU type."""
        kind = " ".join(self.rates.kinds)
        return Table(COLUMNS, [(*key, seconds, kind) for key, seconds in self.rates.seconds.items()])

    def tables(self) -> Mapping[str, Table]:
        """Return the step times, and the constants that were fitted."""
        columns = ("model", "form", "value", "source", "fitted_to")
        rows = [
            (one.model, one.remainder.form.value, one.remainder.value, one.source, one.fitted_to) for one in self.fitted
        ]
        return {"rates": self.table, **({"fitted": Table(columns, rows)} if rows else {})}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {
            **{name: [dict(row) for row in table] for name, table in self.tables().items()},
            "models": list(self.models),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return what the step times are predicted from and with."""
        return [self.rates.note, *self.models]

    def report(self) -> Sequence[Block]:
        """Return the step times, with what they are predicted from."""
        rows = [
            (row["model"], str(row["batch_size"]), row["gpu_type"], format_si(row["seconds_per_minibatch"], "s"))
            for row in self.table
        ]
        columns = ("model", "batch size", "GPU type", "per mini-batch")
        head = Headline(counted(len(rows), "step time"), "\n".join(self.sentences()))
        return [head, grid(*columns, left=(0, 2), rows=rows)]

    def to_csv(self) -> str:
        """Return the table as ``trace --rates`` reads it, with its note, which holds the profiles' hashes."""
        comments = [
            f"beside kernels: {one.model} {one.remainder.text}, fitted to {one.source}, {one.fitted_to}"
            for one in self.fitted
        ]
        source = "Source: simcore rates, from the kernel profiles that the note names"
        texts = (f"note: {self.rates.note}", *self.models, *comments, *self.warnings, source)
        above = "".join(f"# {one_line(text)}\n" for text in texts)
        return f"{above}{csv_text(COLUMNS, [tuple(row.values()) for row in self.table])}"

    def write_csv(self, path: str | Path) -> None:
        """Write the file that ``trace --rates`` reads.

        Raises
        ------
        InputError
            If the place cannot be written, or holds a file that simcore did not write.
        """
        check_file(Path(path), own="step times")
        write_atomic(Path(path), self.to_csv())

"""What ``simcore rates`` gives: predicted step times, in the form that the cluster study reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.errors import one_line
from simcore.files import csv_text
from simcore.models.cluster.step_times import StepTimes
from simcore.outputs import write_atomic
from simcore.report import Block, Headline, grid
from simcore.results import Result, Table
from simcore.units import counted, format_si

COLUMNS = ("model", "batch_size", "gpu_type", "seconds_per_minibatch", "kind")


@dataclass(frozen=True, kw_only=True)
class RatesResult(Result):
    """Predicted step times.

    The provenance holds the hash of every profile by GPU type, since two profiles may have one name.

    Attributes
    ----------
    rates : StepTimes
        What `simcore.trace` takes.
    """

    stem = "rates"

    rates: StepTimes

    @property
    def table(self) -> Table:
        """A row per model, batch size and GPU type."""
        return Table(COLUMNS, [(*key, seconds, "predicted") for key, seconds in self.rates.seconds.items()])

    def tables(self) -> Mapping[str, Table]:
        """Return the table of step times."""
        return {"rates": self.table}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {
            "rates": [dict(row) for row in self.table],
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return what the step times are predicted from."""
        return [self.rates.note]

    def report(self) -> Sequence[Block]:
        """Return the step times, with what they are predicted from."""
        rows = [
            (row["model"], str(row["batch_size"]), row["gpu_type"], format_si(row["seconds_per_minibatch"], "s"))
            for row in self.table
        ]
        columns = ("model", "batch size", "GPU type", "per mini-batch")
        head = Headline(counted(len(rows), "step time"), self.rates.note)
        return [head, grid(*columns, left=(0, 2), rows=rows)]

    def to_csv(self) -> str:
        """Return the table as ``trace --rates`` reads it, with its note, which holds the profiles' hashes."""
        warnings = "".join(f"# {one_line(warning)}\n" for warning in self.warnings)
        rows = [tuple(row.values()) for row in self.table]
        return f"# note: {one_line(self.rates.note)}\n{warnings}{csv_text(COLUMNS, rows)}"

    def write_csv(self, path: str | Path) -> None:
        """Write the file that ``trace --rates`` reads.

        Raises
        ------
        InputError
            If the place cannot be written.
        """
        write_atomic(Path(path), self.to_csv())

"""What ``simcore tune`` gives: what was tried, the whole space, and the best schedule as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from simcore.models.training.tuning.cells import Cell
from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.words import stack_dict
from simcore.studies.tune.outcome import TuneOutcome
from simcore.studies.tune.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class TuneResult(TuneOutcome):
    """A space that was searched, as tables, report and JSON; its fields are those of `TuneOutcome`."""

    stem = "tune"

    def tables(self) -> Mapping[str, Table]:
        """Return what was tried, in order, and the whole space with its predictions."""
        columns = ["parallel", "kernels", "batch", "ratio", "predicted", "fits_predicted", "allocated", "reserved"]
        units = {"predicted": "per_s", "measured": "per_s", "allocated": "B", "reserved": "B"}
        tried = [(i, *self._row(cell), rate, bool(rate)) for i, (cell, rate) in enumerate(self.rates.items(), 1)]
        space = [(*self._row(cell), self.rates.get(cell), cell in self.rates) for cell in self.predictions.evaluations]
        return {
            "tried": Table(["order", *columns, "measured", "fits"], tried, units),
            "space": Table([*columns, "measured", "tried"], space, units),
        }

    def _row(self, cell: Cell) -> tuple[Any, ...]:
        one = self.predictions.evaluations[cell]
        return (cell.parallel, cell.steps, cell.batch, cell.ratio, cell.batch / one.time, self.predictions.fits[cell],
                one.worst.allocated, one.worst.reserved)  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        return {
            "model": self.name, "device": self.device, "network": self.network, "gpus": self.gpus,
            "sequence": self.sequence, "parameters": self.parameters, "stack": stack_dict(self.stack),
            "capacity": self.capacity, "strategy": self.strategy, "source": self.source, "cells": self.cells,
            "measured_cells": len(self.rates), "undivided_cells": self.predictions.undivided,
            "rounding": self.space.rounding,
            "best": {**asdict(self.best), "samples_per_second": self.rate}, "prediction_error": self.error,
            "certificate": None if self.certificate is None else asdict(self.certificate),
            "tried": [dict(row) for row in self.tables()["tried"]],
            "warnings": list(self.warnings), "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def inputs(self) -> Mapping[str, str]:
        """Return the best schedule, and what was measured, as other commands and this one take them."""
        from simcore.readers.schedules import parse_steps, schedule_text
        from simcore.readers.spaces import cells_text

        files = {}
        last = f"checkpoint={self.best.ratio!r}" if self.best.ratio and self.space.rounding == "head" else ""
        steps = parse_steps(",".join(filter(None, (self.best.steps, last)))).value
        if steps.steps and (last or not self.best.ratio):
            files["schedule.yaml"] = schedule_text(steps)
        return {**files, "measured.csv": cells_text(self.rates)} if self.rates else files

    def figures(self) -> Mapping[str, Figure]:
        """Draw a map of samples per second by batch and share of recomputed blocks, as Slapo's Figure 10."""
        from simcore.studies.tune.figures import draw

        return {self.stem: draw(self)}

    def sentences(self) -> list[str]:
        """Return what was found."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return what was tried, a map of it, and what was found."""
        return report(self)

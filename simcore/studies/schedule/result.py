"""What ``simcore schedule`` gives: a training iteration after each step, and the schedule as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.models.training.parallel.memory import KINDS
from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.words import layout_dict, stack_dict
from simcore.studies.schedule.outcome import ScheduleOutcome, Stepped
from simcore.studies.schedule.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class ScheduleResult(ScheduleOutcome):
    """A training schedule step by step, as tables, report and JSON; its fields are those of `ScheduleOutcome`."""

    stem = "schedule"

    def tables(self) -> Mapping[str, Table]:
        """Return the iteration after each step: rates, parts of the time, memory by kind."""
        parts = list(self.last.evaluation.parts)
        kinds = [f"{kind.replace(' ', '_')}_memory" for kind in KINDS]  # the optimizer has a time too
        names = [part.replace(" ", "_").replace("-", "_") for part in parts]
        columns = ["step", "batch", "micro_batch", "time", "samples", "work", "fits", *names, *kinds, "allocated",
                   "reserved"]  # fmt: skip
        rows = [
            (
                row.step, row.evaluation.layout.global_batch, row.evaluation.layout.micro_batch, row.evaluation.time,
                row.rate, row.evaluation.flops, row.fits, *(row.evaluation.parts[part] for part in parts),
                *(row.evaluation.worst.kinds[kind] for kind in KINDS), row.evaluation.worst.allocated,
                row.evaluation.worst.reserved,
            )
            for row in self.rows
        ]  # fmt: skip
        units = {
            "time": "s", "samples": "per_s", "work": "FLOP_per_s", **dict.fromkeys(names, "s"),
            **dict.fromkeys((*kinds, "allocated", "reserved"), "B"),
        }  # fmt: skip
        return {"steps": Table(columns, rows, units)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        return {
            "model": self.name, "device": self.device, "network": self.network, "sequence": self.sequence,
            "parameters": self.parameters,
            "stack": stack_dict(self.stack), "capacity": self.capacity, "peak": self.peak,
            "speedup": self.speedup, "largest": self.largest, "steps": [self._row(row) for row in self.rows],
            "warnings": list(self.warnings), "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def _row(self, row: Stepped) -> dict[str, Any]:
        one = row.evaluation
        return {
            "step": row.step, "layout": layout_dict(one.layout), "seconds": one.time, "parts": dict(one.parts),
            "samples_per_second": row.rate, "flop_per_second": one.flops,
            "mfu": None if self.peak is None else one.flops / self.peak, "fits": row.fits,
            "memory": dict(one.worst.kinds), "allocated": one.worst.allocated, "reserved": one.worst.reserved,
        }  # fmt: skip

    def inputs(self) -> Mapping[str, str]:
        """Return the schedule, as other commands take it."""
        from simcore.readers.schedules import schedule_text

        return {"schedule.yaml": schedule_text(self.schedule)} if self.schedule.steps else {}

    def figures(self) -> Mapping[str, Figure]:
        """Draw samples per second after each step, and where the time goes."""
        from simcore.studies.schedule.figures import draw

        return {self.stem: draw(self)}

    def sentences(self) -> list[str]:
        """Return what each step changed."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return the iteration after each step."""
        return report(self)

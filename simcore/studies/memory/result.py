"""What ``simcore memory`` gives: memory by pipeline rank and kind, and what makes it fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.models.training.parallel.memory import CONTEXT, FRAGMENTED, KINDS, WORKSPACE
from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.words import layout_dict
from simcore.studies.memory.outcome import MemoryOutcome
from simcore.studies.memory.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class MemoryResult(MemoryOutcome):
    """Memory of a training iteration, as tables, report and JSON; its fields are those of `MemoryOutcome`."""

    stem = "memory"

    def tables(self) -> Mapping[str, Table]:
        """Return the memory of each pipeline rank by kind, and the activations of the worst rank by operator."""
        kinds = [kind.replace(" ", "_") for kind in KINDS]
        columns = ["rank", *kinds, "allocated", "reserved", "capacity"]
        rows = [
            (one.rank, *(one.kinds[kind] for kind in KINDS), one.allocated, one.reserved, self.capacity)
            for one in self.evaluation.memory
        ]
        return {
            "ranks": Table(columns, rows, dict.fromkeys(columns[1:], "B")),
            "operators": Table(["operator", "activations"], list(self.operators.items()), {"activations": "B"}),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        worst, remedy = self.evaluation.worst, self.remedy
        change = None if remedy is None else {
            "what": remedy.what, "reserved": remedy.result.worst.reserved, "layout": layout_dict(remedy.result.layout),
            "seconds": remedy.result.time if self.timed else None,
        }  # fmt: skip
        return {
            "model": self.name, "device": self.device, "sequence": self.sequence, "fits": self.fits,
            "layout": layout_dict(self.evaluation.layout), "chosen": list(self.chosen), "capacity": self.capacity,
            "seconds": self.evaluation.time if self.timed else None,
            "worst": {"rank": worst.rank, "gpu": self.first_gpu, "reserved": worst.reserved,
                      "allocated": worst.allocated, "parameters": worst.parameters},
            "ranks": [dict(row) for row in self.tables()["ranks"]], "operators": dict(self.operators),
            "change": change,
            "assumed": {"context": CONTEXT, "fragmented": FRAGMENTED, "workspace": float(WORKSPACE)},
            "warnings": list(self.warnings), "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def figures(self) -> Mapping[str, Figure]:
        """Draw a bar for each pipeline rank, by kind, with what a GPU has."""
        from simcore.studies.memory.figures import draw

        return {self.stem: draw(self)}

    def sentences(self) -> list[str]:
        """Return what makes it fit, and what is assumed."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return whether it fits, and where memory goes."""
        return report(self)

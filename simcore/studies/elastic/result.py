"""What ``simcore elastic run`` gives: each stage beside the reference, and every loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from simcore.report import Block
from simcore.results import Table
from simcore.studies.elastic.outcome import ElasticOutcome
from simcore.studies.elastic.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class ElasticResult(ElasticOutcome):
    """An elastic run, as tables, figure, report and JSON; its fields are those of `ElasticOutcome`."""

    stem = "elastic"

    def tables(self) -> Mapping[str, Table]:
        """Return a row per stage, and a row per mini-batch and logical worker."""
        stages = [asdict(stage) for stage in self.stages]
        columns = ["batch", "stage", "worker", "loss", "reference_loss", "difference"]
        rows = [
            (position, position // self.request.batches, worker, loss, other, loss - other)
            for position, (mine, theirs) in enumerate(zip(self.ours.losses, self.reference.losses, strict=True))
            for worker, (loss, other) in enumerate(zip(mine, theirs, strict=True))
        ]
        return {
            "stages": Table(list(stages[0]), [list(stage.values()) for stage in stages]),
            "losses": Table(columns, rows),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {
            "stages": [asdict(stage) for stage in self.stages],
            "samples_equal": self.samples_equal,
            "determinism": self.request.determinism,
            "reduce": self.request.reduce,
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw the difference of the last worker's losses over mini-batches: Figure 9 of EasyScale."""
        from simcore.studies.elastic.figures import draw

        return {"fig9": draw(self)}

    def sentences(self) -> list[str]:
        """Return what the comparison means."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return each stage beside the reference, and what that means."""
        return report(self)

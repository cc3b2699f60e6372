"""What ``simcore search`` gives: the best layout, the runners-up, and the best one with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.pipelining import PARTS
from simcore.report import Block
from simcore.results import Table
from simcore.studies.search.outcome import SearchOutcome
from simcore.studies.search.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DEGREES = ("tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "micro_batches", "zero")


class SearchResult(SearchOutcome):
    """Layouts of a model on GPUs, as tables, report, figure and JSON; see `SearchOutcome`."""

    stem = "search"

    def tables(self) -> Mapping[str, Table]:
        """Return all layouts that fit, the fastest first, and the best one with one thing changed."""
        columns = [*_DEGREES, "recompute", "order", "time", "reserved", *PARTS]
        units = dict.fromkeys(("time", *PARTS), "s") | {"reserved": "B"}
        rows = [
            (
                *(getattr(one.layout, name) for name in _DEGREES), one.layout.recompute.value, one.layout.order,
                one.time, one.worst.reserved, *(one.parts[name] for name in PARTS),
            )
            for one in self.found.best
        ]  # fmt: skip
        changed = [
            (one.what, None if one.result is None else one.result.time,
             None if one.result is None else one.result.worst.reserved, one.reason)
            for one in self.neighbours
        ]  # fmt: skip
        of_change = Table(["change", "time", "reserved", "reason"], changed, {"time": "s", "reserved": "B"})
        return {"layouts": Table(columns, rows, units), "changes": of_change}

    def report(self) -> Sequence[Block]:
        """Return the best layout, the runners-up, and why."""
        return report(self)

    def sentences(self) -> list[str]:
        """Return why the best layout is the best."""
        return sentences(self)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        smallest = self.found.smallest
        return {
            "model": self.deployment.name,
            "device": self.deployment.evaluator.machine.profile.name,
            "gpus": self.deployment.gpus,
            "sequence": self.deployment.sequence,
            "global_batch": self.deployment.global_batch,
            "capacity": self.capacity,
            "tried": self.found.tried,
            "fits": len(self.found.best),
            "misfits": self.found.misfits,
            "refused": dict(self.found.refused),
            "best": None if self.best is None else _document(self.best, self.peak),
            "listed": [_document(one, self.peak) for one in self.listed],
            "smallest": None if smallest is None else _document(smallest, self.peak),
            "changes": [dict(row) for row in self.tables()["changes"]],
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def figures(self) -> Mapping[str, Figure]:
        """Draw time against memory of all layouts that fit."""
        from simcore.plots import caption
        from simcore.studies.search.figures import draw

        name = self.deployment.evaluator.machine.profile.name
        text = f"{self.deployment.name} on {self.deployment.gpus} {name}, global batch {self.deployment.global_batch:,}"
        return {self.stem: caption(draw(self.found.best, self.capacity), text)} if self.found.best else {}


def _document(one: Evaluation, peak: float) -> dict[str, Any]:
    return {
        "layout": one.layout.as_dict(), "iteration_time": one.time, "parts": dict(one.parts),
        "tokens_per_second": one.tokens / one.time, "mfu": one.flops / peak, "reserved": one.worst.reserved,
        "worst_rank": one.worst.rank,
    }  # fmt: skip

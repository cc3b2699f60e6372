"""What ``simcore search`` gives: the best layout, its runners-up, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.layout import Layout
from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.words import layout_dict, stack_dict
from simcore.studies.search.outcome import SearchOutcome
from simcore.studies.search.reasons import Reason
from simcore.studies.search.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DEGREES = ["tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "recompute", "zero"]


def _degrees(layout: Layout) -> list[Any]:
    return [getattr(value, "value", value) for value in (getattr(layout, name) for name in _DEGREES)]


@dataclass(frozen=True, kw_only=True)
class SearchResult(SearchOutcome):
    """Layouts by their time, as tables, report and JSON; its fields are those of `SearchOutcome`."""

    stem = "search"

    def tables(self) -> Mapping[str, Table]:
        """Return the best layouts, what the best is with one thing changed, and all that were tried."""
        best = [
            (rank, *_degrees(one.layout), one.time, one.tokens / one.time, one.flops, one.worst.reserved)
            for rank, one in enumerate(self.listed, 1)
        ]
        units = {"time": "s", "tokens": "per_s", "work": "FLOP_per_s", "reserved": "B", "short": "B", "grows_by": "s"}
        changes = [
            (each.what, each.result.time, each.result.worst.reserved, each.short, each.grows, each.seconds)
            for each in self.reasons
        ]
        tried = [(*_degrees(one.layout), one.time, one.reserved, one.reserved <= self.capacity)
                 for one in self.found.points]  # fmt: skip
        return {
            "best": Table(["rank", *_DEGREES, "time", "tokens", "work", "reserved"], best, units),
            "changes": Table(["change", "time", "reserved", "short", "grows", "grows_by"], changes, units),
            "tried": Table([*_DEGREES, "time", "reserved", "fits"], tried, units),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        found = self.found
        return {
            "model": self.name, "device": self.device, "stack": stack_dict(self.stack),
            "gpus": self.gpus, "global_batch": self.global_batch,
            "sequence": self.sequence, "capacity": self.capacity, "peak": self.peak,
            "tried": found.tried, "fit": len(found.points) - found.misfits, "misfits": found.misfits,
            "refused": dict(found.refused),
            "best": None if self.best is None else self._layout(self.best),
            "runners_up": [self._layout(one) for one in self.listed[1:]],
            "smallest": None if found.smallest is None else self._layout(found.smallest),
            "changes": [self._change(each) for each in self.reasons],
            "warnings": list(self.warnings), "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def _layout(self, one: Evaluation) -> dict[str, Any]:
        return {
            "layout": layout_dict(one.layout), "seconds": one.time, "parts": dict(one.parts),
            "tokens_per_second": one.tokens / one.time, "flop_per_second": one.flops,
            "mfu": None if self.peak is None else one.flops / self.peak,
            "reserved": one.worst.reserved, "allocated": one.worst.allocated, "worst_rank": one.worst.rank,
        }  # fmt: skip

    def _change(self, each: Reason) -> dict[str, Any]:
        return {
            "what": each.what, "seconds": each.result.time, "reserved": each.result.worst.reserved,
            "short": each.short, "grows": each.grows, "grows_by": each.seconds,
        }  # fmt: skip

    def figures(self) -> Mapping[str, Figure]:
        """Draw time against memory of all layouts that were tried."""
        from simcore.studies.search.figures import draw

        return {self.stem: draw(self)}

    def sentences(self) -> list[str]:
        """Return how many layouts were tried, and what became of them."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return the best layout, its runners-up, and why."""
        return report(self)

"""What ``simcore memory`` gives: what each rank holds, by kind and by operator, and what makes it fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simcore.report import Block
from simcore.results import Table
from simcore.studies.deployment.outcome import LayoutOutcome
from simcore.studies.deployment.texts import layout_text
from simcore.studies.memory.report import report, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class MemoryResult(LayoutOutcome):
    """What every GPU of a layout holds, as tables, report, figure and JSON; see `LayoutOutcome`."""

    stem = "memory"

    def tables(self) -> Mapping[str, Table]:
        """Return what each rank holds by kind, and the activations by operator."""
        return self.memory_tables()

    def report(self) -> Sequence[Block]:
        """Return whether it fits, what ranks hold, the largest activations, and what makes it fit."""
        return report(self)

    def sentences(self) -> list[str]:
        """Return what makes it fit, and what is assumed."""
        return sentences(self)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        layout, remedy = self.evaluation.layout, self.change
        return {
            "model": self.deployment.name,
            "device": self.deployment.evaluator.machine.profile.name,
            "gpus": layout.gpus,
            "sequence": self.deployment.sequence,
            "layout": layout.as_dict(),
            "tried": self.tried,
            "fits": self.fits,
            "capacity": self.capacity,
            "worst_rank": self.evaluation.worst.rank,
            "reserved": self.evaluation.worst.reserved,
            "memory": [dict(row) for row in self.tables()["memory"]],
            "activations": [dict(row) for row in self.tables()["activations"]],
            "remedy": None if remedy is None else {
                "what": remedy.what, "layout": remedy.result.layout.as_dict(), "iteration_time": remedy.result.time,
                "reserved": remedy.result.worst.reserved,
            },
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def figures(self) -> Mapping[str, Figure]:
        """Draw what each rank holds, and what a GPU has."""
        import matplotlib

        from simcore.plots import STYLE, caption, new_figure
        from simcore.studies.deployment.figures import draw_memory

        with matplotlib.rc_context(STYLE):
            figure = new_figure(6.4, 3.4)
            axes = figure.subplots()
            draw_memory(axes, self.evaluation.memory, self.capacity)
            figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
        name = self.deployment.evaluator.machine.profile.name
        text = f"{self.deployment.name} on {self.evaluation.layout.gpus} {name}; {layout_text(self.evaluation.layout)}"
        return {self.stem: caption(figure, text)}

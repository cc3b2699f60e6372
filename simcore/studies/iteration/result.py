"""What ``simcore train MODEL`` gives: the parts of an iteration, what each rank holds, and a timeline of the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simcore.models.training.parallel.memory import KINDS
from simcore.report import Block
from simcore.results import Table, Timeline
from simcore.studies.deployment.words import degrees, details, layout_dict, stack_dict
from simcore.studies.iteration.outcome import IterationOutcome
from simcore.studies.iteration.report import report, sentences
from simcore.studies.iteration.stages import simulated_slices, stage_slices
from simcore.timeline.slices import Slice, timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class IterationResult(IterationOutcome):
    """Time and memory of a training iteration, as tables, report, figures and JSON; see `IterationOutcome`."""

    stem = "train"

    def tables(self) -> Mapping[str, Table]:
        """Return the parts of the iteration, what it rests on, what each rank holds, and activations by operator."""
        total = self.time
        parts = Table(
            ["part", "time", "share"],
            [(name, seconds, seconds / total) for name, seconds in self.evaluation.parts.items()],
            {"time": "s"},
        )
        memory = Table(
            ["rank", "parameters", *KINDS, "allocated", "reserved"],
            [
                (one.rank, one.parameters, *(one.kinds[kind] for kind in KINDS), one.allocated, one.reserved)
                for one in self.evaluation.memory
            ],
            dict.fromkeys([*KINDS, "allocated", "reserved"], "B"),
        )
        rows = [(one.rank, path, size) for one in self.evaluation.memory for path, size in one.operators.items()]
        operators = Table(["rank", "operator", "activations"], rows, {"activations": "B"})
        return {"parts": parts, "terms": self.terms_table(total), "memory": memory, "activations": operators}

    def report(self) -> Sequence[Block]:
        """Return the parts of the iteration, rates, memory, and what limits."""
        return report(self)

    def sentences(self) -> list[str]:
        """Return what limits the iteration, and what to change first."""
        return sentences(self)

    @cached_property
    def slices(self) -> list[Slice]:
        """What each stage does when, in closed form."""
        return stage_slices(self.evaluation)

    def timeline(self) -> Timeline:
        """Return what each stage does when, a track each; as it was simulated, where it was."""
        slices = self.slices if self.simulated is None else simulated_slices(self.simulated)
        layout = self.evaluation.layout
        name = f"simcore train {self.deployment.name}, {degrees(layout)}; {details(layout)}"
        return timeline(slices, name)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        one, layout = self.evaluation, self.evaluation.layout
        return {
            "model": self.deployment.name,
            "device": self.deployment.evaluator.machine.profile.name,
            "gpus": layout.gpus,
            "sequence": self.deployment.sequence,
            "layout": layout_dict(layout),
            "iteration_time": self.time,
            **self.interval_dict(),
            "stack": stack_dict(self.deployment.evaluator.machine.stack),
            "simulated": None if self.simulated is None else {
                "time": self.simulated.time, "difference": self.difference, "chunks": self.chunks,
            },
            "parts": dict(one.parts),
            "kernel_error": one.error,
            "tokens_per_second": self.tokens_per_second,
            "samples_per_second": layout.global_batch / self.time,
            "model_flop": one.flop,
            "hardware_flop": one.hardware_flop,
            "model_flops_per_gpu": one.flops,
            "hardware_flops_per_gpu": one.hardware_flops,
            "mfu": None if self.peak is None else one.flops / self.peak,
            "hfu": None if self.peak is None else one.hardware_flops / self.peak,
            "training": None if self.training_seconds is None else {
                "tokens": self.training_tokens, "seconds": self.training_seconds,
                "gpu_hours": self.training_seconds * layout.gpus / 3600,
            },
            "fits": self.fits,
            "capacity": self.capacity,
            "worst_rank": one.worst.rank,
            "memory": [dict(row) for row in self.tables()["memory"]],
            "activations": [dict(row) for row in self.tables()["activations"]],
            "change": None if self.change is None else {
                "what": self.change.what, "time": self.change.result.time,
                "reserved": self.change.result.worst.reserved,
            },
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }  # fmt: skip

    def figures(self) -> Mapping[str, Figure]:
        """Draw the parts of the iteration with what each rank holds, and when each stage does what."""
        from simcore.plots import caption
        from simcore.studies.iteration.figures import draw, draw_stages

        text = (
            f"{self.deployment.name} on {self.evaluation.layout.gpus} {self.deployment.evaluator.machine.profile.name}"
        )
        what = f"{text}; {degrees(self.evaluation.layout)}; {details(self.evaluation.layout)}"
        return {
            self.stem: caption(draw(self.evaluation, self.capacity), what),
            "stages": caption(draw_stages(self.slices, self.evaluation), what),
        }

"""What ``simcore optimize`` returns: a bandwidth plan, why it is so, a figure, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simcore.models.bandwidth.target import Target
from simcore.models.training.closed_form import StepTime
from simcore.report import Block
from simcore.results import Table
from simcore.studies.optimize.outcome import OptimizeOutcome
from simcore.studies.optimize.reasons import moved, reasons, unknown
from simcore.studies.optimize.report import report
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class OptimizeResult(OptimizeOutcome):
    """A bandwidth plan and where it comes from, see `OptimizeOutcome` for its numbers."""

    stem = "plan"

    @cached_property
    def dimensions(self) -> Table:
        """The split as a table, one row per dimension: B/s, seconds, dollars, seconds per GB/s."""
        columns = ["dimension", "block", "npus", "level", "bandwidth", "share", "busy", "gain", "cost", "bottleneck_of"]
        rows = [
            (
                index, dimension.block.value, dimension.size, dimension.level, report.bandwidth, report.share,
                report.busy, report.gain, report.cost, "; ".join(report.bottleneck_of),
            )
            for index, (dimension, report) in enumerate(
                zip(self.topology.dimensions, self.plan.dimensions, strict=True), 1
            )
        ]  # fmt: skip
        return Table(columns, rows)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        plan = self.plan
        return {
            "workloads": [{"name": each.name, "tp": each.tp, "dp": each.dp} for each in self.workloads],
            "bandwidths": list(plan.bandwidths),
            "iteration_time": plan.iteration_time,
            "lower_bound": plan.lower_bound,
            "relative_gap": plan.relative_gap,
            "cost": plan.cost,
            "perf_per_cost": plan.perf_per_cost,
            "equal_split_time": plan.equal_split_time,
            "equal_split_cost": plan.equal_split_cost,
            "bottlenecks": [list(report.bottleneck_of) for report in plan.dimensions],
            "solver": {
                "status": "optimal",
                "method": "cutting planes with HiGHS, Lagrangian lower bound",
                "objective": "iteration_time [s]" if plan.target is Target.PERF else "iteration_time x cost [s $]",
                "value": plan.objective,
                "linear_programs": plan.linear_programs,
            },
            "step": _split(plan.step),
            "dimensions": [dict(row) for row in self.dimensions],
            "shadow_prices": [
                {
                    "of": price.name,
                    "s_per_B/s": price.per_bandwidth,
                    "s_per_dollar": price.per_dollar,
                    "shift": moved(price),
                    "unknown": unknown(price),
                }
                for price in plan.shadow_prices
            ],
            "reasons": self.sentences(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def tables(self) -> Mapping[str, Table]:
        """Return the table of dimensions."""
        return {self.stem: self.dimensions}

    def sentences(self) -> list[str]:
        """Return why the split is so."""
        return reasons(self.plan)

    def report(self) -> Sequence[Block]:
        """Return the split, what the iteration is spent on, shadow prices, reasons and the certificate."""
        return report(self)

    def figures(self) -> Mapping[str, Figure]:
        """Draw the split and the iteration beside those of an equal split."""
        from simcore.plots import caption
        from simcore.studies.optimize.figures import draw

        steps = {"equal": self.plan.equal_split, "found": self.plan.step}
        costs = {"equal": self.plan.equal_split_cost, "found": self.plan.cost}
        figure = draw(self.dimensions, {name: _split(step) for name, step in steps.items()}, costs)
        budget = f"{self.topology.name}, {format_si(self.plan.budget, 'B/s')} per NPU"
        names = " + ".join(each.title for each in self.workloads)
        profile = f", profile {self.profile}" if self.profile else ""
        text = f"{budget}; {names}, {self.plan.target.value}, {self.request.loop}{profile}"
        return {self.stem: caption(figure, text)}


def _split(step: StepTime) -> dict[str, float]:
    """Return what an iteration is spent on [s]."""
    return {
        "compute": step.compute,
        "forward": step.forward,
        "input_gradient": step.input_gradient,
        "weight_gradient": step.weight_gradient,
    }

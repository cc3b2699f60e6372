"""What ``simcore optimize`` returns: a bandwidth plan as a table, a figure, and plain containers for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.models.bandwidth.plan import BandwidthPlan, Target
from simcore.models.network.topology import Topology
from simcore.models.training.closed_form import StepTime, TrainingLoop
from simcore.outputs import atomic_directory, write_atomic
from simcore.results import Provenance, Table, to_json
from simcore.units import format_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class OptimizeResult:
    """A bandwidth plan and where it comes from.

    Attributes
    ----------
    plan : BandwidthPlan
        The split, its certificate and its reasons.
    topology : Topology
        The network.
    workloads : tuple of str
        Names; where there are several, times are their mean.
    loop : TrainingLoop
        The overlap rule.
    provenance : Provenance
        How to make it again.
    seconds : float
        CPU time of the search [s]; not part of the written result.
    warnings : tuple of str
        What a reader must know before relying on the plan.
    """

    plan: BandwidthPlan
    topology: Topology
    workloads: tuple[str, ...]
    loop: TrainingLoop
    provenance: Provenance
    seconds: float = field(compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
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
            "dimensions": [dict(row) for row in self.table],
            "shadow_prices": [
                {
                    "of": price.name,
                    "s_per_B/s": price.per_bandwidth,
                    "s_per_dollar": price.per_dollar,
                    "shift": price.shift,
                    "unknown": price.unknown,
                }
                for price in plan.prices
            ],
            "reasons": list(plan.reasons),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def plot(self) -> Figure:
        """Draw the split and the iteration beside those of an equal split."""
        from simcore.plots import caption
        from simcore.studies.optimize.figures import draw

        steps = {"equal": self.plan.equal_split, "found": self.plan.step}
        figure = draw(self.table, {name: _split(step) for name, step in steps.items()})
        budget = f"{self.topology.name}, {format_si(self.plan.budget, 'B/s')} per NPU"
        how = f"{' + '.join(self.workloads)}, {self.plan.target.value}, {self.loop.value}"
        profile = self.provenance.inputs.get("profile")
        return caption(figure, f"{budget}; {how}" + (f", profile {profile}" if profile is not None else ""))

    def write(self, directory: Path, *, force: bool = False) -> None:
        """Write ``plan.json``, ``plan.csv``, ``plan.png`` and ``plan.pdf`` into a new directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, or it cannot be written.
        """
        from simcore.plots import save

        with atomic_directory(directory, force=force) as scratch:
            write_atomic(scratch / "plan.json", to_json(self.as_dict()))
            write_atomic(scratch / "plan.csv", self.table.to_csv())
            save(self.plot(), scratch / "plan")


def _split(step: StepTime) -> dict[str, float]:
    """Return what an iteration is spent on [s]."""
    return {
        "compute": step.compute,
        "forward": step.forward,
        "input_gradient": step.input_gradient,
        "weight_gradient": step.weight_gradient,
    }

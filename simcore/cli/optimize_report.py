"""What `simcore optimize` prints: tables that a person reads, in GB/s, milliseconds and dollars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from simcore.cli.console import as_text, compute_of, plain_table
from simcore.models.bandwidth.explain import DimensionReport
from simcore.models.bandwidth.plan import BandwidthPlan, Target
from simcore.models.bandwidth.shadow import ShadowPrice
from simcore.studies.optimize.result import OptimizeResult
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from rich.table import Table

_GIGABYTE = 1e9
_LONG = 26
"""Characters of a network's dimension from which its level has a line of its own."""


def report(result: OptimizeResult, width: int = 100) -> str:
    """Return a plan as text of at most `width` columns."""
    return as_text(_parts(result), width)


def _parts(result: OptimizeResult) -> Iterator[object]:
    plan = result.plan
    yield (
        f"{result.topology.name}, {plan.budget / _GIGABYTE:g} GB/s per NPU, {_workloads(result)}, "
        f"{plan.target.value}, {result.loop.value}"
        + (", forward collectives twice" if result.provenance.inputs["recompute"] else "")
        + compute_of(result.provenance.inputs)
    )
    for table in (_dimensions(result), _iteration(result), _prices(plan)):
        yield ""
        yield table
    yield "\nWhy this split"
    yield from (f"- {reason}" for reason in plan.reasons)
    unit = "s" if plan.target is Target.PERF else "s $"
    yield (
        f"\nCertificate: no split has less than {plan.lower_bound:.10g} {unit}; this one has "
        f"{plan.objective:.10g} {unit}, a relative gap of {plan.relative_gap:.1e}. Solver: optimal, "
        f"{counted(plan.linear_programs, 'linear program')}, {result.seconds:.3f} CPU seconds."
    )


def _workloads(result: OptimizeResult) -> str:
    """Name what runs, one workload with its degrees of parallelism."""
    groups, names = result.provenance.inputs["communicator"], " + ".join(result.workloads)
    if groups is not None:
        return f"{names} in the groups of {groups}"
    return names if len(result.workloads) > 1 else f"{names} ({result.provenance.notes[0].rpartition(': ')[2]})"


def _dimensions(result: OptimizeResult) -> Table:
    columns = ("dim", "network", "bottleneck of", "GB/s", "share", "busy", "1 GB/s more saves")
    table = plain_table(*columns, left=(0, 1, 2))
    table.columns[1].no_wrap = True
    words = [word for found in result.plan.dimensions for label in found.bottleneck_of for word in label.split()]
    table.columns[2].min_width = max(map(len, words), default=0)  # else the longest is cut
    dimensions = zip(result.topology.dimensions, result.plan.dimensions, strict=True)
    for index, (dimension, found) in enumerate(dimensions, 1):
        shape = f"{dimension.block.value} {dimension.size}"
        apart = "\n" if len(shape) + len(dimension.level) >= _LONG else " "
        network = f"{shape}{apart}{dimension.level}".rstrip()
        network += " (idle)" if dimension.size == 1 else ""
        table.add_row(
            str(index),
            network,
            "\n".join(found.bottleneck_of) or "-",
            f"{found.bandwidth / _GIGABYTE:.6g}",
            f"{found.share:.2%}",
            format_si(found.busy, "s"),
            _gain(found),
        )
    return table


def _gain(found: DimensionReport) -> str:
    if found.gain:
        return format_si(found.gain, "s")
    if found.ties_with:
        return f"0, ties with {', '.join(map(str, found.ties_with))}"
    return "0, no bottleneck" if not found.bottleneck_of else "0, hidden"


def _iteration(result: OptimizeResult) -> Table:
    plan, step, inputs = result.plan, result.plan.step, result.provenance.inputs
    parts = {"forward": step.forward, "input gradient": step.input_gradient, "weight gradient": step.weight_gradient}
    exposed = ", ".join(f"{name} {format_si(value, 's', 3)}" for name, value in parts.items())
    limited = inputs["caps"] or inputs["minima"] or inputs["constraints"]
    equal = f"{format_si(plan.equal_split_time, 's', 7)}: speed-up {plan.speedup:.4f}"
    table = plain_table("iteration", "", left=(0, 1))
    for name, value in {
        "time": format_si(plan.iteration_time, "s", 7),
        "compute": format_si(step.compute, "s"),
        "exposed communication": f"{format_si(step.communication, 's')} ({exposed})",
        "equal split": equal + (" (whatever the limits)" if limited else ""),
        "network cost": f"${plan.cost:,.0f}; equal split ${plan.equal_split_cost:,.0f}",
        "performance per cost": f"{1e6 * plan.perf_per_cost:.6g} iterations per second and million dollars",
        "  over the equal split": f"{plan.perf_per_cost_gain:.4g} x",
    }.items():
        table.add_row(name, value)
    return table


def _prices(plan: BandwidthPlan) -> Table:
    held = ", network cost held" if plan.target is Target.PER_COST else ""
    table = plain_table(f"shadow price{held}", "saves per GB/s", "saves per $")
    for price in plan.prices:
        table.add_row(f"{price.name}\n  with {price.shift}" if price.shift else price.name, *_saved(price))
    return table


def _saved(price: ShadowPrice) -> tuple[str, str]:
    if price.unknown:
        return "unknown", "unknown"
    if price.shift:  # says which way; the amount is what that way saves
        per_dollar = None if price.per_dollar is None else abs(price.per_dollar)
        price = replace(price, per_bandwidth=abs(price.per_bandwidth or 0.0), per_dollar=per_dollar)
    per_bandwidth = "-" if price.per_bandwidth is None else _signed(price.per_bandwidth * _GIGABYTE)
    return per_bandwidth, "-" if price.per_dollar is None else _signed(price.per_dollar)


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else ''}{format_si(abs(seconds), 's')}"

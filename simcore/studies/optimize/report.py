"""What is said of a bandwidth plan, in GB/s, milliseconds and dollars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from simcore.models.bandwidth.dimensions import DimensionReport
from simcore.models.bandwidth.plan import BandwidthPlan
from simcore.models.bandwidth.shadow import ShadowPrice
from simcore.models.bandwidth.target import Target
from simcore.report import Block, Column, Grid, Headline, Sentences, Text, grid
from simcore.studies.optimize.outcome import OptimizeOutcome
from simcore.studies.optimize.reasons import moved, reasons
from simcore.units import counted, format_si

_GIGABYTE = 1e9
_LONG = 17
"""Characters of a network's dimension from which its level has a line of its own."""


def report(result: OptimizeOutcome) -> list[Block]:
    """Return the split, what the iteration is spent on, shadow prices, reasons and the certificate."""
    plan = result.plan
    unit = "s" if plan.target is Target.PERF else "s $"
    return [
        Headline(
            f"{result.topology.name}, {plan.budget / _GIGABYTE:g} GB/s per NPU, {_workloads(result)}, "
            f"{plan.target.value}, {result.request.loop}"
            + (", forward collectives twice" if result.request.recompute == "full" else "")
            + result.compute,
            "\n".join(_under(result)),
        ),
        _dimensions(result),
        _iteration(result),
        _prices(plan),
        Sentences("Why this split", reasons(plan)),
        Text(
            f"Certificate: no split has less than {plan.lower_bound:.10g} {unit}; this one has "
            f"{plan.objective:.10g} {unit}, a relative gap of {plan.relative_gap:.1e}. Solver: optimal, "
            f"{counted(plan.linear_programs, 'linear program')}, {result.cpu_seconds:.3f} CPU seconds."
        ),
    ]


def _under(result: OptimizeOutcome) -> Iterator[str]:
    """Say what runs, and what recomputation is here."""
    several = len(result.workloads) > 1
    for each in result.workloads:
        if each.setting is not None:
            yield (f"{each.title}: " if several else "") + each.setting.words(each.dp)
    if result.request.device is None:
        again = result.request.recompute == "full"
        yield "recomputed: collectives of forward passes, no compute (simcore train: both)" if again else NOTHING


NOTHING = "nothing is recomputed (simcore train recomputes by default, compute and collectives)"
"""What recomputation is in a plan where nobody asks for it, beside what it is in a simulated iteration."""


def _workloads(result: OptimizeOutcome) -> str:
    """Name what runs, one workload with its degrees of parallelism."""
    groups, names = result.request.communicator, " + ".join(each.title for each in result.workloads)
    if groups is not None:
        return f"{names} in the groups of {groups}"
    if len(result.workloads) > 1:
        return names
    (alone,) = result.workloads
    return f"{names} (TP {alone.tp} x DP {alone.dp})"


def _dimensions(result: OptimizeOutcome) -> Grid:
    columns = [
        Column("dim", left=True),
        Column("network", left=True, whole=True),
        Column("bottleneck of", left=True),
        *(Column(name, whole=True) for name in ("GB/s", "share", "busy")),
        Column("1 GB/s more saves"),
    ]
    rows = []
    for index, (dimension, split) in enumerate(zip(result.topology.dimensions, result.plan.dimensions, strict=True), 1):
        shape = f"{dimension.block.value} {dimension.size}"
        apart = "\n" if len(shape) + len(dimension.level) >= _LONG else " "
        network = f"{shape}{apart}{dimension.level}".rstrip()
        network += " (idle)" if dimension.size == 1 else ""
        rows.append(
            (
                str(index),
                network,
                "\n".join(split.bottleneck_of) or "-",
                f"{split.bandwidth / _GIGABYTE:.6g}",
                f"{split.share:.2%}",
                format_si(split.busy, "s"),
                _gain(split),
            )
        )
    return Grid(columns, rows)


def _gain(dimension: DimensionReport) -> str:
    if dimension.gain:
        return format_si(dimension.gain, "s")
    if dimension.ties_with:
        return f"0, ties with {', '.join(map(str, dimension.ties_with))}"
    return "0, no bottleneck" if not dimension.bottleneck_of else "0, hidden"


def _iteration(result: OptimizeOutcome) -> Grid:
    plan, step, request = result.plan, result.plan.step, result.request
    parts = {"forward": step.forward, "input gradient": step.input_gradient, "weight gradient": step.weight_gradient}
    exposed = ", ".join(f"{name} {format_si(value, 's', 3)}" for name, value in parts.items())
    limited = request.caps or request.minima or request.constraints
    equal = f"{format_si(plan.equal_split_time, 's', 7)}: speed-up {plan.speedup:.4f}"
    rows = {
        "time": format_si(plan.iteration_time, "s", 7),
        "compute": format_si(step.compute, "s"),
        "exposed communication": f"{format_si(step.communication, 's')} ({exposed})",
        "equal split": equal + (" (whatever the limits)" if limited else ""),
        "network cost": f"${plan.cost:,.0f}; equal split ${plan.equal_split_cost:,.0f}",
        "performance per cost": f"{1e6 * plan.perf_per_cost:.6g} iterations per second and million dollars",
        "  over the equal split": f"{plan.perf_per_cost_gain:.4g} x",
    }
    return grid("iteration", "", left=(0, 1), rows=list(rows.items()))


def _prices(plan: BandwidthPlan) -> Grid:
    held = ", network cost held" if plan.target is Target.PER_COST else ""
    rows = [
        (f"{price.name}\n  with {moved(price)}" if price.direction else price.name, *_saved(price))
        for price in plan.shadow_prices
    ]
    return grid(f"shadow price{held}", "saves per GB/s", "saves per $", rows=rows)


def _saved(price: ShadowPrice) -> tuple[str, str]:
    if price.unknown:
        return "unknown", "unknown"
    if price.direction:  # says which way; the amount is what that way saves
        per_dollar = None if price.per_dollar is None else abs(price.per_dollar)
        price = replace(price, per_bandwidth=abs(price.per_bandwidth or 0.0), per_dollar=per_dollar)
    per_bandwidth = "-" if price.per_bandwidth is None else _signed(price.per_bandwidth * _GIGABYTE)
    return per_bandwidth, "-" if price.per_dollar is None else _signed(price.per_dollar)


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else ''}{format_si(abs(seconds), 's')}"

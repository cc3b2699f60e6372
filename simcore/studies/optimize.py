"""``simcore optimize``: resolve the inputs, find the best split of a bandwidth budget, and return it as a result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError
from simcore.models.bandwidth.plan import BandwidthPlan, Target, best_plan
from simcore.models.bandwidth.region import FLOOR, FLOOR_TEXT, make_region
from simcore.models.compute.operators import ProfiledTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.transformer import Variant
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Topology
from simcore.models.training import StepModel, StepTime, TrainingLoop, compile_step, mean_step
from simcore.models.workload import Workload
from simcore.outputs import atomic_directory, check_output, write_atomic
from simcore.results import Provenance, Table, to_json, versions
from simcore.studies.inputs import choice, parallelism, parse_budget, shown
from simcore.studies.optimize_inputs import (
    Limits,
    compute_times,
    default_cost,
    hashes,
    read_limits,
    read_prices,
    read_workloads,
)

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
        from simcore.plots.plan import draw

        steps = {"equal": self.plan.equal_split, "found": self.plan.step}
        return draw(self.table, {name: _split(step) for name, step in steps.items()})

    def write(self, directory: Path, *, force: bool = False) -> None:
        """Write ``plan.json``, ``plan.csv``, ``plan.png`` and ``plan.pdf`` into a new directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, or it cannot be written.
        """
        from simcore.plots.style import save

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


def optimize(
    network: str | Path,
    budget: float | str,
    workload: str | Path,
    target: str | Target = Target.PERF,
    loop: str | TrainingLoop = TrainingLoop.NO_OVERLAP,
    *,
    recompute: bool = False,
    caps: Limits | None = None,
    minima: Limits | None = None,
    constraints: Sequence[str] = (),
    cost: str | Path | None = None,
    tp: int | None = None,
    dp: int | None = None,
    communicator: str | Path | None = None,
    variant: Variant = "optimizer",
    sequence: int | None = None,
    batch: int | None = None,
    at_most: bool = False,
    profile: str | Path | KernelProfile | None = None,
    dtype: str | None = None,
    output: Path | None = None,
    force: bool = False,
) -> OptimizeResult:
    """Split a bandwidth budget over the dimensions of a network, as well as it can be done, with a proof.

    Parameters
    ----------
    network, workload : str or Path
        Names in the zoo or paths of files.
    budget : float or str
        Bandwidth of one NPU in all: a number in B/s, or text such as ``"325 GB/s"``; bare text is GB/s.
    target : {'Perf', 'PerfPerCost'}
        Whether to make the iteration time least, or the iteration time x the network's cost.
    loop : {'NoOverlap', 'Overlap'}
        The overlap rule, see `simcore.models.training.TrainingLoop`.
    recompute : bool
        Whether forward collectives run twice, because activations are recomputed.
    caps, minima : mapping, optional
        Limits by dimension (``"1"``, ``"b1"`` or a level's name that occurs once), as numbers in B/s or as text.
    constraints : sequence of str
        Linear constraints over b1 .. bD and total, numbers in GB/s: ``"b1 >= b2"``.
    cost : str or Path, optional
        Cost model; by default the first in the zoo that prices all levels of the network.
    tp, dp : int, optional
        In place of the workload's degrees of tensor and data parallelism.
    communicator : str or Path, optional
        A file of explicit groups, in place of TP and DP.
    variant : {'optimizer', 'evaluation'}
        Whether each layer sums its own weight gradients, or the first layer those of all.
    sequence, batch : int, optional
        Tokens per sequence and sequences per replica, in place of a transformer's own.
    at_most : bool
        Whether the budget may be left in part. With PerfPerCost a smaller network is always the better one, so that the
        plan then ends at the floor of 1e-6 of the budget in some dimension.
    profile : str, Path or KernelProfile, optional
        A kernel profile, whose predicted times take the place of a transformer's constant rate.
    dtype : str, optional
        Number format of the profile's kernels; by default one that holds the model's bytes per element.
    output : Path, optional
        Directory for `OptimizeResult.write`, refused here, before the work, if it exists and `force` is false.
    force : bool
        Whether to replace `output`.

    Returns
    -------
    OptimizeResult
        With ``.plan``, ``.table`` and ``.plot()``.

    Raises
    ------
    InputError
        If an input is wrong; limits that conflict are named.
    RunError
        If the search does not converge.

    Examples
    --------
    >>> result = optimize("4D", "325 GB/s", "1T")
    >>> [round(b / 1e9, 2) for b in result.plan.bandwidths]
    [140.46, 122.91, 15.36, 46.27]
    """
    from simcore.zoo.load_networks import load_network

    if output is not None:
        check_output(output, force=force)
    total = parse_budget(budget)
    target, loop = choice("TARGET", target, Target), choice("LOOP", loop, TrainingLoop)
    topology = load_network(network, "NETWORK")
    limits = read_limits(caps, minima, constraints, topology)
    degrees = parallelism(communicator, topology, tp, dp)
    device, times = compute_times(profile, dtype)
    workloads, groups = read_workloads(
        workload, topology, degrees, variant=variant, sequence=sequence, batch=batch, times=times
    )
    cost = default_cost(topology) if cost is None else cost
    prices = read_prices(cost, topology)
    region = make_region(total, len(topology.dimensions), limits, at_most=at_most)
    model = _model(workloads, groups, loop, recompute)
    if model.compute == 0 and not model.streams:
        raise InputError("WORKLOAD", f"'{workload}', which computes and sends nothing", "a workload that takes time")
    started = time.process_time()
    plan = best_plan(model, region, prices, target)
    seconds = time.process_time() - started
    inputs = {
        "network": str(network), "budget": total, "workload": str(workload), "target": target.value, "loop": loop.value,
        "recompute": recompute, "caps": {key: shown(value) for key, value in (caps or {}).items()},
        "minima": {key: shown(value) for key, value in (minima or {}).items()}, "constraints": list(constraints),
        "cost": str(cost), "tp": tp, "dp": dp, "communicator": None if communicator is None else str(communicator),
        "variant": variant, "sequence": sequence, "batch": batch, "at_most": at_most,
        **({} if device is None else {"profile": device.name, "dtype": dtype}),
    }  # fmt: skip
    cautions = times.notes() if isinstance(times, ProfiledTimes) else []
    provenance = Provenance(
        command="optimize",
        inputs=inputs,
        sha256=hashes(network, workload, cost, communicator) | ({} if device is None else {"profile": device.sha256}),
        notes=[
            *([f"{each.name}: TP {each.tp} x DP {each.dp}" for each in workloads] if communicator is None else []),
            *cautions,
        ],
        counts={"linear_programs": plan.linear_programs},
        versions=versions("numpy", "scipy"),
    )
    names = tuple(each.name for each in workloads)
    cautions += [*degrees.cautions(topology), *_on_the_floor(plan, at_most)]
    return OptimizeResult(plan, topology, names, loop, provenance, seconds, tuple(cautions))


def _on_the_floor(plan: BandwidthPlan, at_most: bool) -> list[str]:
    """Say which dimensions have the least that a plan gives, although they carry something."""
    floor = FLOOR * plan.budget
    found = [i for i, each in enumerate(plan.dimensions, 1) if each.bandwidth <= 1.001 * floor and each.busy > 0]
    if not found:
        return []
    total = " or --constraint 'total >= ...'" if at_most else ""
    those = f"dimension{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"
    return [
        f"{those} {'have' if len(found) > 1 else 'has'} the floor of {FLOOR_TEXT}: that floor, not economics, sets "
        f"this plan. Give --min{total}."
    ]


def _model(workloads: Sequence[Workload], groups: Sequence[Groups], loop: TrainingLoop, recompute: bool) -> StepModel:
    models = [compile_step(each, group, loop, recompute) for each, group in zip(workloads, groups, strict=True)]
    return models[0] if len(models) == 1 else mean_step(models, [each.name for each in workloads])

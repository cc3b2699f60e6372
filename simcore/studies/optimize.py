"""``simcore optimize``: resolve the inputs, find the best split of a bandwidth budget, and return it as a result."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simcore.errors import InputError
from simcore.models.bandwidth.expressions import parse_constraint
from simcore.models.bandwidth.plan import BandwidthPlan, Target, best_plan
from simcore.models.bandwidth.region import Constraint, cap, make_region, minimum
from simcore.models.compute.operators import ProfiledTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.cost import cost_coefficients
from simcore.models.network.mapping import Groups, map_parallelism
from simcore.models.network.topology import Topology
from simcore.models.training import StepModel, StepTime, TrainingLoop, compile_step, mean_step
from simcore.models.workload import Workload
from simcore.outputs import atomic_directory, check_output, write_atomic
from simcore.results import Provenance, Table, to_json, versions
from simcore.studies.optimize_inputs import (
    bandwidth,
    choice,
    compute_times,
    default_cost,
    dimension_index,
    explicit_groups,
    hashes,
    parse_budget,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Limits = Mapping[str, float | str]
Variant = Literal["optimizer", "evaluation"]


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
    cautions : tuple of str
        What a reader must know of compute times that a kernel profile gave.
    """

    plan: BandwidthPlan
    topology: Topology
    workloads: tuple[str, ...]
    loop: TrainingLoop
    provenance: Provenance
    seconds: float = field(compare=False)
    cautions: tuple[str, ...] = ()

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
                {"of": price.name, "s_per_B/s": price.per_bandwidth, "s_per_dollar": price.per_dollar}
                for price in plan.prices
            ],
            "reasons": list(plan.reasons),
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
    from simcore.zoo.load_costs import load_costs
    from simcore.zoo.load_networks import load_network
    from simcore.zoo.load_workloads import load_workload, load_workloads

    if output is not None:
        check_output(output, force=force)
    total = parse_budget(budget)
    target, loop = choice("TARGET", target, Target), choice("LOOP", loop, TrainingLoop)
    topology = load_network(network, "NETWORK")
    size = len(topology.dimensions)
    limits: list[Constraint] = []
    for option, given, make in (("--cap", caps or {}, cap), ("--min", minima or {}, minimum)):
        for key, value in given.items():
            index = dimension_index(key, topology, option)
            limits.append(make(index, bandwidth(value, f"{option} {key}"), size, f"{option} {key}={shown(value)}"))
    for text in constraints:
        limits += parse_constraint(text, size)
    explicit = explicit_groups(communicator, topology, tp, dp)
    if explicit is not None:
        tp, dp = math.prod(explicit.tp), math.prod(explicit.dp)
    device, times = compute_times(profile, dtype)
    one = sequence is not None or batch is not None
    load = partial(load_workload, sequence=sequence, batch=batch) if one else load_workloads
    loaded = load(workload, "WORKLOAD", variant=variant, tp=tp, dp=dp, npus=topology.npus, times=times)
    workloads = (loaded,) if isinstance(loaded, Workload) else loaded
    groups = [explicit or map_parallelism(topology, each.tp, each.dp, f"workload {each.name}") for each in workloads]
    cost = default_cost(topology) if cost is None else cost
    costs = load_costs(cost, "--cost")
    prices = np.array(cost_coefficients(topology, costs))
    if not prices.any():
        raise InputError("--cost", f"'{cost}', where the whole network is free", "prices above 0")
    region = make_region(total, size, limits, at_most=at_most)
    model = _model(workloads, groups, loop, recompute)
    if model.compute == 0 and not model.streams:
        raise InputError("WORKLOAD", f"'{workload}', which computes and sends nothing", "a workload that takes time")
    started = time.process_time()
    plan = best_plan(model, region, prices, target)
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
    seconds = time.process_time() - started
    names = tuple(each.name for each in workloads)
    return OptimizeResult(plan, topology, names, loop, provenance, seconds, tuple(cautions))


def _model(workloads: Sequence[Workload], groups: Sequence[Groups], loop: TrainingLoop, recompute: bool) -> StepModel:
    models = [compile_step(each, group, loop, recompute) for each, group in zip(workloads, groups, strict=True)]
    return models[0] if len(models) == 1 else mean_step(models, [each.name for each in workloads])

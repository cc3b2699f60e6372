"""``simcore optimize``: resolve the inputs, find the best split of a bandwidth budget, and return it as a result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simcore.errors import InputError
from simcore.models.bandwidth.plan import BandwidthPlan, Target, best_plan
from simcore.models.bandwidth.region import FLOOR, FLOOR_TEXT, make_region
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import Groups
from simcore.models.training.closed_form import StepModel, TrainingLoop, compile_step, mean_step
from simcore.models.training.operators import ProfiledTimes
from simcore.models.training.transformer import Variant
from simcore.models.training.workload import Workload
from simcore.outputs import check_output
from simcore.results import Provenance, versions
from simcore.studies.inputs import choice, parallelism, parse_budget, shown
from simcore.studies.optimize.inputs import (
    Limits,
    compute_source,
    compute_times,
    default_cost,
    place_workloads,
    price_dimensions,
    read_limits,
)
from simcore.studies.optimize.result import OptimizeResult

if TYPE_CHECKING:
    pass


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
        The overlap rule, see `simcore.models.training.closed_form.TrainingLoop`.
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
        Number format of the profile's kernels, whose width activations, weights and gradients then have; by default one
        as wide as the model's elements.
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
    from simcore.readers.costs import read_costs
    from simcore.readers.networks import read_network

    if output is not None:
        check_output(output, force=force)
    total = parse_budget(budget)
    target, loop = choice("TARGET", target, Target), choice("LOOP", loop, TrainingLoop)
    named = read_network(network, "NETWORK")
    topology = named.value.topology
    limits = read_limits(caps, minima, constraints, topology)
    degrees = parallelism(communicator, topology, tp, dp)
    device, times = compute_times(profile, dtype)
    loads, groups = place_workloads(
        workload, topology, degrees, variant=variant, sequence=sequence, batch=batch, times=times
    )
    costs = default_cost(topology) if cost is None else read_costs(cost, "--cost")
    prices = price_dimensions(costs, topology)
    region = make_region(total, len(topology.dimensions), limits, at_most=at_most)
    model = _model(workload, loads.value, groups, loop, recompute)
    started = time.process_time()
    plan = best_plan(model, region, prices, target)
    seconds = time.process_time() - started
    inputs = {
        "network": str(network), "budget": total, "workload": str(workload), "target": target.value, "loop": loop.value,
        "recompute": recompute, "caps": {key: shown(value) for key, value in (caps or {}).items()},
        "minima": {key: shown(value) for key, value in (minima or {}).items()}, "constraints": list(constraints),
        "cost": costs.name if cost is None else str(cost), "tp": tp, "dp": dp,
        "communicator": None if communicator is None else str(communicator),
        "variant": variant, "sequence": sequence, "batch": batch, "at_most": at_most,
    }  # fmt: skip
    sha256 = {"network": named.sha256, "workload": loads.sha256, "cost": costs.sha256, **degrees.sha256}
    if device is not None:
        inputs |= compute_source(times)
        sha256 |= {"profile": device.sha256}
    split = [f"{each.name}: TP {each.tp} x DP {each.dp}" for each in loads.value] if communicator is None else []
    of_times = times.notes() if isinstance(times, ProfiledTimes) else []
    provenance = Provenance(
        command="optimize",
        inputs=inputs,
        sha256=sha256,
        notes=[*split, *of_times],
        counts={"linear_programs": plan.linear_programs},
        versions=versions("numpy", "scipy"),
    )
    names = tuple(each.name for each in loads.value)
    warnings = (*of_times, *degrees.cautions(topology), *_on_the_floor(plan, at_most))
    return OptimizeResult(plan, topology, names, loop, provenance, seconds, warnings)


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


def _model(
    given: str | Path, workloads: Sequence[Workload], groups: Sequence[Groups], loop: TrainingLoop, recompute: bool
) -> StepModel:
    """Compile what was given as the workload; of several, the mean."""
    models = [compile_step(each, group, loop, recompute) for each, group in zip(workloads, groups, strict=True)]
    model = models[0] if len(models) == 1 else mean_step(models, [each.name for each in workloads])
    if model.compute == 0 and not model.streams:
        raise InputError("WORKLOAD", f"'{given}', which computes and sends nothing", "a workload that takes time")
    return model

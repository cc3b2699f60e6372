"""``simcore optimize``: find the best split of a bandwidth budget, with a certificate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from simcore.errors import InputError, field
from simcore.models.bandwidth.plan import BandwidthPlan, best_plan
from simcore.models.bandwidth.region import FLOOR, FLOOR_TEXT
from simcore.models.bandwidth.target import Target
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Topology
from simcore.models.training.closed_form import StepModel, compile_step, mean_step
from simcore.models.training.notes import notes_on
from simcore.models.training.program import Loop
from simcore.models.training.workload import Workload
from simcore.readers.costs import read_costs
from simcore.readers.network_string import NetworkSpec
from simcore.readers.networks import read_network
from simcore.results import Provenance, versions
from simcore.studies.deployment.inputs import compute_profile, compute_source, parallelism, place_workloads
from simcore.studies.inputs import in_gigabytes, parse_budget, refuse_shared
from simcore.studies.optimize.deployment import Ran, on_gpus, refuse_layouts
from simcore.studies.optimize.inputs import check_levels, default_cost, price_dimensions, read_region
from simcore.studies.optimize.request import OptimizeRequest
from simcore.studies.optimize.result import OptimizeResult
from simcore.studies.request import study


@study(OptimizeRequest)
def optimize(request: OptimizeRequest) -> OptimizeResult:
    """Split a bandwidth budget over the dimensions of a network, as well as it can be done, with a proof.

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
    total = parse_budget(request.budget, field("budget"))
    target = Target(request.target)
    named = read_network(request.network, field("network"))
    topology = named.value.topology
    refuse_shared(topology, field("network"))
    region = read_region(request, total, topology)
    ran = on_gpus(request, topology, total) if request.device is not None else _on_network(request, topology)
    check_levels(topology)
    costs = default_cost(topology) if request.cost is None else read_costs(request.cost, field("cost"))
    prices = price_dimensions(costs, topology)
    model = ran.model
    started = time.process_time()
    plan = best_plan(model, region, prices, target)
    seconds = time.process_time() - started
    sha256 = {"network": named.sha256, "cost": costs.sha256, **ran.sha256}
    cost = costs.name if request.cost is None else request.cost
    return OptimizeResult(
        plan=plan,
        topology=topology,
        workloads=ran.workloads,
        request=request,
        compute=ran.compute,
        profile=ran.profile,
        warnings=(
            *ran.notes,
            *_replaced(named.value, total),
            *ran.cautions,
            *_on_the_floor(plan, request.at_most),
        ),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(budget=total, cost=cost, **ran.settled).inputs(),
            sha256=sha256,
            counts={"linear_programs": plan.linear_programs},
            versions=versions("numpy", "scipy"),
        ),
        cpu_seconds=seconds,
    )


def _replaced(named: NetworkSpec, budget: float) -> list[str]:
    """Say that a plan takes the place of bandwidths that the network comes with."""
    if named.bandwidths is None:
        return []
    return [
        f"Network {named.topology.name} comes with bandwidths of its own, {in_gigabytes(named.bandwidths)} GB/s, which "
        f"are not used: the plan splits the {in_gigabytes([budget])} GB/s of the budget."
    ]


def _on_the_floor(plan: BandwidthPlan, at_most: bool) -> list[str]:
    """Say which dimensions have the least that a plan gives, although they carry something."""
    floor = FLOOR * plan.budget
    lowest = [i for i, each in enumerate(plan.dimensions, 1) if each.bandwidth <= 1.001 * floor and each.busy > 0]
    if not lowest:
        return []
    total = " or --constraint 'total >= ...'" if at_most else ""
    those = f"dimension{'s' if len(lowest) > 1 else ''} {', '.join(map(str, lowest))}"
    return [
        f"{those} {'have' if len(lowest) > 1 else 'has'} the floor of {FLOOR_TEXT}: that floor, not economics, sets "
        f"this plan. Give --min{total}."
    ]


def _on_network(request: OptimizeRequest, topology: Topology) -> Ran:
    """Return a workload, or several, in groups on the network."""
    refuse_layouts(request)
    degrees, device = parallelism(request, topology), compute_profile(request)
    loads, groups = place_workloads(request, request.workload, topology, degrees, device)
    sha256 = {"workload": loads.sha256, **degrees.sha256, **({} if device is None else {"profile": device.sha256})}
    model = _model(request.workload, loads.value, groups, Loop(request.loop), request.recompute == "full")
    return Ran(
        model, loads.value, compute_source(device, loads.value), "" if device is None else device.name,
        tuple(notes_on(loads.value)), tuple(degrees.cautions(topology)), sha256,
        {"recompute": request.recompute or "none"},
    )  # fmt: skip


def _model(
    given: str | Path, workloads: Sequence[Workload], groups: Sequence[Groups], loop: Loop, recompute: bool
) -> StepModel:
    """Compile what was given as the workload; of several, the mean."""
    models = [compile_step(each, group, loop, recompute) for each, group in zip(workloads, groups, strict=True)]
    model = models[0] if len(models) == 1 else mean_step(models, [each.name for each in workloads])
    if model.compute == 0 and not model.streams:
        raise InputError(
            field("workload"), f"'{given}', which computes and sends nothing", "a workload that takes time"
        )
    return model

"""``simcore evaluate network-...``: the figures and the table of the network study, in closed form or simulated.

Figures 12 to 14 set three splits of bandwidth side by side over budgets of 100 to 1000 GB/s per NPU: equal, fastest
(PerfOptBW) and fastest per dollar (PerfPerCostOptBW), with the DGX-like network at its 325 GB/s. Figure 15 asks how a
split that was made for one workload serves another. Table VI are four splits at 325 GB/s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, field
from simcore.progress import tracked
from simcore.readers.references import read_references
from simcore.report import Block
from simcore.results import Provenance, Table, versions
from simcore.studies.evaluate.grid import (
    BUDGETS,
    COLUMNS,
    COMPUTE_SCALE,
    EQUAL,
    FIXED,
    FIXED_BUDGET,
    GROUP,
    NETWORKS,
    PER_COST,
    PERF,
    PLAN_BUDGET,
    WORKLOADS,
    Planner,
    Point,
    Scene,
    equal_splits,
    file_hashes,
    fixed_points,
    load_scenes,
    rows,
)
from simcore.studies.evaluate.report import network_report
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.simulate import simulate_points
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.table6 import BUDGET, NETWORK, table6
from simcore.studies.evaluate.tables import figure12, figure13, figure14, figure15
from simcore.studies.evaluate.targets import NETWORK as FAMILY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = "sc245"
REFERENCE = "sc245"
CLOSED_FORM = (
    "Closed form, no simulation: forward compute and collectives twice, compute x 0.26, no overlap, GB/s = 2**30 B/s; "
    "cost per GB/s of budget."
)
SIMULATED = (
    "Simulated chunk by chunk with ASTRA-sim's rules: every dimension a switch, 64 chunks, ascending; compute x 0.26, "
    "recomputation, weight gradients summed at the end, GB/s = 2**30 B/s; cost per GB/s of budget."
)
BLOCKS = "17B, 175B and 1T are two blocks each of a model of that size, as published: no time is a whole model's."
FOR_CLOSED_FORM = "References are those of the closed form: how far simulated means lie from them is no error."
SCALED = "Splits are solved once, at 100 GB/s per NPU without the 0.26 and the second forward compute, and scaled."
RESOLVED = "Splits are solved at every budget, for the very iteration that is timed: published numbers do not apply."
RESOLVED_SIMULATED = (
    "Splits are solved at every budget, for the closed form of the iteration that is simulated: published numbers do "
    "not apply."
)

_FIGURES = {"network-fig12": figure12, "network-fig13": figure13, "network-fig14": figure14}


class NetworkEvaluation(Evaluation):
    """A figure or the table of the network study."""

    def report(self) -> Sequence[Block]:
        """Return the figure's numbers, their means beside published ones, and how they were made."""
        return network_report(self)

    def figures(self) -> Mapping[str, Figure]:
        """Draw the figure; Table VI has none."""
        from simcore.studies.evaluate.figures_network import FIGURES, draw

        if self.name not in FIGURES:
            return {}
        how = ["each budget with a split of its own" if self.request.resolve else "splits for 100 GB/s per NPU, scaled"]
        if self.name != "fig13":  # costs need no times
            simulated = self.request.engine == "simulate"
            how[:0] = ["times simulated chunk by chunk" if simulated else "times in closed form"]
        return {self.name: draw(self.name, self.data, "; ".join(how))}


def evaluate(
    request: EvaluateRequest,
    *,
    jobs: int | None = None,
    state: Path | State | None = None,
) -> Evaluation:
    """Evaluate one figure or table of the network study.

    Parameters
    ----------
    request : EvaluateRequest
        Small has network 2D only, for Figures 12 to 14 with workload 17B alone; Table VI, of one size, refuses it.
        To resolve is to solve each budget for itself, for the very iteration that is timed, in place of scaling the
        plan for 100 GB/s.
    jobs, state
        Of the simulation, see `simcore.studies.evaluate.simulate.simulate_points`.
    """
    target, small, resolve, engine = request.target, request.small, request.resolve, request.engine
    _check(target, engine, jobs, state)
    published = read_references(REFERENCE)
    references = published.value
    if target == "network-table6":
        for name, given, remedy in (
            ("resolve", resolve, "Table VI is solved at its own budget already."),
            ("small", small, "Table VI has one size."),
        ):
            if given:
                raise InputError(field(name), target, "a figure", f"Leave {field(name)} out: {remedy}")
        tables, counts, hashes = table6(references.table6, COSTS)
        hashes |= file_hashes(references=[published])
        settings = {"network": NETWORK, "budget": BUDGET, "reference": REFERENCE}
        return _finished(request, tables, counts, settings, hashes)
    planner = Planner(resolve)
    networks = NETWORKS[:1] if small else NETWORKS
    workloads = WORKLOADS[:1] if small and target != "network-fig15" else WORKLOADS  # Figure 15 compares all workloads
    limits = dict(references.limits)
    fixed = [FIXED] if target in _FIGURES else []
    scenes, hashes = load_scenes([*networks, *fixed], workloads, COSTS, limits)
    if target == "network-fig15":
        points = [point for scene in tracked(scenes, "networks") for point in _cross_points(scene, planner)]
    else:
        points = [point for scene in tracked(scenes[:-1], "networks") for point in _own_points(scene, planner)]
        points += fixed_points(scenes[-1])
    counts = dict(planner.counts)
    if engine == "simulate":
        points, simulated = simulate_points(points, scenes, jobs=jobs, state=state)
        counts |= simulated
    if target == "network-fig15":
        tables = figure15(points)
    else:
        tables = _FIGURES[target](points, None if small or resolve else references)
    tables["points"] = Table(COLUMNS, rows(points))
    settings = {
        "networks": list(networks),
        "workloads": list(workloads),
        "costs": COSTS,
        "budgets": list(BUDGETS),
        "plan_budget": None if resolve else PLAN_BUDGET,
        "compute_scale": COMPUTE_SCALE,
        "bytes_per_gigabyte": 2**30,
        "loop": "simulate" if engine == "simulate" else "NoOverlap with the forward pass run twice",
        "reference": REFERENCE,
    }
    hashes |= file_hashes(references=[published])
    return _finished(request, tables, {**counts, "points": len(points)}, settings, hashes)


def _check(target: str, engine: str, jobs: int | None, state: Path | State | None) -> None:
    if engine == "simulate" and target not in _FIGURES and target != "network-fig15":
        raise InputError(field("engine"), f"simulate with {target}", "a figure", "Table VI holds splits, and no times.")
    for name, value in (("jobs", jobs), ("state", state)):
        if engine != "simulate" and value is not None:
            found = f"{value} without {field('engine')} simulate"
            raise InputError(field(name), found, "it only with a simulation", f"Add {field('engine')} simulate.")
    if jobs is not None and jobs < 1:
        raise InputError(field("jobs"), str(jobs), "a whole number of at least 1")


def _own_points(scene: Scene, planner: Planner) -> list[Point]:
    """Make the points of Figures 12 to 14: each workload on splits made for it, equal ones also at 325 GB/s."""
    points = []
    for workload in scene.workloads:
        name = workload.name
        points += scene.points(name, EQUAL, None, equal_splits(scene, (*BUDGETS, FIXED_BUDGET)))
        for goal in (PERF, PER_COST):
            points += scene.points(name, goal, name, planner.splits(scene, name, goal, BUDGETS))
    return points


def _cross_points(scene: Scene, planner: Planner) -> list[Point]:
    """Time every workload on the fastest splits for each workload and for all of them together."""
    points = []
    for tuned_for in (*(workload.name for workload in scene.workloads), GROUP):
        splits = planner.splits(scene, tuned_for, PERF, BUDGETS)
        for workload in scene.workloads:
            points += scene.points(workload.name, PERF, tuned_for, splits)
    return points


def _finished(
    request: EvaluateRequest,
    tables: dict[str, Table],
    counts: dict[str, int],
    settings: dict[str, Any],
    hashes: dict[str, str],
) -> NetworkEvaluation:
    """Add the provenance."""
    target = request.target
    figure = target != "network-table6"
    provenance = Provenance(
        command=request.study,
        inputs=request.inputs(),
        sha256=hashes,
        counts=counts,
        versions=versions("numpy", "scipy", "simpy"),
    )
    return NetworkEvaluation(
        request=request,
        title=FAMILY.titles[target],
        data=tables,
        settings=settings,
        notes=(*(_notes(request, tables) if figure else ()), BLOCKS),
        provenance=provenance,
    )


def _notes(request: EvaluateRequest, tables: Mapping[str, Table]) -> list[str]:
    """Return what a reader of a figure must know beside its numbers."""
    simulated, resolved = request.engine == "simulate", request.resolve
    timed = [SIMULATED] if simulated else [CLOSED_FORM]
    if simulated and any(row.get("reference_mean") is not None for row in tables["summary"]):
        timed.append(FOR_CLOSED_FORM)
    return [*timed, (RESOLVED_SIMULATED if simulated else RESOLVED) if resolved else SCALED]

"""``simcore evaluate network-...``: the figures and the table of the network study, in closed form or simulated.

Figures 12 to 14 set three splits of bandwidth side by side over budgets of 100 to 1000 GB/s per NPU: equal, fastest
(PerfOptBW) and fastest per dollar (PerfPerCostOptBW), with the DGX-like network at its 325 GB/s. Figure 15 asks how a
split that was made for one workload serves another. Table VI are four splits at 325 GB/s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError, unknown_name
from simcore.outputs import atomic_directory, write_atomic
from simcore.readers.references import read_references
from simcore.results import Provenance, Table, to_json, versions
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
from simcore.studies.evaluate.network_figures import figure12, figure13, figure14, figure15
from simcore.studies.evaluate.simulate import Advance, simulate_points
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.table6 import BUDGET, NETWORK, table6

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = "sc245"
REFERENCE = "sc245"
TARGETS = {
    "network-fig12": "Speed-up over an equal split of the 2D network",
    "network-fig13": "Network cost",
    "network-fig14": "Performance per cost over an equal split of the 2D network",
    "network-fig15": "Slowdown on a split made for another workload",
    "network-table6": "The four splits of Table VI beside the original optimiser's",
}
"""What can be evaluated, with a line on each."""
CLOSED_FORM = (
    "Closed form, no simulation: forward compute and collectives twice, compute x 0.26, no overlap, GB/s = 2**30 B/s; "
    "cost per GB/s of budget."
)
SIMULATED = (
    "Simulated chunk by chunk with ASTRA-sim's rules: every dimension a switch, 64 chunks, ascending; compute x 0.26, "
    "recomputation, weight gradients summed at the end, GB/s = 2**30 B/s; cost per GB/s of budget."
)
FOR_CLOSED_FORM = "References are those of the closed form: how far simulated means lie from them is no error."
SCALED = "Splits are solved once, at 100 GB/s per NPU without the 0.26 and the second forward compute, and scaled."
RESOLVED = "Splits are solved at every budget, for the very iteration that is timed: published numbers do not apply."
RESOLVED_SIMULATED = (
    "Splits are solved at every budget, for the closed form of the iteration that is simulated: published numbers do "
    "not apply."
)

ENGINES = ("closed-form", "simulate")
"""How points are timed."""

_FIGURES = {"network-fig12": figure12, "network-fig13": figure13, "network-fig14": figure14}


@dataclass(frozen=True)
class Evaluation:
    """Tables of one figure, and where they come from.

    Attributes
    ----------
    target : str
        For example ``network-fig12``.
    title : str
        What it shows.
    tables : mapping of str to Table
        By name: the figure's own, ``points`` that it was made of, and ``summary`` beside published numbers.
    provenance : Provenance
        How to make it again.
    """

    target: str
    title: str
    tables: Mapping[str, Table]
    provenance: Provenance

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        tables = {name: [dict(row) for row in table] for name, table in self.tables.items()}
        return {"target": self.target, "title": self.title, **tables, "provenance": self.provenance.as_dict()}

    def to_json(self) -> str:
        """Return the evaluation as JSON."""
        return to_json(self.as_dict())

    def plot(self) -> Figure | None:
        """Draw the figure; None for Table VI, which has none."""
        from simcore.studies.evaluate.network_plots import FIGURES, draw

        name = self.target.removeprefix("network-")
        if name not in FIGURES:
            return None
        inputs = self.provenance.inputs
        how = ["each budget with a split of its own" if inputs["resolve"] else "splits for 100 GB/s per NPU, scaled"]
        if name != "fig13":  # costs need no times
            how[:0] = ["times simulated chunk by chunk" if inputs["engine"] == "simulate" else "times in closed form"]
        return draw(name, self.tables, "; ".join(how))

    def write(self, directory: Path, *, force: bool = False) -> None:
        """Write tables as CSV, all as ``result.json`` and the figure as PNG and PDF into a new directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, or it cannot be written.
        """
        from simcore.plots import save

        with atomic_directory(directory, force=force) as scratch:
            for name, table in self.tables.items():
                write_atomic(scratch / f"{name}.csv", table.to_csv())
            write_atomic(scratch / "result.json", self.to_json())
            figure = self.plot()
            if figure is not None:
                save(figure, scratch / self.target.removeprefix("network-"))


def evaluate(
    target: str,
    *,
    small: bool = False,
    resolve: bool = False,
    announce: Callable[[str], None] = lambda text: None,
    engine: str = "closed-form",
    jobs: int | None = None,
    state: Path | State | None = None,
    advance: Advance = lambda done, total: None,
) -> Evaluation:
    """Evaluate one figure or table of the network study.

    Parameters
    ----------
    target : str
        A key of `TARGETS`.
    small : bool
        Only the first subplot: network 2D, for Figures 12 to 14 with workload 17B alone. Table VI has one size.
    resolve : bool
        Solve each budget for itself, for the very iteration that is timed, in place of scaling the plan for 100 GB/s.
    announce : callable
        Told what is being solved, for progress.
    engine : {'closed-form', 'simulate'}
        How points are timed.
    jobs, state, advance
        Of the simulation, see `simcore.studies.evaluate.simulate.simulate_points`.

    Returns
    -------
    Evaluation
        Its tables and their provenance.

    Raises
    ------
    InputError
        For an unknown target, or where `resolve` makes no sense for it.
    RunError
        If a plan does not converge.

    Examples
    --------
    >>> result = evaluate("network-fig12", small=True)
    >>> round(max(result.tables["fig12"].column("speedup")), 3)
    1.094
    """
    if target not in TARGETS:
        raise unknown_name("TARGET", target, TARGETS)
    _check(target, engine, jobs, state)
    published = read_references(REFERENCE)
    references = published.value
    if target == "network-table6":
        if resolve:
            raise InputError("--resolve", target, "a figure", "Table VI is solved at its own budget already.")
        tables, counts, hashes = table6(references.table6, COSTS, announce)
        hashes |= file_hashes(references=[published])
        return _finished(target, tables, counts, {"network": NETWORK, "budget": BUDGET}, hashes)
    planner = Planner(resolve, announce)
    networks = NETWORKS[:1] if small else NETWORKS
    workloads = WORKLOADS[:1] if small and target != "network-fig15" else WORKLOADS  # Figure 15 compares all workloads
    limits = dict(references.limits)
    fixed = [FIXED] if target in _FIGURES else []
    scenes, hashes = load_scenes([*networks, *fixed], workloads, COSTS, limits)
    if target == "network-fig15":
        points = [point for scene in scenes for point in _cross_points(scene, planner)]
    else:
        points = [point for scene in scenes[:-1] for point in _own_points(scene, planner)]
        points += fixed_points(scenes[-1])
    counts = dict(planner.counts)
    if engine == "simulate":
        points, simulated = simulate_points(points, scenes, jobs=jobs, state=state, advance=advance)
        counts |= simulated
    if target == "network-fig15":
        tables = figure15(points)
    else:
        tables = _FIGURES[target](points, None if small or resolve else references)
    tables["points"] = Table(COLUMNS, rows(points))
    settings = {
        "networks": list(networks),
        "workloads": list(workloads),
        "small": small,
        "resolve": resolve,
        "costs": COSTS,
        "budgets": list(BUDGETS),
        "plan_budget": None if resolve else PLAN_BUDGET,
        "compute_scale": COMPUTE_SCALE,
        "bytes_per_gigabyte": 2**30,
        "loop": "simulate" if engine == "simulate" else "NoOverlap with the forward pass run twice",
        "engine": engine,
    }
    hashes |= file_hashes(references=[published])
    return _finished(target, tables, {**counts, "points": len(points)}, settings, hashes)


def _check(target: str, engine: str, jobs: int | None, state: Path | State | None) -> None:
    if engine not in ENGINES:
        raise unknown_name("--engine", engine, ENGINES)
    if engine == "simulate" and target not in _FIGURES and target != "network-fig15":
        raise InputError("--engine", f"simulate with {target}", "a figure", "Table VI holds splits, and no times.")
    for option, value in (("--jobs", jobs), ("--state", state)):
        if engine != "simulate" and value is not None:
            found = f"{value} without --engine simulate"
            raise InputError(option, found, "it only with a simulation", "Add --engine simulate.")
    if jobs is not None and jobs < 1:
        raise InputError("--jobs", str(jobs), "a whole number of at least 1")


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
    target: str, tables: dict[str, Table], counts: dict[str, int], settings: dict[str, Any], hashes: dict[str, str]
) -> Evaluation:
    """Add the provenance."""
    figure = target != "network-table6"
    provenance = Provenance(
        command=f"evaluate {target}",
        inputs={"target": target, **settings, "reference": REFERENCE},
        sha256=hashes,
        notes=_notes(settings, tables) if figure else [],
        counts=counts,
        versions=versions("numpy", "scipy", "simpy"),
    )
    return Evaluation(target, TARGETS[target], tables, provenance)


def _notes(settings: dict[str, Any], tables: Mapping[str, Table]) -> list[str]:
    """Return what a reader of a figure must know beside its numbers."""
    simulated, resolved = settings["engine"] == "simulate", settings["resolve"]
    timed = [SIMULATED] if simulated else [CLOSED_FORM]
    if simulated and any(row.get("reference_mean") is not None for row in tables["summary"]):
        timed.append(FOR_CLOSED_FORM)
    return [*timed, (RESOLVED_SIMULATED if simulated else RESOLVED) if resolved else SCALED]

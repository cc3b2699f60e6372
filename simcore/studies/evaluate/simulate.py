"""The network evaluation's points, simulated: on all cores, each once, going on from those that are finished.

What a point is and how it is simulated is in `simcore.studies.evaluate.task`, where it is kept in
`simcore.studies.evaluate.state`. Costs need no simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

from simcore.progress import tell
from simcore.studies.evaluate.grid import GIGABYTE, Point, Scene
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.task import Task, run, switched
from simcore.studies.parallel import in_parallel


def simulate_points(
    points: Sequence[Point],
    scenes: Sequence[Scene],
    *,
    jobs: int | None = None,
    state: Path | State | None = None,
) -> tuple[list[Point], dict[str, int]]:
    """Replace the closed form's times by simulated ones.

    Parameters
    ----------
    points : sequence of Point
        Of any of `scenes`; two with the same network, workload and bandwidths are simulated once.
    scenes : sequence of Scene
        Networks and workloads.
    jobs : int, optional
        Processes; by default one per core.
    state : Path or State, optional
        File of finished points, read first and appended to; one that is open already stays open.

    Returns
    -------
    points : list of Point
        In the same order.
    counts : dict
        Iterations simulated in all, and their SimPy events.

    Raises
    ------
    InputError
        If `state` is no state file, cannot be written, or is that of another run.
    """
    by_name = {scene.topology.name: scene for scene in scenes}
    tasks = [_task(point, by_name[point.network]) for point in points]
    distinct = {task.key: task for task in tasks}
    with nullcontext(state) if isinstance(state, State) else State(state) as kept:
        left = [task for key, task in distinct.items() if key not in kept.times]
        done = len(distinct) - len(left)
        tell("simulated points", done, len(distinct))
        with closing(in_parallel(run, left, jobs)) as finished:
            for number, timed in finished:
                kept.add(left[number], timed)
                done += 1
                tell("simulated points", done, len(distinct))
    timings = [kept.times[task.key] for task in tasks]
    timed_points = [
        replace(point, time=timed.time, compute=timed.compute) for point, timed in zip(points, timings, strict=True)
    ]
    return timed_points, {"simulations": len(distinct), "events": sum(kept.times[key].events for key in distinct)}


def _task(point: Point, scene: Scene) -> Task:
    workload = next(each for each in scene.workloads if each.name == point.workload)
    return Task(switched(scene.topology), workload, tuple(b * GIGABYTE for b in point.bandwidths))

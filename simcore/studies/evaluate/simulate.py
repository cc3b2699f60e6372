"""The network evaluation's points, simulated: on all cores, each once, going on from those that are finished.

What a point is and how it is simulated is in `simcore.studies.evaluate.task`, where it is kept in
`simcore.studies.evaluate.state`. Costs need no simulation.
"""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from simcore.progress import tell
from simcore.studies.evaluate.grid import GIGABYTE, Point, Scene
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.task import Task, Timed, run, switched


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
        with closing(_parallel(left, jobs)) as finished:
            for task, timed in finished:
                kept.add(task, timed)
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


def _parallel(tasks: Sequence[Task], jobs: int | None) -> Generator[tuple[Task, Timed], None, None]:
    """Run tasks on all cores; yield each as it ends."""
    from joblib import Parallel, cpu_count, delayed

    workers = min(jobs or cpu_count(), len(tasks))
    if workers <= 1:
        yield from ((task, run(task)) for task in tasks)
        return
    pool: Generator[tuple[int, Timed], None, None] | None = None
    try:
        with _deaf_children():
            pool = Parallel(n_jobs=workers, return_as="generator_unordered")(
                delayed(_numbered)(number, task) for number, task in enumerate(tasks)
            )
        for number, timed in pool:
            yield tasks[number], timed
    finally:
        if pool is not None:
            with _quiet():
                pool.close()


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keep back what joblib says where an interruption closes it: it is told once, elsewhere.

    It warns of results that nobody took, and its thread may look for work that was just cancelled.
    """
    hook = threading.excepthook
    threading.excepthook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        threading.excepthook = hook


@contextmanager
def _deaf_children() -> Generator[None, None, None]:
    """Start processes that do not hear Ctrl-C, which reaches them too: one process is to answer it, and say so once.

    They inherit that the signal is blocked. Here it waits until they have started.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # when it starts it unblocks the signal, so it is to start before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _numbered(number: int, task: Task) -> tuple[int, Timed]:
    return number, run(task)

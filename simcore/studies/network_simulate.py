"""The network evaluation's points, simulated: each one is a training iteration, chunk by chunk, as the artifact ran it.

The artifact times its figures on networks whose every dimension is a switch with one link of the whole bandwidth, cuts
each collective into 64 chunks, and sums all weight gradients at the end of the backward pass. Costs need no simulation.
"""

from __future__ import annotations

import json
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from simcore._version import __version__
from simcore.errors import InputError
from simcore.files import read_text, sha256
from simcore.models.iteration.chunked import Settings, run_iteration
from simcore.models.iteration.program import Loop, iteration
from simcore.models.network.mapping import map_parallelism
from simcore.models.network.simulation.conventions import Convention
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.workload import Workload
from simcore.outputs import is_there, write_atomic
from simcore.studies.network_grid import COMPUTE_SCALE, GIGABYTE, Point, Scene

SETTINGS = Settings(chunks=64, convention=Convention.ASTRA_SIM)
"""As the artifact's system file says: 64 chunks, ascending, and its simulator's rules."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Task:
    """One iteration to simulate.

    Attributes
    ----------
    topology : Topology
        The network, of switches.
    workload : Workload
        What an iteration is.
    bandwidths : tuple of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    """

    topology: Topology
    workload: Workload
    bandwidths: tuple[float, ...]

    @property
    def key(self) -> str:
        """A name that changes with everything that the result depends on."""
        inputs = [__version__, astuple(self.topology), astuple(self.workload), self.bandwidths, astuple(SETTINGS)]
        return sha256(json.dumps(inputs).encode())[:32]


@dataclass(frozen=True)
class Timed:
    """What a simulated iteration took.

    Attributes
    ----------
    time, compute : float
        The iteration, and the compute in it [s].
    events : int
        SimPy events.
    """

    time: float
    compute: float
    events: int


def run(task: Task) -> Timed:
    """Simulate one iteration."""
    groups = map_parallelism(task.topology, task.workload.tp, task.workload.dp)
    steps = iteration(task.workload, Loop.SIMULATE, compute_scale=COMPUTE_SCALE)
    found = run_iteration(steps, task.topology, task.bandwidths, groups, SETTINGS)
    return Timed(found.time, found.compute, found.events)


def switched(topology: Topology) -> Topology:
    """Return a network with a switch in place of every building block."""
    dimensions = (Dimension(Block.SWITCH, each.size, each.level, each.latency) for each in topology.dimensions)
    return Topology(topology.name, tuple(dimensions), topology.source)


class State:
    """Finished points in a file of JSON Lines, one appended as each ends, so that an interrupted run can go on.

    Parameters
    ----------
    path : Path or None
        The file; None keeps nothing.

    Raises
    ------
    InputError
        If a line of the file, other than a last one that was cut short, is no finished point.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.found: dict[str, Timed] = {}
        if path is not None and is_there(path):
            self._read(path)

    def _read(self, path: Path) -> None:
        text = read_text(path, "state")
        whole, _, cut = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
                self.found[entry["key"]] = Timed(entry["time"], entry["compute"], entry["events"])
            except (ValueError, KeyError, TypeError):
                expected = "a finished point, as simcore evaluate --engine simulate writes it"
                raise InputError(f"{path}, line {number}", line[:60], expected, "Choose another file.") from None
        if cut:  # the writer was stopped in the middle of a line
            write_atomic(path, f"{whole}\n" if whole else "")

    def add(self, task: Task, timed: Timed) -> None:
        """Append a finished point."""
        self.found[task.key] = timed
        if self.path is None:
            return
        entry = {
            "key": task.key, "network": task.topology.name, "workload": task.workload.name,
            "bandwidths": task.bandwidths, "time": timed.time, "compute": timed.compute, "events": timed.events,
        }  # fmt: skip
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
        except OSError as error:
            found = f"a place that cannot be written ({error.strerror})"
            raise InputError(str(self.path), found, "a writable file") from None


class Scratch(State):
    """Finished points in a file that the user did not name: where it cannot be used the run goes on without.

    Parameters
    ----------
    path : Path
        The file; one that cannot be read is written anew.
    tell : callable
        Told, once, why points are not kept.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self.tell = tell
        try:
            super().__init__(path)
        except InputError:  # nobody but simcore writes there: a file that is of no use is only in the way
            with suppress(OSError):
                path.unlink()

    def add(self, task: Task, timed: Timed) -> None:
        """Append a finished point while that works."""
        try:
            super().add(task, timed)
        except InputError as error:
            self.path = None
            self.tell(f"finished points are not kept: {error.place} is {error.found}; --state FILE keeps them in FILE")


def simulate_points(
    points: Sequence[Point],
    scenes: Sequence[Scene],
    *,
    jobs: int | None = None,
    state: Path | State | None = None,
    advance: Advance = lambda done, total: None,
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
        File of finished points, read first and appended to.
    advance : callable
        Told how many of how many are done.

    Returns
    -------
    points : list of Point
        In the same order.
    counts : dict
        Iterations simulated in all, and their SimPy events.

    Raises
    ------
    InputError
        If `state` is no state file or cannot be written.
    """
    by_name = {scene.topology.name: scene for scene in scenes}
    tasks = [_task(point, by_name[point.network]) for point in points]
    kept = state if isinstance(state, State) else State(state)
    distinct = {task.key: task for task in tasks}
    left = [task for key, task in distinct.items() if key not in kept.found]
    done = len(distinct) - len(left)
    advance(done, len(distinct))
    with closing(_parallel(left, jobs)) as finished:
        for task, timed in finished:
            kept.add(task, timed)
            done += 1
            advance(done, len(distinct))
    found = [kept.found[task.key] for task in tasks]
    timed_points = [
        replace(point, time=timed.time, compute=timed.compute) for point, timed in zip(points, found, strict=True)
    ]
    return timed_points, {"simulations": len(distinct), "events": sum(kept.found[key].events for key in distinct)}


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

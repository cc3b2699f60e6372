"""Gavel's heterogeneity-aware max-min fairness: a linear program says for which share of time a job runs where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.placement import Placement, class_last, class_seconds, only
from simcore.models.cluster.policies.ranked import quantum_error
from simcore.models.cluster.policy import Decision, Policy
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.room import Room
from simcore.models.cluster.step_times import global_step_time
from simcore.models.cluster.view import View

Floats = NDArray[np.float64]


@dataclass
class Gavel(Policy):
    """Each round runs the jobs that have had least of the time that max-min fairness gives them.

    With X_jk the share of time of job j on GPU type k, T_jk its speed there, g_j its gang and N_k the GPUs,

        maximise min_j  sum_k X_jk T_jk / T_j(equal share)
        sum_k X_jk <= 1,   sum_j g_j X_jk <= N_k,   X >= 0,

    where the equal share is every type in proportion to its GPUs. Jobs of one class have equal shares, so that the
    program has a column per class and type. Each round the jobs with the largest X_jk / (rounds received on k) run,
    while their gangs fit. A job that is not heterogeneous runs on its own type alone. Virtual clusters are solved
    apart. Source: Narayanan et al., OSDI 2020, section 4.1 (LAS) and section 5; solved by HiGHS.

    Attributes
    ----------
    round : float
        Length of a round [s].
    """

    gang: ClassVar[bool] = True
    all_types: ClassVar[bool] = True
    round: float = 360.0

    def __post_init__(self) -> None:
        if error := quantum_error("round", self.round):
            raise error

    def prepare(self, view: View) -> None:
        """Begin with no round."""
        self._received: dict[int, list[float]] = {}
        self._until = -1.0
        self._shares: dict[int, Floats] = {}  # of each active job, by GPU type
        self._gpus = {vc: gpus_of(view, vc) for vc in {job.vc for job in view.classes}}
        for index, job in enumerate(view.classes):  # while nothing runs
            speeds(view, index, self._gpus[job.vc])

    def decide(self, view: View) -> Decision:
        """Solve where jobs came or went, and begin a round where one is over."""
        for row in view.finished:
            self._received.pop(row, None)
        active = view.active
        self._solve(view, active)
        for row in view.arrived:
            self._received[row] = [0.0] * len(view.cluster.types)
        if not active:
            return Decision()
        fresh = view.now >= self._until * (1.0 - 1e-12)
        if fresh:
            self._until = view.now + self.round
        room = view.room()
        self._run(view, room, active if fresh else view.waiting, fresh=fresh)
        return Decision(room.changes, self._until)

    def _solve(self, view: View, active: list[int]) -> None:
        """Find the shares of time of the jobs of each virtual cluster in which jobs came or went."""
        for row in view.finished:
            self._shares.pop(row, None)
        for vc in sorted({view.job(row).vc for row in (*view.arrived, *view.finished)}):
            mine = [row for row in active if view.job(row).vc == vc]
            if mine:
                self._shares |= self.shares(view, mine, self._gpus[vc])

    def shares(self, view: View, rows: list[int], gpus: Sequence[float]) -> dict[int, Floats]:
        """Return by job the share of time on every GPU type, -1 where it may not run.

        Parameters
        ----------
        view : View
            The present.
        rows : list of int
            Active jobs of one virtual cluster.
        gpus : sequence of float
            GPUs of each type that they may use.
        """
        index = view.class_index
        of_class = max_min(view, Counter(index[row] for row in rows), gpus)
        return {row: of_class[index[row]] for row in rows}

    def _run(self, view: View, room: Room, rows: list[int], *, fresh: bool) -> None:
        """Hand GPUs out by priority: at a fresh round all of them, within one those that are free."""
        types = range(len(view.cluster.types))
        left = {vc: list(gpus) for vc, gpus in self._gpus.items()}
        for row in view.running if not fresh else ():
            mine = left[view.job(row).vc]
            for k, number in enumerate(_gpus(view, row)):
                mine[k] = round(mine[k] - number, DIGITS)
        wishes = [(-self._priority(view, row, k), row, k) for row in rows for k in types if self._may(view, row, k)]
        chosen: dict[int, int] = {}
        for _, row, k in sorted(wishes):
            size, free = view.job(row).gpus, left[view.job(row).vc]
            if row not in chosen and size <= free[k]:
                free[k] = round(free[k] - size, DIGITS)
                chosen[row] = k
        kept = {row for row, k in chosen.items() if view.placement[row] is self._on(view, row, k)}
        for row in rows:
            if view.placement[row] is not None and row not in kept:
                room.stop(row)
        for row, k in chosen.items():
            then = self._on(view, row, k)
            if row in kept or room.start(row, None if then is view.gang(row) else then):
                self._received[row][k] += 1.0

    def _may(self, view: View, row: int, k: int) -> bool:
        return bool(self._shares[row][k] >= 0.0)

    def _priority(self, view: View, row: int, k: int) -> float:
        """Return the share of time over the share of rounds received on a type."""
        share = max(0.0, float(self._shares[row][k]))
        return share / (self._received[row][k] + 1e-3)

    def _on(self, view: View, row: int, k: int) -> Placement:
        job = view.job(row)
        if view.cluster.types[k] == job.gpu_type:
            return view.gang(row)
        return view.place(row, only(job.gpus, view.cluster.types[k], view.cluster))


def speeds(view: View, index: int, gpus: Sequence[float]) -> Floats:
    """Return a class's speed on each GPU type, NaN where it may not run [steps/s]."""
    job = view.classes[index]
    times, last = class_seconds(job, view.cluster, view.step_times), class_last(job, view.cluster, view.step_times)
    own, found = view.cluster.types_of(job.gpu_type, job.vc), []
    for gpu, count, seconds, end in zip(view.cluster.types, gpus, times, last, strict=True):
        able = (job.heterogeneous or gpu in own) and count >= job.gpus
        able = able and (own == (gpu,) or view.fits(index, gpu))
        found.append(1.0 / global_step_time([1], [seconds], [end]) if able and seconds else np.nan)
    return np.array(found)


def gpus_of(view: View, vc: str) -> list[float]:
    """Return the GPUs of each type that a virtual cluster may use."""
    cluster = view.cluster
    if not cluster.divided:
        return list(cluster.counts)
    return [sum(node.gpus for node in cluster.nodes if (node.type, node.vc) == (gpu, vc)) for gpu in cluster.types]


def _gpus(view: View, row: int) -> tuple[float, ...]:
    placement = view.placement[row]
    return placement.gpus if placement is not None else ()


def max_min(view: View, jobs: Counter[int], gpus: Sequence[float]) -> dict[int, Floats]:
    """Return by class the share of time of each of its jobs on every GPU type, -1 where it may not run.

    Parameters
    ----------
    view : View
        Gives classes, GPUs and step times.
    jobs : Counter of int
        Active jobs of each class.
    gpus : sequence of float
        GPUs of each type that they may use.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    classes = sorted(index for index, number in jobs.items() if number)
    if not classes:
        return {}
    counts = np.array(gpus, dtype=np.float64)
    speed = np.array([speeds(view, index, gpus) for index in classes])
    able = ~np.isnan(speed)
    equal = np.array([np.nansum(row * counts * ok) / (counts * ok).sum() for row, ok in zip(speed, able, strict=True)])
    rows, types = able.shape
    worth = np.where(able, speed, 0.0) / equal[:, None]
    sizes = np.array([view.classes[index].gpus * jobs[index] for index in classes], dtype=np.float64)
    columns = rows * types
    matrix = np.zeros((2 * rows + types, columns + 1))
    for row in range(rows):
        place = slice(row * types, (row + 1) * types)
        matrix[row, place] = -worth[row]  # the least <= what each gets
        matrix[row, columns] = 1.0
        matrix[rows + row, place] = 1.0
        matrix[2 * rows : 2 * rows + types, place] = np.eye(types) * sizes[row]
    limits = np.concatenate((np.zeros(rows), np.ones(rows), counts))
    bounds = [(0.0, None if ok else 0.0) for ok in able.ravel()] + [(0.0, None)]
    goal = np.append(-1e-6 * (worth / (worth.sum() or 1.0)).ravel(), -1.0)
    limited: Any = csr_matrix(matrix)
    found = linprog(goal, A_ub=limited, b_ub=limits, bounds=bounds, method="highs")
    shares = np.asarray(found.x)[:columns].reshape(rows, types)
    return {index: np.where(able[row], shares[row], -1.0) for row, index in enumerate(classes)}

"""Finish-time fairness by a program: the job that is worst off by its finish time is as well off as can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from simcore.models.cluster.policies.gavel import Floats, Gavel, speeds
from simcore.models.cluster.view import View


@dataclass
class FinishTimeFairness(Gavel):
    """Each round runs the jobs that have had least of the time by which the largest finish-time fairness is least.

    With s_j the time since submission, r_j the remaining seconds on the gang, and T_jk the speed on GPU type k relative
    to that of the gang,

        minimise max_j  rho_j = (s_j + r_j / sum_k X_jk T_jk) / t_j
        sum_k X_jk <= 1,   sum_j g_j X_jk <= N_k,   X >= 0.

    Alone, a job takes t_j: every job has an equal part of the GPUs, N / (g_j jobs) of the time of its gang and at most
    all of it. What it did so far counts at the part of its time, what remains at the present one. A job that runs all
    the time gets no better off by more: it is left out, and the largest of the others is least. Rounds are those of
    `gavel`. Source: Narayanan et al., OSDI 2020, section 4.2, as in the simulator of Shockwave (Zheng et al., NSDI
    2023); the least rho is found by bisection, over a linear program (HiGHS) where jobs run on several types.
    """

    oracle: ClassVar[bool] = True

    def prepare(self, view: View) -> None:
        """Begin with no job."""
        super().prepare(view)
        self._spent: dict[int, float] = {}  # what was done so far took alone [s]
        self._before: dict[int, tuple[float, float]] = {}  # remaining, and the equal part, at the last program

    def shares(self, view: View, rows: list[int], gpus: Sequence[float]) -> dict[int, Floats]:
        """Return by job the share of time on every GPU type, -1 where it may not run."""
        counts = np.array(gpus, dtype=np.float64)
        sizes = np.array([view.job(row).gpus for row in rows], dtype=np.float64)
        speed = self._speeds(view, rows, gpus)
        able = ~np.isnan(speed)
        worth = np.where(able, speed, 0.0)
        equal = counts / (len(rows) * sizes[:, None])
        part = (worth * equal / np.maximum(1.0, equal.sum(axis=1))[:, None]).sum(axis=1)
        left = np.array(view.remaining.of(rows))
        alone = self._alone(rows, left, part)
        since = view.now - np.array(view.submitted.of(rows))
        found = least_worst(since, left, alone, worth, able, sizes, counts)
        return {row: np.where(able[place], found[place], -1.0) for place, row in enumerate(rows)}

    def _speeds(self, view: View, rows: list[int], gpus: Sequence[float]) -> Floats:
        """Return the speed of each job on each type over that of its gang, NaN where it may not run."""
        index = view.class_index
        of_class = {
            kind: speeds(view, kind, gpus) * view.gangs[kind].step_time for kind in {index[row] for row in rows}
        }
        return np.array([of_class[index[row]] for row in rows])

    def _alone(self, rows: list[int], left: Floats, part: Floats) -> Floats:
        """Return how long each job takes alone on an equal part of the GPUs [s]."""
        for row, remaining, now in zip(rows, left.tolist(), part.tolist(), strict=True):
            before, then = self._before.get(row, (remaining, now))
            self._spent[row] = self._spent.get(row, 0.0) + (before - remaining) / then
            self._before[row] = remaining, now
        return np.array([self._spent[row] for row in rows]) + left / part


def least_worst(
    since: Floats, left: Floats, alone: Floats, speed: Floats, able: Any, sizes: Floats, counts: Floats
) -> Floats:
    """Return the shares of time by which the largest finish-time fairness is least, shape (J, K).

    Parameters
    ----------
    since, left, alone : array of float, shape (J,)
        Time since submission, remaining on the gang, and in all on an equal part [s].
    speed : array of float, shape (J, K)
        Of a job on a type, over that on its gang; 0 where it may not run.
    able : array of bool, shape (J, K)
        Where it may run.
    sizes : array of float, shape (J,)
        GPUs of the gangs.
    counts : array of float, shape (K,)
        GPUs of the types.

    Examples
    --------
    Two jobs on one GPU, each with 10 s left; the second has waited 10 s, and gets more of it:

    >>> one = np.ones((2, 1))
    >>> since, left, alone = np.array([0.0, 10.0]), np.full(2, 10.0), np.full(2, 20.0)
    >>> least_worst(since, left, alone, one, one > 0, np.ones(2), np.ones(1)).round(3).ravel().tolist()
    [0.382, 0.618]
    """
    fastest = speed.max(axis=1)
    several = bool((able.sum(axis=1) > 1).any())

    def shares(worst: float) -> Floats | None:
        """Return shares by which no job is worse off that could be better, None where the GPUs are too few."""
        spare = worst * alone - since
        late = spare * fastest <= left  # running all the time would not be enough, or just is
        needed = np.where(late, fastest, left / np.where(late, 1.0, spare))
        if several:
            return _spread(needed, speed, able, sizes, counts)
        found: Floats = able * (needed / fastest)[:, None]
        return found if (sizes @ found <= counts * (1.0 + 1e-12)).all() else None

    low, high = 0.0, float(((since + left / fastest) / alone).max())
    while (found := shares(high)) is None:
        low, high = high, 2.0 * high
    for _ in range(20 if several else 50):
        middle = 0.5 * (low + high)
        trial = shares(middle)
        low, high, found = (middle, high, found) if trial is None else (low, middle, trial)
    return found


def _spread(needed: Floats, speed: Floats, able: Any, sizes: Floats, counts: Floats) -> Floats | None:
    """Return shares on the types by which each job gets the speed it needs, None where the GPUs are too few."""
    from scipy.optimize import linprog
    from scipy.sparse import block_diag, csr_matrix, hstack, vstack

    jobs, types = speed.shape
    of_jobs: Any = block_diag([np.ones((1, types))] * jobs)
    wanted: Any = block_diag([-each[None, :] for each in speed])
    of_types: Any = hstack([csr_matrix(size * np.eye(types)) for size in sizes])
    limited: Any = csr_matrix(vstack([of_jobs, wanted, of_types]))
    limits = np.concatenate((np.ones(jobs), -needed * (1.0 - 1e-9), counts))
    bounds = [(0.0, None if ok else 0.0) for ok in able.ravel()]
    found = linprog(np.repeat(sizes, types), A_ub=limited, b_ub=limits, bounds=bounds, method="highs")
    return np.asarray(found.x, dtype=np.float64).reshape(jobs, types) if found.status == 0 else None

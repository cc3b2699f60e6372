"""Dominant resource fairness among users, without preemption."""

from __future__ import annotations

import math

from simcore.models.cluster.policy import NOTHING, Decision, Policy
from simcore.models.cluster.view import View

RESOURCES = ("cpus", "memory_b")
"""Columns of a trace that count beside GPUs, where the cluster's nodes say how much there is."""


class Drf(Policy):
    """The user with the smallest dominant share starts the next job, if its gang fits.

    A user's dominant share is the largest of the shares of GPUs, cores and main memory that running jobs take of the
    whole cluster. A user's own jobs start in the order of submission; one that does not fit blocks only its user. Users
    of equal shares go by name. Without users virtual clusters count as such. Source: Ghodsi et al., NSDI 2011,
    algorithm 1.
    """

    def prepare(self, view: View) -> None:
        """Read users and demands."""
        jobs = range(len(view.class_index))
        users = view.texts("user")
        self._user = [users[row] or view.job(row).vc for row in jobs]
        self._demand = self._shares(view)
        self._used: dict[str, list[float]] = {user: [0.0] * 3 for user in self._user}
        self._queues: dict[str, list[int]] = {}

    def _shares(self, view: View) -> list[list[float]]:
        """Return the share of the cluster that each job takes, by resource."""
        nodes = view.cluster.nodes
        totals = [sum(node.cpus for node in nodes), sum(node.memory for node in nodes)]
        shares = [[view.job(row).gpus / view.cluster.gpus] for row in range(len(view.class_index))]
        for name, total in zip(RESOURCES, totals, strict=True):
            for share, wanted in zip(shares, view.numbers(name), strict=True):
                share.append(0.0 if not total or math.isnan(wanted) else wanted / total)
        return shares

    def decide(self, view: View) -> Decision:
        """Serve users in the order of their dominant shares."""
        for row in view.finished:
            self._add(row, -1.0)
        for row in view.arrived:
            self._queues.setdefault(self._user[row], []).append(row)
        room = view.room()
        able = set(self._queues)
        while able:
            user = min(able, key=lambda name: (round(max(self._used[name]), 12), name))
            row = self._queues[user][0]
            if not room.start(row):
                able.remove(user)
                continue
            self._add(row, 1.0)
            self._queues[user].pop(0)
            if not self._queues[user]:
                del self._queues[user]
                able.remove(user)
        return Decision(room.changes) if room.changes else NOTHING

    def _add(self, row: int, sign: float) -> None:
        used = self._used[self._user[row]]
        for place, share in enumerate(self._demand[row]):
            used[place] += sign * share

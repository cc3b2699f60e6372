"""Placement by fragmentation: where least becomes useless to what the jobs of a trace ask for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simcore.models.cluster.packing import Packed
from simcore.models.cluster.pools import PARTS, Held, Pool, State, lowest
from simcore.models.cluster.shared_pool import Offer


class Fragmentation(Packed):
    """A gang on the node where it leaves the fewest GPUs that the gangs of the trace cannot use.

    With p_m the share of jobs that ask for m GPUs, a node wastes ``F = sum of p_m w_m``. Where m does not fit, w_m is
    all that is free there. Where it fits, w_m is what is free of GPUs that have less than min(m, 1) free. The node with
    the least growth of F is taken, then that with the fewest left over, then the first. Gangs larger than a node count
    as a whole node. Weng et al., USENIX ATC 2023 (fragmentation gradient descent), by GPUs alone.

    Examples
    --------
    Gangs of 4 are most, so a single GPU goes where it spoils no place for four:

    >>> pool = Pool([8, 8])
    >>> pool.take(((0, 4, 0), (1, 2, 0)))
    >>> Packed().choose(pool, 1), Fragmentation([4, 4, 4, 1]).choose(pool, 1)
    (((0, 1, 0),), ((1, 1, 0),))
    """

    def __init__(self, gangs: Sequence[float] = (), seed: int = 0) -> None:
        self._gangs = np.asarray(gangs or [1])
        self._asked: dict[int, list[tuple[int, float]]] = {}
        self._wasted: dict[tuple[int, State], float] = {}
        self._best: dict[tuple[int, int, State], tuple[float, int, int] | None] = {}

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return the node on which least is wasted."""
        if gpus > pool.largest:
            return self._several(pool, gpus)
        able = [
            (self._growth(pool.largest, state, (state[0] - gpus, state[1])), state[0], lowest(nodes))
            for state, nodes in pool.states.items()
            if state[0] >= gpus
        ]
        return ((min(able)[2], gpus, 0),) if able else None

    def choose_share(self, offer: Offer, parts: int) -> Held | None:
        """Return the GPU on which least is wasted, the fullest on ties."""
        able = [
            (*best[:2], lowest(nodes), best[2])
            for state, nodes in offer.states.items()
            if (best := self._best_of(offer.largest, state, parts)) is not None
        ]
        if not able:
            return None
        _, _, node, free = min(able)
        return ((node, 1, 0 if free == PARTS else offer.gpu_with(node, free)),)

    def _best_of(self, largest: int, state: State, parts: int) -> tuple[float, int, int] | None:
        """Return of the GPUs of a node that fit the least growth of what is wasted, what is left, and what was free."""
        key = (largest, parts, state)
        if key not in self._best:
            free, shared = state
            able = {each for each in shared if each >= parts} | ({PARTS} if free else set())
            options = [
                (self._growth(largest, state, _with_share(state, each, each - parts)), each - parts, each)
                for each in able
            ]
            self._best[key] = min(options) if options else None
        return self._best[key]

    def _growth(self, largest: int, before: State, after: State) -> float:
        return round(self._waste(largest, after) - self._waste(largest, before), 9)

    def _waste(self, largest: int, state: State) -> float:
        """Return F of a node [GPUs]."""
        key = (largest, state)
        if key not in self._wasted:
            free, shared = state
            all_free = PARTS * free + sum(shared)
            total = 0.0
            for asked, often in self._demand(largest):
                fits = free * PARTS >= asked or (asked < PARTS and max(shared, default=0) >= asked)
                total += often * (sum(each for each in shared if each < min(asked, PARTS)) if fits else all_free)
            self._wasted[key] = total / PARTS
        return self._wasted[key]

    def _demand(self, largest: int) -> list[tuple[int, float]]:
        """Return what jobs ask for [1/1000 GPU] and how often."""
        if largest not in self._asked:
            sizes, counts = np.unique(np.minimum(self._gangs, largest), return_counts=True)
            often = (counts / counts.sum()).tolist()
            self._asked[largest] = [(round(PARTS * size), p) for size, p in zip(sizes.tolist(), often, strict=True)]
        return self._asked[largest]


def _with_share(state: State, before: int, after: int) -> State:
    """Return what is free on a node once one of its GPUs has other free parts."""
    free, shared = state[0] - (before == PARTS), list(state[1])
    if before < PARTS:
        shared.remove(before)
    return free, tuple(sorted([*shared, after]))

"""The room of a cluster with nodes: a gang fits where a placer finds nodes for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

from simcore.errors import RunError
from simcore.models.cluster.packing import Placer
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.pools import DIGITS, Held, Pool, lowest_bits
from simcore.models.cluster.room import Change, Room, Stock
from simcore.models.cluster.sketch import Sketch


class NodeRoom(Room):
    """The room of a cluster with nodes: a gang fits where a placer finds nodes for it, within its VC's quota.

    Parameters
    ----------
    stock : Stock
        What is handed out, and to whom.
    placer : Placer
        Which nodes a gang gets.
    elastic : bool
        Whether jobs grow and shrink, so that what they hold is no gang.

    Attributes
    ----------
    held : dict of int to Held
        What each running job holds, nodes of its pool.
    """

    def __init__(self, stock: Stock, placer: Placer, *, elastic: bool = False) -> None:
        self._elastic = elastic
        super().__init__(stock)
        self._elsewhere: dict[int, Pool] = {}
        self._placer, self._choose, self._cluster = placer, placer.choose, stock.cluster
        self._by_key: dict[tuple[str, str], Pool] = {}
        self._nodes = [self._open(*key) for key in self._keys]
        self._gang_sizes = [job.max_parallelism for job in stock.classes]
        self.held: dict[int, Held] = {}
        self._scattered: dict[int, list[tuple[Pool, Held]]] = {}

    def _open(self, gpu: str, vc: str) -> Pool | None:
        """Return the nodes of a type that a VC may use; VCs without nodes of their own share all."""
        key = (gpu, vc if self._cluster.divided else "")
        if key not in self._by_key:
            nodes = self._cluster.nodes
            members = [n for n, node in enumerate(nodes) if (node.type, node.vc) == key and node.gpus]
            if not members:
                return None
            self._by_key[key] = self._placer.pool_type([node.gpus for node in nodes], members)
        return self._by_key[key]

    def begin(self) -> None:
        """Begin a decision: what an earlier one tried and did not return is undone."""
        if self.journal:
            self._undo()
        self.changes = []

    def left(self, pool: int) -> float:
        """Return how many GPUs of a pool are free now."""
        nodes = self._nodes[pool]
        return nodes.left if nodes is not None else 0

    def start(self, row: int, placement: Placement | None = None) -> bool:
        """Give a waiting job its gang, or GPUs of one other type, if there are nodes for it."""
        if row in self.held:
            raise RunError("the policy starts a job that holds GPUs already: stop it first")
        if placement is not None:
            return self._start_elsewhere(row, placement)
        index = self._class_index[row]
        number, size = self.pool[index], self._gang_sizes[index]
        nodes = self._nodes[number]
        if nodes is None or nodes.left < size or (self._used and not self._within(number, size)):
            return False
        held = self._choose(nodes, size)
        if held is None:
            return False
        nodes.take(held)
        self.held[row] = held
        if self._used:
            self._count(number, size)
        self.journal.append((row, None, held, None))
        self.changes.append((row, self._gangs[index]))
        return True

    def _start_elsewhere(self, row: int, placement: Placement) -> bool:
        index = self._class_index[row]
        number, size = self.pool[index], int(sum(placement.gpus))
        gpu = next(t for t, wanted in zip(self._cluster.types, placement.gpus, strict=True) if wanted)
        nodes = self._open(gpu, self._vcs[number])
        if nodes is None or nodes.left < size or not self._within(number, size):
            return False
        held = self._choose(nodes, size)
        if held is None:
            return False
        self._elsewhere[row] = nodes
        self._set(row, index, held)
        self.journal.append((row, None, held, nodes))
        self.changes.append((row, placement))
        return True

    def _within(self, number: int, size: float) -> bool:
        """Tell whether so many more GPUs keep the quota of a pool's VC."""
        quota = self.quota[number]
        return quota is None or round(self._used[self._vcs[number]] + size, DIGITS) <= quota

    def _count(self, number: int, size: float) -> None:
        """Count GPUs against the quota of a pool's VC."""
        if self.quota[number] is not None:
            vc = self._vcs[number]
            self._used[vc] = round(self._used[vc] + size, DIGITS)

    def _find(self, index: int) -> Held | None:
        """Return what a class of jobs would get now."""
        number, size = self.pool[index], self._gang_sizes[index]
        nodes = self._nodes[number]
        return None if nodes is None or not self._within(number, size) else self._choose(nodes, size)

    def _capacity(self, pool: int) -> int:
        nodes = self._nodes[pool]
        return 0 if nodes is None else sum(nodes.sizes[node] for node in nodes.members)

    def sketch(self, pool: int) -> Sketch:
        """Return a copy of what is free in a pool, to try on what will fit later."""
        nodes = self._nodes[pool]
        copy = None if nodes is None else _Copy(deepcopy(nodes), self._choose, self._gang_of)
        return Sketch(self._allowed(pool), self.left(pool), self.size, copy)

    def _allowed(self, pool: int) -> float:
        """Return the free GPUs that the quota of a pool's VC allows."""
        quota = self.quota[pool]
        return self.left(pool) if quota is None else round(quota - self._used[self._vcs[pool]], DIGITS)

    def _gang_of(self, row: int) -> int:
        return self._gang_sizes[self._class_index[row]]

    def held_by(self, row: int) -> Held:
        """Return what a running job holds, as a sketch takes it."""
        return self.held[row]

    def back(self, mark: int) -> None:
        """Undo what was done since a mark."""
        for row, before, _, pool in reversed(self.journal[mark:]):
            self._undo_one(row, before, pool)
        del self.journal[mark:], self.changes[mark:]

    def stop(self, row: int) -> None:
        """Take a running job's gang away; its work is kept."""
        held, pool = self.held[row], self._elsewhere.get(row)
        self._clear(row)
        self.journal.append((row, held, None, pool))
        self.changes.append((row, None))

    def fits_empty(self, index: int) -> bool:
        """Tell whether a class of jobs fits when nothing else runs; asked before the run."""
        return self._find(index) is not None

    def fits_on(self, index: int, gpu: str) -> bool:
        """Tell whether the gang of a class fits on GPUs of one type when nothing else runs; asked before the run."""
        number = self.pool[index]
        nodes = self._open(gpu, self._vcs[number])
        fits = nodes is not None and self._within(number, self._gang_sizes[index])
        return fits and nodes is not None and self._choose(nodes, self._gang_sizes[index]) is not None

    def nodes_of(self, index: int) -> list[int]:
        """Return the GPUs of each node that a class of jobs may use."""
        nodes = self._nodes[self.pool[index]]
        return [] if nodes is None else [nodes.sizes[node] for node in nodes.members]

    def complete(self, row: int) -> None:
        """Take back what a finished job held."""
        if row in self._scattered:
            self._gather(row)
        else:
            self._clear(row)

    def settle(self, changes: Sequence[Change], now: float) -> tuple[Sequence[Change], list[Held | None]]:
        """Make a decision hold, and return its changes and what each holds.

        Raises
        ------
        RunError
            If there are no nodes for what a policy handed out by itself.
        """
        if changes is self.changes:
            found = [after for _, _, after, _ in self.journal]
            self.journal.clear()
            return changes, found
        if self.journal:
            self._undo()
        for row, _ in changes:
            if row in self._scattered:
                self._gather(row)
            elif row in self.held:
                self._clear(row)
        settled = [
            (None, None) if placement is None else self._settle_one(row, placement, now) for row, placement in changes
        ]
        return [(row, one) for (row, _), (one, _) in zip(changes, settled, strict=True)], [held for _, held in settled]

    def _settle_one(self, row: int, placement: Placement, now: float) -> tuple[Placement, Held]:
        """Find nodes for what a policy handed out without asking for room."""
        index = self._class_index[row]
        if self._elastic or placement is not self._gangs[index]:
            return placement, self._scatter(row, placement, now)
        held = self._find(index)
        if held is None:
            raise self._no_nodes(row, now)
        self._set(row, index, held)
        return placement, held

    def _no_nodes(self, row: int, now: float) -> RunError:
        return RunError(
            f"the policy placed a gang of {self.size(row)} GPUs at {now} s, and no nodes are free for it: "
            "ask view.room() whether a gang fits"
        )

    def _scatter(self, row: int, placement: Placement, now: float) -> Held:
        """Give an elastic job GPUs where the placer says, or else of any nodes, the fullest first: it is no gang."""
        parts: list[tuple[Pool, Held]] = []
        for gpu, gpus in zip(self._cluster.types, placement.gpus, strict=True):
            wanted = int(gpus)
            pool = self._open(gpu, "") if wanted else None
            if wanted and (pool is None or pool.left < wanted):
                raise RunError(f"the policy handed out more GPUs than there are at {now} s: {wanted} {gpu}")
            if pool is not None:
                held = self._choose(pool, wanted) or _loose(pool, wanted)
                pool.take(held)
                parts.append((pool, held))
        self._scattered[row] = parts
        return tuple(one for _, held in parts for one in held)

    def _gather(self, row: int) -> None:
        for pool, held in self._scattered.pop(row):
            pool.give(held)

    def _set(self, row: int, index: int, held: Held) -> None:
        number = self.pool[index]
        nodes = self._elsewhere.get(row, self._nodes[number])
        assert nodes is not None
        nodes.take(held)
        self.held[row] = held
        self._count(number, self.sizes[index])

    def _clear(self, row: int) -> None:
        index = self._class_index[row]
        number = self.pool[index]
        nodes = self._elsewhere.pop(row, self._nodes[number]) if self._elsewhere else self._nodes[number]
        assert nodes is not None
        nodes.give(self.held.pop(row))
        if self._used:
            self._count(number, -self.sizes[index])

    def _undo(self) -> None:
        for row, before, _, pool in reversed(self.journal):
            self._undo_one(row, before, pool)
        self.journal.clear()

    def _undo_one(self, row: int, before: Held | None, pool: Pool | None) -> None:
        if before is None:
            self._clear(row)
        else:
            if pool is not None:
                self._elsewhere[row] = pool
            self._set(row, self._class_index[row], before)


def _loose(pool: Pool, wanted: int) -> Held:
    held = []
    for node in sorted((n for n in pool.members if pool.free[n]), key=lambda n: (pool.free[n], n)):
        slots = getattr(pool, "slots", None)
        count = min(wanted, pool.free[node])
        held.append((node, count, lowest_bits(slots[node], count) if slots else 0))
        wanted -= count
        if not wanted:
            break
    return tuple(held)


@dataclass
class _Copy:
    """A copy of a pool for a sketch.

    Attributes
    ----------
    nodes : Pool
        The copy.
    choose : callable
        The placer's choice among its nodes.
    size : callable
        From a row to the GPUs of its gang.
    """

    nodes: Pool
    choose: Callable[[Pool, int], Held | None]
    size: Callable[[int], int]

    def fits(self, row: int) -> Held | None:
        """Return what a job's gang would get, None if it does not fit."""
        return self.choose(self.nodes, self.size(row))

    def move(self, row: int, held: Held, sign: int) -> None:
        """Take what a job holds, or with a sign of 1 give it back."""
        (self.nodes.give if sign > 0 else self.nodes.take)(held)

"""The GPUs that one decision hands out: what a policy asks whether a gang fits, with nodes or without.

A policy takes gangs and gives them back in the order of its rule; what it has done so far counts for what fits next.
Nothing of it holds until the decision is returned, so that a policy may also try.
"""

from __future__ import annotations

from collections.abc import Sequence

from simcore.errors import RunError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.placers import Placer
from simcore.models.cluster.pools import Held, Pool

Change = tuple[int, Placement | None]
Undo = tuple[int, Held | None, Held | None]


class Room:
    """Free GPUs during a decision, by pool: those of one GPU type and one virtual cluster.

    Attributes
    ----------
    pool : list of int
        Pool of each class of jobs; two classes with one pool compete.
    pools : int
        Number of pools.
    changes : list of (int, Placement or None)
        What was taken and given back since the decision began.

    Examples
    --------
    A policy asks its view for the room, see `Policy`. Here two gangs of 3 GPUs ask for 4:

    >>> job = JobClass("bert", 8, 3, False, "v100")
    >>> gang = Placement((3,), (1,), 0.5)
    >>> room = Room(Cluster("c", ("v100",), (4,)), [4], (job,), [0, 0], [gang])
    >>> room.begin()
    >>> room.start(0), room.start(1), len(room.changes)
    (True, False, 1)
    """

    def __init__(
        self,
        cluster: Cluster,
        free: Sequence[int],
        classes: Sequence[JobClass],
        class_index: Sequence[int],
        gangs: Sequence[Placement],
    ) -> None:
        self._free, self._class_index, self._gangs = free, class_index, gangs
        self.sizes = [job.max_parallelism for job in classes]
        keys = [(job.gpu_type, job.vc if cluster.vcs else "") for job in classes]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self.pool = [numbers[key] for key in keys]
        self.pools = len(numbers)
        self._keys = list(numbers)
        places = {gpu: number for number, gpu in enumerate(cluster.types)}
        self._types = [places.get(job.gpu_type, -1) for job in classes]
        self._type_of = [places.get(gpu, -1) for gpu, _ in self._keys]
        self._vcs = [vc for _, vc in self._keys]
        self._divided = cluster.divided
        quotas = dict(cluster.quotas)
        self.quota = [quotas.get(vc) for vc in self._vcs]
        self._used = dict.fromkeys(quotas, 0)
        self._left: list[int] = []
        self.changes: list[Change] = []
        self.journal: list[Undo] = []

    def begin(self) -> None:
        """Begin a decision: what an earlier one tried and did not return is forgotten."""
        self._left = list(self._free)
        self.changes = []

    def rivals(self) -> list[list[int]]:
        """Return by pool the pools that a job that ends there makes room in: its own, and those with its VC's quota."""
        return [[n for n in range(self.pools) if n == pool or self._share(n, pool)] for pool in range(self.pools)]

    def _share(self, one: int, other: int) -> bool:
        """Tell whether two pools share GPUs or a quota."""
        if self._keys[one][0] == self._keys[other][0] and not self._divided:
            return True
        return self.quota[one] is not None and self._vcs[one] == self._vcs[other]

    def pool_of(self, row: int) -> int:
        """Return the pool of a job."""
        return self.pool[self._class_index[row]]

    def size(self, row: int) -> int:
        """Return the GPUs of a job's gang."""
        return self.sizes[self._class_index[row]]

    def left(self, pool: int) -> int:
        """Return how many GPUs of a pool are free now."""
        return self._left[self._type_of[pool]]

    def start(self, row: int) -> bool:
        """Give a waiting job its gang, if it fits."""
        index = self._class_index[row]
        left, gpu, size = self._left, self._types[index], self.sizes[index]
        if left[gpu] < size:
            return False
        left[gpu] -= size
        self.changes.append((row, self._gangs[index]))
        return True

    def stop(self, row: int) -> None:
        """Take a running job's gang away; its work is kept."""
        index = self._class_index[row]
        self._left[self._types[index]] += self.sizes[index]
        self.changes.append((row, None))


class NodeRoom(Room):
    """The room of a cluster with nodes: a gang fits where a placer finds nodes for it, within its VC's quota.

    Attributes
    ----------
    held : dict of int to Held
        What each running job holds, nodes of its pool.
    """

    def __init__(
        self,
        cluster: Cluster,
        free: Sequence[int],
        classes: Sequence[JobClass],
        class_index: Sequence[int],
        gangs: Sequence[Placement],
        placer: Placer,
    ) -> None:
        super().__init__(cluster, free, classes, class_index, gangs)
        self._placer, self._choose, self._cluster = placer, placer.choose, cluster
        self._by_key: dict[tuple[str, str], Pool] = {}
        self._nodes = [self._open(*key) for key in self._keys]
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

    def left(self, pool: int) -> int:
        """Return how many GPUs of a pool are free now."""
        nodes = self._nodes[pool]
        return nodes.left if nodes is not None else 0

    def start(self, row: int) -> bool:
        """Give a waiting job its gang, if there are nodes for it."""
        if row in self.held:
            raise RunError("the policy starts a job that holds GPUs already: stop it first")
        index = self._class_index[row]
        number, size = self.pool[index], self.sizes[index]
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
        self.journal.append((row, None, held))
        self.changes.append((row, self._gangs[index]))
        return True

    def _within(self, number: int, size: int) -> bool:
        """Tell whether so many more GPUs keep the quota of a pool's VC."""
        quota = self.quota[number]
        return quota is None or self._used[self._vcs[number]] + size <= quota

    def _count(self, number: int, size: int) -> None:
        """Count GPUs against the quota of a pool's VC."""
        if self.quota[number] is not None:
            self._used[self._vcs[number]] += size

    def _find(self, number: int, size: int) -> Held | None:
        nodes = self._nodes[number]
        return None if nodes is None or not self._within(number, size) else self._choose(nodes, size)

    def stop(self, row: int) -> None:
        """Take a running job's gang away; its work is kept."""
        held = self.held[row]
        self._clear(row)
        self.journal.append((row, held, None))
        self.changes.append((row, None))

    def fits_empty(self, index: int) -> bool:
        """Tell whether a class of jobs fits when nothing else runs; asked before the run."""
        return self._find(self.pool[index], self.sizes[index]) is not None

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

    def settle(self, changes: Sequence[Change], now: float) -> list[Held | None]:
        """Make a decision hold, and return what each change holds.

        Raises
        ------
        RunError
            If there are no nodes for what a policy handed out by itself.
        """
        if changes is self.changes:
            found = [after for _, _, after in self.journal]
            self.journal.clear()
            return found
        if self.journal:
            self._undo()
        return [self._settle_one(row, placement, now) for row, placement in changes]

    def _settle_one(self, row: int, placement: Placement | None, now: float) -> Held | None:
        """Find nodes for what a policy handed out without asking for room."""
        if row in self._scattered:
            self._gather(row)
        elif row in self.held:
            self._clear(row)
        if placement is None:
            return None
        index = self._class_index[row]
        if placement is not self._gangs[index]:
            return self._scatter(row, placement, now)
        held = self._find(self.pool[index], self.sizes[index])
        if held is None:
            raise RunError(
                f"the policy placed a gang of {self.sizes[index]} GPUs at {now} s, and no nodes are free for it: "
                "ask view.room() whether a gang fits"
            )
        self._set(row, self.pool[index], self.sizes[index], held)
        return held

    def _scatter(self, row: int, placement: Placement, now: float) -> Held:
        """Give an elastic job GPUs of any nodes, the fullest first: it is no gang."""
        parts: list[tuple[Pool, Held]] = []
        for gpu, wanted in zip(self._cluster.types, placement.gpus, strict=True):
            pool = self._open(gpu, "") if wanted else None
            if wanted and (pool is None or pool.left < wanted):
                raise RunError(f"the policy handed out more GPUs than there are at {now} s: {wanted} {gpu}")
            if pool is not None:
                held = _loose(pool, wanted)
                pool.take(held)
                parts.append((pool, held))
        self._scattered[row] = parts
        return tuple(one for _, held in parts for one in held)

    def _gather(self, row: int) -> None:
        for pool, held in self._scattered.pop(row):
            pool.give(held)

    def _set(self, row: int, number: int, size: int, held: Held) -> None:
        nodes = self._nodes[number]
        assert nodes is not None
        nodes.take(held)
        self.held[row] = held
        self._count(number, size)

    def _clear(self, row: int) -> None:
        index = self._class_index[row]
        number = self.pool[index]
        nodes = self._nodes[number]
        assert nodes is not None
        nodes.give(self.held.pop(row))
        if self._used:
            self._count(number, -self.sizes[index])

    def _undo(self) -> None:
        for row, before, _ in reversed(self.journal):
            if before is None:
                self._clear(row)
            else:
                index = self._class_index[row]
                self._set(row, self.pool[index], self.sizes[index], before)
        self.journal.clear()


def _loose(pool: Pool, wanted: int) -> Held:
    held = []
    for node in sorted((n for n in pool.members if pool.free[n]), key=lambda n: (pool.free[n], n)):
        slots = getattr(pool, "slots", None)
        count = min(wanted, pool.free[node])
        held.append((node, count, _some(slots[node], count) if slots else 0))
        wanted -= count
        if not wanted:
            break
    return tuple(held)


def _some(slots: int, count: int) -> int:
    taken = 0
    for _ in range(count):
        lowest = slots & -slots
        taken, slots = taken | lowest, slots ^ lowest
    return taken

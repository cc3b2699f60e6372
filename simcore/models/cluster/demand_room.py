"""The room of jobs that share GPUs, run on any of several types, or need cores and main memory of their nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from simcore.errors import InputError, RunError
from simcore.models.cluster.cluster import Cluster, Node, cluster_of_nodes
from simcore.models.cluster.jobs import JobClass, Trace
from simcore.models.cluster.node_room import NodeRoom
from simcore.models.cluster.packing import Placer
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.pools import DIGITS, PARTS, Held, Pool
from simcore.models.cluster.room import Entry, Misfits, Stock
from simcore.models.cluster.shared_pool import MILLI, Ask, Copy, SharedPool
from simcore.models.cluster.sketch import Sketch

OnType = Callable[[int, str], Placement]
"""From a class of jobs and a GPU type to the gang there."""


def with_needs(trace: Trace, cluster: Cluster) -> Trace:
    """Return a trace whose classes say cores and memory, where its jobs ask for them and nodes say how much they have.

    Raises
    ------
    InputError
        If a job asks for less than nothing.

    Examples
    --------
    >>> from simcore.models.cluster.jobs import build_trace
    >>> trace = build_trace("t", ["a"], [0.0], [60.0], [JobClass("bert", 1, 1, False, "t4")])
    >>> asking = replace(trace, numbers={"cpus": np.array([4.0])})
    >>> with_needs(asking, cluster_of_nodes("c", [Node("t4", 2, cpus=8)])).classes[0].cpus
    4.0
    """
    counted = {
        "cpus": any(node.cpus for node in cluster.nodes),
        "memory_b": any(node.memory for node in cluster.nodes),
    }
    needs = {
        name: np.nan_to_num(trace.numbers[name]) if there and name in trace.numbers else np.zeros(len(trace))
        for name, there in counted.items()
    }
    for name, values in needs.items():
        if len(wrong := np.flatnonzero(values < 0.0)):
            place = f"{trace.place(int(wrong[0]))}, field '{name}'"
            raise InputError(place, f"{values[wrong[0]]:g}", "a number from 0")
    table = np.column_stack([trace.class_index, *needs.values()])
    if not table[:, 1:].any():
        return trace
    distinct, index = np.unique(table, axis=0, return_inverse=True)
    classes = [replace(trace.classes[int(row)], cpus=cpus, memory=memory) for row, cpus, memory in distinct.tolist()]
    return replace(trace, class_index=index.reshape(-1).astype(np.int64), classes=tuple(classes))


def demanding(classes: Sequence[JobClass], cluster: Cluster) -> bool:
    """Tell whether any class shares a GPU, may run on several types, or needs cores or memory."""
    return any(
        job.share < 1.0 or job.cpus or job.memory or len(cluster.types_of(job.gpu_type, job.vc)) > 1 for job in classes
    )


def on_nodes(cluster: Cluster, classes: Sequence[JobClass]) -> Cluster:
    """Return a cluster with a node per GPU type, where it has none and jobs share GPUs or may run on several types.

    Examples
    --------
    >>> half = JobClass("bert", 1, 1, False, "t4", share=0.5)
    >>> on_nodes(Cluster("c", ("t4",), (4,)), [half]).nodes
    (Node(type='t4', gpus=4, vc='', rack='', cpus=0.0, memory=0.0),)
    """
    if cluster.nodes or not demanding(classes, cluster):
        return cluster
    nodes = [Node(gpu, number) for gpu, number in zip(cluster.types, cluster.counts, strict=True)]
    return cluster_of_nodes(cluster.name, nodes, source=cluster.source)


def open_room(stock: Stock, placer: Placer, on_type: OnType | None = None, *, elastic: bool = False) -> NodeRoom:
    """Return the room of a cluster with nodes: that of whole GPUs where jobs ask for nothing else.

    Parameters
    ----------
    stock : Stock
        What is handed out, and to whom.
    placer : Placer
        Which nodes a gang gets.
    on_type : callable, optional
        The gang of a class on a type; needed to start jobs that may run on several.
    elastic : bool
        Whether jobs grow and shrink, so that what they hold is no gang.
    """
    if elastic or not demanding(stock.classes, stock.cluster):
        return NodeRoom(stock, placer, elastic=elastic)
    return DemandRoom(stock, placer, on_type=on_type)


class Unlike(Misfits):
    """Jobs that did not fit where they differ in more than GPUs: what is of their class does not fit either."""

    def __init__(self, class_index: Sequence[int]) -> None:
        self._class_index = class_index
        self._failed: set[int] = set()

    def add(self, row: int) -> None:
        """Say that a job does not fit."""
        self._failed.add(self._class_index[row])

    def __contains__(self, row: int) -> bool:
        return self._class_index[row] in self._failed


class DemandRoom(NodeRoom):
    """The room of jobs that ask for a share of a GPU, for cores and memory, or for GPUs of any of several types.

    A share lies on one GPU, and two of one GPU are at most 1. All GPUs of a gang are of one type: where a placer takes
    one node, that node may be of any type of the job; otherwise its types are tried in the order of the cluster.

    Parameters
    ----------
    stock : Stock
        What is handed out, and to whom.
    placer : Placer
        Which nodes a gang gets.
    on_type : callable, optional
        The gang of a class on a type; needed to start jobs that may run on several.
    """

    def __init__(self, stock: Stock, placer: Placer, *, on_type: OnType | None = None) -> None:
        self._shared: dict[str, SharedPool] = {}
        super().__init__(stock, placer)
        self._on_type = on_type
        self._types_of = [stock.cluster.types_of(*key) for key in self._keys]
        self._lots = [self._shared.get(self._owner(vc)) for _, vc in self._keys]
        self._asks = [
            Ask(
                job.max_parallelism,
                round(PARTS * job.share),
                self._types_of[self.pool[index]],
                float(np.ceil(round(MILLI * job.cpus, DIGITS))),
                float(np.ceil(job.memory)),
            )
            for index, job in enumerate(stock.classes)
        ]

    def _owner(self, vc: str) -> str:
        return vc if self._cluster.divided else ""

    def _open(self, gpu: str, vc: str) -> Pool | None:
        """Return the nodes of a VC, whatever their type."""
        owner = self._owner(vc)
        if owner not in self._shared:
            nodes = self._cluster.nodes
            members = [n for n, node in enumerate(nodes) if node.vc == owner and node.gpus]
            if not members:
                return None
            self._shared[owner] = SharedPool(nodes, members)
        return self._shared[owner]

    def misfits(self) -> Misfits:
        """Return a list of jobs of one pool that did not fit, for one decision."""
        return Unlike(self._class_index)

    def start_in_order(self, queue: Sequence[Entry]) -> list[Entry]:
        """Start the jobs of a queue of one pool that fit, in order, and return what still waits."""
        waits: list[Entry] = []
        misfits = self.misfits()
        for entry in queue:
            if entry[1] not in misfits:
                if self.start(entry[1]):
                    continue
                misfits.add(entry[1])
            waits.append(entry)
        return waits

    def left(self, pool: int) -> float:
        """Return how many GPUs of a pool are free now, shares included."""
        lot = self._lots[pool]
        return 0 if lot is None else sum(lot.left_of.get(gpu, 0) for gpu in self._types_of[pool]) / PARTS

    def _share(self, one: int, other: int) -> bool:
        """Tell whether two pools share GPUs or a quota."""
        if self._lots[one] is self._lots[other] and set(self._types_of[one]) & set(self._types_of[other]):
            return True
        return self.quota[one] is not None and self._vcs[one] == self._vcs[other]

    def _capacity(self, pool: int) -> int:
        return sum(self.nodes_in(pool))

    def fits_on(self, index: int, gpu: str) -> bool:
        """Tell whether the gang of a class fits on GPUs of one type when nothing else runs; asked before the run."""
        return self._find(index, replace(self._asks[index], types=(gpu,))) is not None

    def nodes_of(self, index: int) -> list[int]:
        """Return the GPUs of each node that a class of jobs may use."""
        return self.nodes_in(self.pool[index])

    def nodes_in(self, pool: int) -> list[int]:
        """Return the GPUs of each node of a pool."""
        lot, types = self._lots[pool], self._types_of[pool]
        return [] if lot is None else [lot.sizes[n] for n in lot.members if self._cluster.nodes[n].type in types]

    def sketch(self, pool: int) -> Sketch:
        """Return a copy of what is free in a pool, to try on what will fit later."""
        lot = self._lots[pool]
        copy = None if lot is None else Copy(lot.copy(), self._ask, self._fit)
        return Sketch(self._allowed(pool), self.left(pool), self.size, copy)

    def start(self, row: int, placement: Placement | None = None) -> bool:
        """Give a waiting job its gang on any type that it may use, or GPUs of the one type that is given."""
        if row in self.held:
            raise RunError("the policy starts a job that holds GPUs already: stop it first")
        found = self._found(row, placement)
        if found is None:
            return False
        then, held = found
        self._set(row, self._class_index[row], held)
        self.journal.append((row, None, held, None))
        self.changes.append((row, then))
        return True

    def _ask(self, row: int) -> Ask:
        return self._asks[self._class_index[row]]

    def _found(self, row: int, placement: Placement | None) -> tuple[Placement, Held] | None:
        """Return what a job gets now, None if it does not fit."""
        index = self._class_index[row]
        ask = self._asks[index]
        if placement is not None:
            wanted = [gpu for gpu, number in zip(self._cluster.types, placement.gpus, strict=True) if number]
            if len(wanted) != 1 or round(sum(placement.gpus), DIGITS) != self.sizes[index]:
                raise RunError(
                    f"the policy gives a job {sum(placement.gpus):g} GPUs of {len(wanted)} types, and its gang is "
                    f"{self.sizes[index]:g} of one: jobs that share GPUs or need cores and memory run on their gang"
                )
            ask = replace(ask, types=tuple(wanted))
        held = self._find(index, ask)
        if held is None:
            return None
        return placement or self._there(index, held), held

    def _there(self, index: int, held: Held) -> Placement:
        """Return the gang of a class on the type of its nodes."""
        if len(self._asks[index].types) == 1:
            return self._gangs[index]
        assert self._on_type is not None
        return self._on_type(index, self._cluster.nodes[held[0][0]].type)

    def _find(self, index: int, ask: Ask | None = None) -> Held | None:
        """Return what a class of jobs would get now."""
        number = self.pool[index]
        lot = self._lots[number]
        if lot is None or not self._within(number, self.sizes[index]):
            return None
        return self._fit(lot, ask or self._asks[index])

    def _fit(self, lot: SharedPool, ask: Ask) -> Held | None:
        """Return what the placer chooses."""
        if ask.shares:
            offer = lot.offer(ask)
            chosen = self._placer.choose_share(offer, ask.parts) if offer.members else None
            return None if chosen is None else lot.hold(ask, chosen)
        one_node = self._placer.one_node and ask.gpus <= lot.largest_of(ask.types)
        for each in [ask] if one_node else [replace(ask, types=(gpu,)) for gpu in ask.types]:
            offer = lot.offer(each)
            chosen = self._choose(offer, ask.gpus) if offer.left >= ask.gpus else None
            if chosen is not None:
                return lot.hold(ask, chosen)
        return None

    def _settle_one(self, row: int, placement: Placement, now: float) -> tuple[Placement, Held]:
        """Find nodes for what a policy handed out without asking for room."""
        index = self._class_index[row]
        found = self._found(row, None if placement is self._gangs[index] else placement)
        if found is None:
            raise self._no_nodes(row, now)
        self._set(row, index, found[1])
        return found

    def _set(self, row: int, index: int, held: Held) -> None:
        number = self.pool[index]
        lot = self._lots[number]
        assert lot is not None
        lot.take(held, self._asks[index])
        self.held[row] = held
        self._count(number, self.sizes[index])

    def _clear(self, row: int) -> None:
        index = self._class_index[row]
        number = self.pool[index]
        lot = self._lots[number]
        assert lot is not None
        lot.give(self.held.pop(row), self._asks[index])
        self._count(number, -self.sizes[index])

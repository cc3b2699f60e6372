"""Nodes whose GPUs are shared, and whose cores and main memory count: what is free on each, and what fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.cluster import Node
from simcore.models.cluster.pools import PARTS, CellPool, Held, State, lowest_bits

MILLI = 1000.0
"""Parts of a core that cores are counted in, so that their sums are exact."""


@dataclass(frozen=True)
class Ask:
    """What a job asks of nodes.

    Attributes
    ----------
    gpus : int
        GPUs on which it lies.
    parts : int
        What it takes of each, in 1/1000.
    types : tuple of str
        GPU types of which any will do; all GPUs are of one.
    cores, memory : float
        In all, over its nodes in proportion to GPUs [1/1000 core, B].
    """

    gpus: int
    parts: int
    types: tuple[str, ...]
    cores: float = 0.0
    memory: float = 0.0

    @property
    def shares(self) -> bool:
        """Whether it takes less than a whole GPU."""
        return self.parts < PARTS

    def portion(self, total: float, gpus: Any) -> Any:
        """Return what the GPUs on a node need of an amount for the whole gang, rounded up."""
        return np.ceil(total * gpus / self.gpus)


class SharedPool(CellPool):
    """Nodes of one virtual cluster, of all types, of which a job may take a share of a GPU, cores and main memory.

    GPUs are counted in 1/1000, cores too, main memory in bytes. So no sum is rounded, and a GPU is free exactly when
    all that shared it is done.

    Parameters
    ----------
    nodes : sequence of Node
        All nodes of the cluster. One that says no cores has any number, and so with memory.
    members : sequence of int
        The nodes of the pool, ascending.

    Attributes
    ----------
    shared : list of dict of int to int
        Of each node, by GPU that is shared its free parts.
    left_of : dict of str to int
        Free parts of the GPUs of each type.

    Examples
    --------
    >>> pool = SharedPool([Node("t4", 2, cpus=8)], [0])
    >>> half = Ask(1, 500, ("t4",), cores=6000)
    >>> pool.take(((0, 0.5, 0b10),), half)
    >>> pool.free[0], pool.shared[0], pool.able(half)
    (1, {1: 500}, 0)
    """

    def __init__(self, nodes: Sequence[Node], members: Sequence[int]) -> None:
        super().__init__([node.gpus for node in nodes], members)
        self._types = [node.type for node in nodes]
        self._of_type: dict[str, int] = {}
        self.left_of: dict[str, int] = {}
        for node in self.members:
            gpu = self._types[node]
            self._of_type[gpu] = self._of_type.get(gpu, 0) | 1 << node
            self.left_of[gpu] = self.left_of.get(gpu, 0) + PARTS * self.sizes[node]
        self.shared: list[dict[int, int]] = [{} for _ in nodes]
        self._state: list[State] = [(size, ()) for size in self.sizes]
        self._states = super().states
        self._whole = np.array(self.sizes, dtype=np.float64)
        self._cores = np.array([MILLI * node.cpus or np.inf for node in nodes])
        self._memory = np.array([node.memory or np.inf for node in nodes])

    @property
    def states(self) -> dict[State, int]:
        """By what is free on them, the nodes."""
        return self._states

    def copy(self) -> SharedPool:
        """Return the same, of which may be taken without a change of this one."""
        other = copy(self)
        for name in ("slots", "free", "at", "left_of", "_state", "_states", "_whole", "_cores", "_memory"):
            setattr(other, name, getattr(self, name).copy())
        other.shared = [dict(each) for each in self.shared]
        return other

    def largest_of(self, types: Sequence[str]) -> int:
        """Return the GPUs of the largest node of some types, 0 where there is none."""
        return max((self.sizes[node] for node in self.members if self._types[node] in types), default=0)

    def able(self, ask: Ask) -> int:
        """Return the nodes of the right type with cores and memory for as many of the GPUs as they have free."""
        right = 0
        for gpu in ask.types:
            right |= self._of_type.get(gpu, 0)
        if not (ask.cores or ask.memory):
            return right
        gpus = 1.0 if ask.shares else np.minimum(self._whole, ask.gpus)
        enough = ask.portion(ask.cores, gpus) <= self._cores
        enough &= ask.portion(ask.memory, gpus) <= self._memory
        return right & _as_set(enough)

    def offer(self, ask: Ask) -> Offer:
        """Return what a job may choose from."""
        return Offer(self, self.able(ask), self.largest_of(ask.types))

    def hold(self, ask: Ask, chosen: Held) -> Held:
        """Return what a placer chose with the GPUs of each node: where it does not say which, the first free ones."""
        count = ask.parts / PARTS if ask.shares else 0
        return tuple((node, count or gpus, slots or lowest_bits(self.slots[node], int(gpus)))
                     for node, gpus, slots in chosen)  # fmt: skip

    def take(self, held: Held, ask: Ask | None = None) -> None:
        """Hand out what a job asks for."""
        assert ask is not None
        self._move(held, ask, -1)

    def give(self, held: Held, ask: Ask | None = None) -> None:
        """Take back what a job asked for."""
        assert ask is not None
        self._move(held, ask, 1)

    def _move(self, held: Held, ask: Ask, sign: int) -> None:
        for node, gpus, slots in held:
            if ask.shares:
                self._move_share(node, slots.bit_length() - 1, sign * ask.parts)
            else:
                self.slots[node] ^= slots
            self._note(node)
            used = 1 if ask.shares else gpus
            self._cores[node] += sign * ask.portion(ask.cores, used)
            self._memory[node] += sign * ask.portion(ask.memory, used)
            self.left_of[self._types[node]] += sign * round(PARTS * gpus)

    def _move_share(self, node: int, gpu: int, change: int) -> None:
        free = self.shared[node].pop(gpu, None)
        if free is None:
            self.slots[node] ^= 1 << gpu
            free = PARTS
        free += change
        if free == PARTS:
            self.slots[node] ^= 1 << gpu
        else:
            self.shared[node][gpu] = free

    def _note(self, node: int) -> None:
        """Put a node where nodes stand that have as much free."""
        bit, before = 1 << node, self._state[node]
        now = self._state[node] = self.slots[node].bit_count(), tuple(sorted(self.shared[node].values()))
        rest = self._states[before] ^ bit
        if rest:
            self._states[before] = rest
        else:
            del self._states[before]
        self._states[now] = self._states.get(now, 0) | bit
        self.at[before[0]] ^= bit
        self.at[now[0]] ^= bit
        self.free[node] = now[0]
        self._whole[node] = now[0]


class Offer(CellPool):
    """What a shared pool offers to one job: the nodes that it may use, as placers see them.

    Parameters
    ----------
    pool : SharedPool
        Which.
    able : int
        The nodes that the job may use.
    largest : int
        GPUs of the largest node of the job's types.
    """

    def __init__(self, pool: SharedPool, able: int, largest: int) -> None:
        self.sizes, self.largest = pool.sizes, largest
        self.slots, self.free = pool.slots.copy(), pool.free.copy()
        self.at = [nodes & able for nodes in pool.at[: largest + 1]]
        self.left = sum(count * nodes.bit_count() for count, nodes in enumerate(self.at))
        self.members = as_list(able)
        self._pool = pool

    @property
    def states(self) -> dict[State, int]:
        """By what is free on them, the nodes."""
        return {
            state: able
            for state, nodes in self._pool.states.items()
            if state[0] <= self.largest and (able := nodes & self.at[state[0]])
        }

    def gpu_with(self, node: int, parts: int) -> int:
        """Return the first GPU of a node that is shared and has so many free parts, as a bit."""
        return 1 << min(gpu for gpu, free in self._pool.shared[node].items() if free == parts)


def _as_set(nodes: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(nodes, bitorder="little").tobytes(), "little")


def as_list(nodes: int) -> list[int]:
    """Return the nodes of a set, ascending.

    Examples
    --------
    >>> as_list(0b1100)
    [2, 3]
    """
    raw = np.frombuffer(nodes.to_bytes((nodes.bit_length() + 7) // 8 or 1, "little"), dtype=np.uint8)
    found: list[int] = np.flatnonzero(np.unpackbits(raw, bitorder="little")).tolist()
    return found


@dataclass
class Copy:
    """A copy of a shared pool for a sketch.

    Attributes
    ----------
    nodes : SharedPool
        The copy.
    ask : callable
        From a row to what its job asks for.
    find : callable
        What a job gets of a pool.
    """

    nodes: SharedPool
    ask: Callable[[int], Ask]
    find: Callable[[SharedPool, Ask], Held | None]

    def fits(self, row: int) -> Held | None:
        """Return what a job's gang would get, None if it does not fit."""
        return self.find(self.nodes, self.ask(row))

    def move(self, row: int, held: Held, sign: int) -> None:
        """Take what a job holds, or with a sign of 1 give it back."""
        (self.nodes.give if sign > 0 else self.nodes.take)(held, self.ask(row))

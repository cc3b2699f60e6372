"""Nodes that jobs may share: those of one GPU type and one virtual cluster, with what is free on each."""

from __future__ import annotations

from collections.abc import Sequence

Held = tuple[tuple[int, float, int], ...]
"""What a job holds: node, GPUs there, and which of its GPUs as bits; 0 where it does not matter."""
State = tuple[int, tuple[int, ...]]
"""What is free on a node: whole GPUs, and of each GPU that is shared the free parts, ascending."""
PARTS = 1000
"""Parts of a GPU that shares are counted in."""
DIGITS = 3
"""Digits behind the point to which sums of shares are rounded, so that they are exact."""


class Pool:
    """Nodes of one GPU type and one virtual cluster.

    A set of nodes is an integer with a bit per node, so that the first node of a set costs the same in any pool.

    Parameters
    ----------
    sizes : sequence of int
        GPUs of every node of the cluster.
    members : sequence of int, optional
        The nodes of the pool, ascending; all by default.

    Attributes
    ----------
    sizes, free : list of int
        GPUs of each node of the cluster, and how many are free; only those of members count.
    members : list of int
        The nodes of the pool.
    largest : int
        GPUs of the largest node.
    at : list of int
        By number of free GPUs, the nodes that have so many free.
    left : int
        Free GPUs of all nodes.

    Examples
    --------
    >>> pool = Pool([8, 8])
    >>> pool.take(((0, 3, 0),))
    >>> pool.free, pool.left, lowest(pool.at[5])
    ([5, 8], 13, 0)
    """

    def __init__(self, sizes: Sequence[int], members: Sequence[int] | None = None) -> None:
        self.sizes, self.free = list(sizes), list(sizes)
        self.members = list(range(len(sizes)) if members is None else members)
        self.largest = max(sizes[node] for node in self.members)
        self.left = sum(sizes[node] for node in self.members)
        self.at = [0] * (self.largest + 1)
        for node in self.members:
            self.at[sizes[node]] |= 1 << node

    @property
    def whole(self) -> int:
        """Nodes of the largest size that are free altogether."""
        return self.at[self.largest]

    @property
    def states(self) -> dict[State, int]:
        """By what is free on them, the nodes."""
        return {(free, ()): nodes for free, nodes in enumerate(self.at) if nodes}

    def take(self, held: Held) -> None:
        """Hand GPUs out."""
        free, at = self.free, self.at
        for node, count, _ in held:
            gpus = int(count)
            before, bit = free[node], 1 << node
            at[before] ^= bit
            free[node] = after = before - gpus
            at[after] ^= bit
            self.left -= gpus

    def give(self, held: Held) -> None:
        """Take GPUs back."""
        free, at = self.free, self.at
        for node, count, _ in held:
            gpus = int(count)
            before, bit = free[node], 1 << node
            at[before] ^= bit
            free[node] = after = before + gpus
            at[after] ^= bit
            self.left += gpus


class CellPool(Pool):
    """A pool that knows which GPUs of a node are free, for buddy cells.

    Attributes
    ----------
    slots : list of int
        Free GPUs of each node as bits.
    """

    def __init__(self, sizes: Sequence[int], members: Sequence[int] | None = None) -> None:
        super().__init__(sizes, members)
        self.slots = [(1 << size) - 1 for size in sizes]

    def take(self, held: Held) -> None:
        """Hand GPUs out."""
        super().take(held)
        for node, _, slots in held:
            self.slots[node] ^= slots

    def give(self, held: Held) -> None:
        """Take GPUs back."""
        super().give(held)
        for node, _, slots in held:
            self.slots[node] ^= slots


def lowest(nodes: int) -> int:
    """Return the first node of a set that is not empty.

    Examples
    --------
    >>> lowest(0b1100)
    2
    """
    return (nodes & -nodes).bit_length() - 1


def lowest_bits(slots: int, count: int) -> int:
    """Return the first bits of a set.

    Examples
    --------
    >>> bin(lowest_bits(0b1101, 2))
    '0b101'
    """
    taken = 0
    for _ in range(count):
        first = slots & -slots
        taken, slots = taken | first, slots ^ first
    return taken

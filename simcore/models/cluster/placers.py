"""Which nodes a gang gets: a rule that is independent of which job runs, and chosen apart from the policy.

A placer sees a pool of nodes and a number of GPUs. It says which GPUs of which nodes to take, or that the gang does not
fit. A gang is taken whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simcore.errors import by_name, unknown_name
from simcore.models.cluster.fragmentation import Fragmentation
from simcore.models.cluster.packing import Packed, Placer, emptiest
from simcore.models.cluster.pools import PARTS, CellPool, Held, Pool, lowest
from simcore.models.cluster.shared_pool import Offer, as_list


class Consolidated(Packed):
    """A gang on as few nodes as can be: one node if it fits, else the freest nodes, the last by best fit.

    Unlike `Packed` it tears a gang apart where it must: a gang starts as soon as enough GPUs are free.

    Examples
    --------
    >>> pool = Pool([8, 8])
    >>> pool.take(((0, 5, 0), (1, 6, 0)))
    >>> Packed().choose(pool, 4), Consolidated().choose(pool, 4)
    (None, ((0, 3, 0), (1, 1, 0)))
    """

    one_node = False

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return the fewest nodes."""
        if pool.left < gpus:
            return None
        held: list[tuple[int, int, int]] = []
        at = list(pool.at)
        while gpus:
            fits = next((free for free in range(gpus, len(at)) if at[free]), 0)
            free = fits or max(free for free in range(1, len(at)) if at[free])
            node = lowest(at[free])
            held.append((node, min(gpus, free), 0))
            at[free] ^= 1 << node
            gpus -= min(gpus, free)
        return tuple(held)


class Spread(Placer):
    """A gang over as many nodes as can be: each GPU on the node with the most free ones, the first on ties.

    Examples
    --------
    >>> Spread().choose(Pool([8, 8]), 3)
    ((0, 2, 0), (1, 1, 0))
    """

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return GPUs of many nodes."""
        if pool.left < gpus:
            return None
        at, taken = list(pool.at), dict[int, int]()
        most = len(at) - 1
        for _ in range(gpus):
            while not at[most]:
                most -= 1
            node = lowest(at[most])
            at[most] ^= 1 << node
            at[most - 1] |= 1 << node
            taken[node] = taken.get(node, 0) + 1
        return tuple((node, count, 0) for node, count in sorted(taken.items()))

    def choose_share(self, offer: Offer, parts: int) -> Held | None:
        """Return a GPU that is free, or else the emptiest shared one."""
        return self.choose(offer, 1) or emptiest(offer, parts)


class Freest(Placer):
    """A gang on the node with the most free GPUs, all that it has, then on the next such node; the first on ties.

    It keeps a gang on few nodes and leaves others whole for no one. Source: the placement of Tiresias and Optimus in
    Pollux's artifact (Qiao et al., OSDI 2021).

    Examples
    --------
    >>> pool = Pool([4, 4, 4])
    >>> pool.take(((0, 1, 0),))
    >>> Freest().choose(pool, 2), Freest().choose(pool, 10)
    (((1, 2, 0),), ((1, 4, 0), (2, 4, 0), (0, 2, 0)))
    """

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return the freest nodes."""
        if pool.left < gpus:
            return None
        held, free = [], len(pool.at) - 1
        nodes = pool.at[free]
        while gpus:
            while not nodes:
                free -= 1
                nodes = pool.at[free]
            count = min(gpus, free)
            held.append((lowest(nodes), count, 0))
            nodes &= nodes - 1
            gpus -= count
        return tuple(held)

    def choose_share(self, offer: Offer, parts: int) -> Held | None:
        """Return a GPU that is free, or else the emptiest shared one."""
        return self.choose(offer, 1) or emptiest(offer, parts)


class Random(Placer):
    """A gang on nodes in random order, from each as many GPUs as are free there.

    Examples
    --------
    >>> sum(gpus for _, gpus, _ in Random(seed=1).choose(Pool([8, 8]), 9))
    9
    """

    def __init__(self, gangs: Sequence[float] = (), seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return GPUs of random nodes."""
        if pool.left < gpus:
            return None
        held = []
        able = [node for node in pool.members if pool.free[node]]
        for place in self._random.permutation(len(able)).tolist():
            count = min(gpus, pool.free[able[place]])
            held.append((able[place], count, 0))
            gpus -= count
            if not gpus:
                break
        return tuple(held)

    def choose_share(self, offer: Offer, parts: int) -> Held | None:
        """Return the fullest GPU that fits of a random node."""
        able = [
            (nodes, min((each for each in shared if each >= parts), default=PARTS))
            for (free, shared), nodes in offer.states.items()
            if free or max(shared, default=0) >= parts
        ]
        if not able:
            return None
        nodes = sorted((node, free) for group, free in able for node in as_list(group))
        node, free = nodes[int(self._random.integers(len(nodes)))]
        return ((node, 1, 0 if free == PARTS else offer.gpu_with(node, free)),)


class Buddy(Placer):
    """A gang in a cell of 1, 2, 4, ... GPUs that are neighbours in a node; the smallest free cell that holds it.

    A cell begins at a multiple of its size, so that two free halves make a whole again. What a gang leaves of its cell
    is free for smaller ones. A gang that is larger than a node gets whole nodes and a cell. Zhao et al., OSDI 2020
    (HiveD).

    Examples
    --------
    GPUs 0 and 3 of a node are taken; a pair gets 4 and 5, because 1 and 2 are no cell:

    >>> pool = CellPool([8])
    >>> pool.take(((0, 1, 0b0001), (0, 1, 0b1000)))
    >>> [bin(slots) for _, _, slots in Buddy().choose(pool, 2)]
    ['0b110000']
    """

    pool_type = CellPool
    one_node = True

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return cells."""
        assert isinstance(pool, CellPool)
        count, rest = divmod(gpus, pool.largest)
        full = (1 << pool.largest) - 1
        nodes, held = pool.whole, []
        if nodes.bit_count() < count:
            return None
        for _ in range(count):
            held.append((lowest(nodes), pool.largest, full))
            nodes &= nodes - 1
        if not rest:
            return tuple(held)
        cell = _best_cell(pool, rest, {node for node, _, _ in held})
        return None if cell is None else (*held, cell)


def _best_cell(pool: CellPool, gpus: int, taken: set[int]) -> tuple[int, int, int] | None:
    """Return the first GPUs of the smallest free cell of any node that holds so many."""
    able = []
    for node in pool.members:
        slots = pool.slots[node]
        if pool.free[node] < gpus or node in taken:
            continue
        most, size = pool.sizes[node], 1 << (gpus - 1).bit_length()
        while size < 2 * most:
            cell = (1 << min(size, most)) - 1
            first = next((s for s in range(0, most, size) if slots >> s & cell == cell), None)
            if first is not None:
                able.append((_free_cell(slots, first, size, most), node, first))
                break
            size *= 2
    if not able:
        return None
    _, node, first = min(able)
    return node, gpus, ((1 << gpus) - 1) << first


def _free_cell(slots: int, first: int, size: int, most: int) -> int:
    """Return the size of the largest free cell around a free one."""
    while 2 * size <= most:
        start = first - first % (2 * size)
        cell = (1 << 2 * size) - 1
        if slots >> start & cell != cell:
            break
        first, size = start, 2 * size
    return size


PLACERS: dict[str, type[Placer]] = {
    "packed": Packed,
    "consolidated": Consolidated,
    "spread": Spread,
    "freest": Freest,
    "random": Random,
    "buddy": Buddy,
    "fragmentation": Fragmentation,
    "fragmentation-aware": Fragmentation,
}


def find_placer(name: str, place: str = "placement") -> type[Placer]:
    """Return the placer of a name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> find_placer("Packed").__name__
    'Packed'
    """
    known = by_name(name, PLACERS)
    if known is None:
        raise unknown_name(place, name, PLACERS)
    return PLACERS[known]

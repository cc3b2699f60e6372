"""What a placer is, and best fit: a gang on the one node, a share on the one GPU, where least is left over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from simcore.models.cluster.pools import Held, Pool, lowest
from simcore.models.cluster.shared_pool import Offer


class Placer:
    """Base of all placers: a subclass writes `choose`.

    Attributes
    ----------
    pool_type : type of Pool
        What the placer must know of a pool.
    one_node : bool
        Whether a gang that is no larger than a node is on one node, or waits.
    """

    pool_type: ClassVar[type[Pool]] = Pool
    one_node: ClassVar[bool] = False

    def __init__(self, gangs: Sequence[float] = (), seed: int = 0) -> None:
        """Begin a run.

        Parameters
        ----------
        gangs : sequence of float
            GPUs of each job of the trace, for a placer that looks at what is asked for.
        seed : int
            For a placer that draws random numbers.
        """

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return which GPUs a gang gets, None if it does not fit now."""
        raise NotImplementedError

    def choose_share(self, offer: Offer, parts: int) -> Held | None:
        """Return the GPU of which a job gets so many parts in 1/1000, None if none has them free.

        The fullest GPU that fits, the first node on ties; where no shared one fits the placer chooses a free one.
        """
        shared = fullest(offer, parts)
        return self.choose(offer, 1) if shared is None else shared


class Packed(Placer):
    """A gang on the one node where the fewest GPUs are left over, the first such node on ties.

    A gang that is larger than a node gets whole free nodes, the first ones, and its remainder is packed as a small
    gang. So a gang waits rather than be torn apart. Hu et al., SC 2021, call it consolidated placement.

    Examples
    --------
    >>> pool = Pool([8, 8, 8])
    >>> pool.take(((1, 5, 0),))
    >>> Packed().choose(pool, 2), Packed().choose(pool, 18)
    (((1, 2, 0),), ((0, 8, 0), (2, 8, 0), (1, 2, 0)))
    """

    one_node = True

    def choose(self, pool: Pool, gpus: int) -> Held | None:
        """Return the best fit."""
        largest = pool.largest
        if gpus > largest:
            return self._several(pool, gpus)
        at = pool.at
        for free in range(gpus, largest + 1):
            nodes = at[free]
            if nodes:
                return (((nodes & -nodes).bit_length() - 1, gpus, 0),)
        return None

    def _several(self, pool: Pool, gpus: int) -> Held | None:
        count, rest = divmod(gpus, pool.largest)
        nodes, held = pool.whole, []
        if nodes.bit_count() < count:
            return None
        for _ in range(count):
            held.append((lowest(nodes), pool.largest, 0))
            nodes &= nodes - 1
        if not rest:
            return tuple(held)
        pool.take(tuple(held))
        last = self.choose(pool, rest)
        pool.give(tuple(held))
        return None if last is None else (*held, *last)


def fullest(offer: Offer, parts: int) -> Held | None:
    """Return the shared GPU on which the fewest parts are left over, the first node on ties."""
    able = []
    for (_, shared), nodes in offer.states.items():
        free = next((each for each in shared if each >= parts), None)
        if free is not None:
            able.append((free, lowest(nodes)))
    return _gpu(offer, *min(able)) if able else None


def emptiest(offer: Offer, parts: int) -> Held | None:
    """Return the shared GPU with the most free parts that fits, the first node on ties."""
    able = [
        (-shared[-1], lowest(nodes)) for (_, shared), nodes in offer.states.items() if shared and shared[-1] >= parts
    ]
    return _gpu(offer, -min(able)[0], min(able)[1]) if able else None


def _gpu(offer: Offer, free: int, node: int) -> Held:
    return ((node, 1, offer.gpu_with(node, free)),)

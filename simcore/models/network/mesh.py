"""Links between the GPUs of a node, and how many rings and chains of them join the first GPUs.

A ring passes each GPU of a group once. It takes one direction of a link out of each GPU and one into it. A group finds
the bandwidth of a link as often as there are rings that share no direction of a link [1]_. Some groups close no ring.
NCCL then reduces along chains, and sends the result back along them.

References
----------
.. [1] NCCL, src/graph/search.cc: rings and trees of a node are searched in the graph of its links.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csc_array

    Floats = NDArray[np.float64]

MOST_GPUS = 8
"""GPUs of a node up to which rings and chains are searched through."""

_TRIES, _NODES = 5, 100
"""How often some rings are tried before all are, and nodes of a tree of programs that a try may take."""
_UNEVEN = 1e-3
"""Up to this much the rings differ in weight from try to try, so that other optima are found."""
_ROUNDING = 1e-6
"""By this much the optimum may lie below a whole number by rounding."""

Matrix = tuple[tuple[int, ...], ...]
"""Links from each GPU of a node to each other one."""

Edge = tuple[int, int]
"""A direction of a link, or, of a chain, a link from the GPU of the smaller number."""


@dataclass(frozen=True)
class Mesh:
    r"""Links between the GPUs of a node.

    Attributes
    ----------
    links : tuple of tuple of int
        A row for each GPU: its links to each of the others, as ``nvidia-smi topo -m`` prints them.
    bandwidth : float
        Of one link in one direction [B/s].

    Examples
    --------
    Three GPUs, of which two share two links:

    >>> mesh = Mesh(((0, 1, 1), (1, 0, 2), (1, 2, 0)), 25e9)
    >>> mesh.rings(3), mesh.chains(3), mesh.bus_bandwidth(3) / 1e9
    (2, 2, 50.0)
    """

    links: Matrix
    bandwidth: float

    @property
    def gpus(self) -> int:
        """GPUs of the node."""
        return len(self.links)

    def rings(self, gpus: int) -> int:
        """Return the most rings of the first GPUs that share no direction of a link."""
        return _most(self._first(gpus), closed=True)

    def chains(self, gpus: int) -> int:
        """Return the most chains of the first GPUs that share no link."""
        return _most(self._first(gpus), closed=False)

    def bus_bandwidth(self, gpus: int) -> float:
        r"""Return the bus bandwidth that the links offer to an all-reduce among the first GPUs [B/s].

        Of n GPUs with links of bandwidth B it is

        .. math:: B \max\left(\text{rings}, \frac{n - 1}{n} \text{chains}\right)

        A chain carries all bytes twice over each link, to reduce them and to send the result back. That is
        :math:`n / (n - 1)` times what a ring sends.

        Parameters
        ----------
        gpus : int
            In the group, at least 2.
        """
        rings, share = self.rings(gpus), (gpus - 1) / gpus
        links = sum(map(sum, self._first(gpus))) // 2
        if rings >= share * (links // (gpus - 1)):  # a chain takes n - 1 links, so that there are not more
            return self.bandwidth * rings
        return self.bandwidth * max(rings, share * self.chains(gpus))

    def _first(self, gpus: int) -> Matrix:
        return tuple(row[:gpus] for row in self.links[:gpus])


@lru_cache
def _most(links: Matrix, *, closed: bool) -> int:
    """Return how many rings, or chains, fit on the links at the same time: a program in whole numbers over all of them.

    It counts how often each ring is taken. No direction of a link is taken by more rings than it has links. Without
    whole numbers the program is quick, and its optimum, rounded down, is a bound. So the rings that its optima take are
    tried first, which mostly reach the bound; all rings are searched only where they do not.
    """
    import numpy as np

    taken, limits = _program(links, closed=closed)
    if not taken.shape[1]:
        return 0
    even = np.ones(taken.shape[1])
    optimum = _taken(taken, limits, even, whole=False)
    assert optimum is not None  # no ring at all is allowed, too
    bound = int(np.floor(optimum.sum() + _ROUNDING))
    some = optimum > 0.0
    for number in range(_TRIES):
        tried = _taken(taken[:, some], limits, even[some], whole=True, nodes=_NODES)
        if tried is not None and round(tried.sum()) == bound:
            return bound
        uneven = even + _UNEVEN * np.random.default_rng(number).random(len(even))
        other = _taken(taken, limits, uneven, whole=False)
        assert other is not None
        some |= other > 0.0
    best = _taken(taken, limits, even, whole=True)
    assert best is not None
    return round(float(best.sum()))


def _program(links: Matrix, *, closed: bool) -> tuple[csc_array, Floats]:
    """Return which links each ring takes, a column each, and how many of these links there are."""
    import numpy as np
    from scipy.sparse import coo_array

    paths = sorted({tuple(sorted(_edges(path, closed=closed))) for path in _paths(links, closed=closed)})
    there = [(a, b) for a, row in enumerate(links) for b, each in enumerate(row) if each and (closed or a < b)]
    place = {edge: index for index, edge in enumerate(there)}
    rows = [place[edge] for path in paths for edge in path]
    columns = [index for index, path in enumerate(paths) for _ in path]
    taken = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(there), len(paths)))
    return taken.tocsc(), np.array([links[a][b] for a, b in there], dtype=float)


def _taken(
    taken: csc_array, limits: Floats, weights: Floats, *, whole: bool, nodes: int | None = None
) -> Floats | None:
    """Return how often each ring is taken for the largest sum of weights; None if no more nodes are left to find it.

    Parameters
    ----------
    taken, limits : sparse array of float, shape (links, rings), array of float, shape (links,)
        From `_program`.
    weights : array of float, shape (rings,)
        What each ring counts.
    whole : bool
        Whether rings are taken as a whole, or in parts.
    nodes : int, optional
        Nodes of the tree of programs after which the best that is found is taken.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    found: Floats | None = milp(
        -weights,
        integrality=np.full(len(weights), int(whole)),
        bounds=Bounds(0, np.inf),
        constraints=LinearConstraint(taken, ub=limits),
        options={} if nodes is None else {"node_limit": nodes},
    ).x
    return found


def _paths(links: Matrix, *, closed: bool) -> Iterator[Sequence[int]]:
    """Give all orders of the GPUs in which each has a link to the next one; those of rings begin at GPU 0."""
    stack: list[tuple[int, ...]] = [(first,) for first in range(1 if closed else len(links))]
    while stack:
        path = stack.pop()
        if len(path) < len(links):
            stack += [(*path, each) for each, some in enumerate(links[path[-1]]) if some and each not in path]
        elif not closed or links[path[-1]][path[0]]:
            yield path


def _edges(path: Sequence[int], *, closed: bool) -> Iterator[Edge]:
    """Give what a ring or a chain takes."""
    for a, b in pairwise((*path, path[0]) if closed else path):
        yield (a, b) if closed or a < b else (b, a)

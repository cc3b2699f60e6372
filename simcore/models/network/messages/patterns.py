"""Collectives as sends: round a ring in both directions, or directly from each NPU to each other."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.models.network.algorithms import Algorithm
from simcore.models.network.collectives import Collective
from simcore.models.network.messages.program import Program, Send


def program_of(collective: Collective, npus: int, algorithm: Algorithm) -> Program:
    """Return the sends of a collective.

    Parameters
    ----------
    collective : Collective
        The operation.
    npus : int
        Among how many.
    algorithm : Algorithm
        ``RING``: half the buffer goes round in each direction, from NPU to NPU in the order of their numbers; an
        all-to-all then is direct all the same. ``DIRECT``: each NPU sends to each other at once.

    Examples
    --------
    >>> ring = program_of(Collective.ALL_GATHER, 4, Algorithm.RING)
    >>> ring.chunks, len(ring.sends)
    (8, 24)
    """
    if collective is Collective.ALL_TO_ALL:
        pairs = ((s, t) for s in range(npus) for t in range(npus) if s != t)
        return Program("direct", collective, npus, npus, tuple(Send(s, t, (s * npus + t,)) for s, t in pairs))
    if algorithm is Algorithm.DIRECT:
        return Program("direct", collective, npus, npus, tuple(_direct(collective, npus)))
    return Program("ring", collective, npus, 2 * npus, tuple(_ring(collective, npus)))


def _direct(collective: Collective, npus: int) -> Iterator[Send]:
    others = [(here, there) for here in range(npus) for there in range(npus) if here != there]
    if collective is not Collective.ALL_GATHER:
        yield from (Send(here, there, (there,), reduce=True) for here, there in others)
    if collective is not Collective.REDUCE_SCATTER:
        yield from (Send(here, there, (here,)) for here, there in others)


def _ring(collective: Collective, npus: int) -> Iterator[Send]:
    """Yield the sends of rings in both directions: chunk 2 c goes upwards, chunk 2 c + 1 downwards."""
    if collective is not Collective.ALL_GATHER:
        for step in range(npus - 1):
            for here in range(npus):  # what reaches its owner in the last step
                yield Send(here, (here + 1) % npus, (2 * ((here - step - 1) % npus),), reduce=True)
                yield Send(here, (here - 1) % npus, (2 * ((here + step + 1) % npus) + 1,), reduce=True)
    if collective is not Collective.REDUCE_SCATTER:
        for step in range(npus - 1):
            for here in range(npus):
                yield Send(here, (here + 1) % npus, (2 * ((here - step) % npus),))
                yield Send(here, (here - 1) % npus, (2 * ((here + step) % npus) + 1,))

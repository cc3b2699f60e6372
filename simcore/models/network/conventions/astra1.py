"""ASTRA-sim 1.0 with its analytical network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simcore.models.network.conventions.astra import WholeNanoseconds


@dataclass(frozen=True)
class AstraSim1(WholeNanoseconds):
    """Counts as ASTRA-sim 1.0 does: 1 ns is added to a message and to a phase.

    Examples
    --------
    >>> from simcore.models.network.algorithms import Algorithm
    >>> from simcore.models.network.collectives import Collective
    >>> from simcore.models.network.topology import Block, Dimension
    >>> pair = Dimension(Block.RING, 2, latency=500e-9)
    >>> round(ASTRA_SIM.phase_cost(pair, 1e9, Algorithm.RING, Collective.REDUCE_SCATTER, 2, 2000).work * 1e9)
    1502
    """

    own_loop: ClassVar[bool] = True
    memory: ClassVar[int] = 500_000
    per_step: ClassVar[int] = 1
    per_phase: ClassVar[int] = 1
    ring_directions: ClassVar[int] = 1


ASTRA_SIM = AstraSim1("astra-sim")

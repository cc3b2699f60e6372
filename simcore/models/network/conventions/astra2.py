"""ASTRA-sim 2, without and with its model of congestion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from simcore.models.network.conventions.astra import WholeNanoseconds


@dataclass(frozen=True)
class AstraSim2(WholeNanoseconds):
    """Counts as ASTRA-sim 2 does: 10 ns are added to a step and to a phase, and a schedule is never read.

    With its model of congestion messages wait for links, one by one: `by_message`. What followed is ASTRA-sim since
    March 2024: where chunks do not divide a buffer, the last one is sent as a whole one too. Before, and in 1.0, it
    was as large as what was left: `whole_rest` is false then.

    Examples
    --------
    >>> from simcore.models.network.algorithms import Algorithm
    >>> from simcore.models.network.collectives import Collective
    >>> from simcore.models.network.topology import Block, Dimension
    >>> pair = Dimension(Block.RING, 2, latency=500e-9)
    >>> round(ASTRA_SIM_2.phase_cost(pair, 1e9, Algorithm.RING, Collective.REDUCE_SCATTER, 2, 2000).work * 1e9)
    2520
    """

    always_ascending: ClassVar[bool] = True
    memory: ClassVar[int] = 1600
    per_step: ClassVar[int] = 10
    per_phase: ClassVar[int] = 10
    ring_directions: ClassVar[int] = 2
    whole_rest: bool = True

    def cut(self, size: float, chunks: int) -> Sequence[float]:
        """Return chunks of ``floor(size / chunks)`` whole bytes; what is left is sent as one more of these.

        Examples
        --------
        >>> ASTRA_SIM_2.cut(11, 4)
        [2, 2, 2, 2, 2, 2]
        """
        if not self.whole_rest:
            return super().cut(size, chunks)
        chunk = max(1, int(size) // chunks)
        return [chunk] * -(-int(size) // chunk)


ASTRA_SIM_2 = AstraSim2("astra-sim-2")
ASTRA_SIM_2_2023 = AstraSim2("astra-sim-2-2023", whole_rest=False)
ASTRA_SIM_2_AWARE = AstraSim2("astra-sim-2-aware", by_message=True)

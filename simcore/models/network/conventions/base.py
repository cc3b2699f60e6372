"""What a convention decides: the cost of a chunk phase, and what is whole, shared or rounded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from simcore.models.network.algorithms import Algorithm, PhaseCost
from simcore.models.network.collectives import Collective
from simcore.models.network.topology import Dimension


@dataclass(frozen=True)
class Convention(ABC):
    """How a simulator counts: by physics, or as a published program does.

    Attributes
    ----------
    name : str
        By which `convention` finds it.
    shares_links : bool
        Whether chunks in flight in a dimension share its links. Otherwise each has them for itself, groups that split
        a dimension have a queue each, and messages between stages take nothing from collectives.
    whole_bytes : bool
        Whether sizes are whole numbers of bytes.
    first_come : bool
        Whether dimensions serve the chunks of ``round-robin`` as they come, not in a settled order.
    mirrors_gathers : bool
        Whether ``themis`` and ``flex`` run an all-gather outwards while the loads are even, and charge each dimension
        with the load of its mirror image.
    always_ascending : bool
        Whether the schedule is ascending whatever its user asks for.
    by_message : bool
        Whether messages are simulated one by one, see `simcore.models.network.simulation.links`.
    own_loop : bool
        Whether a training iteration is counted by the loop of ASTRA-sim 1.0, see
        `simcore.models.training.program.CountedWriter`, and one counter gives its collectives their priority.
    """

    name: str

    shares_links: ClassVar[bool] = True
    whole_bytes: ClassVar[bool] = False
    first_come: ClassVar[bool] = False
    mirrors_gathers: ClassVar[bool] = False
    always_ascending: ClassVar[bool] = False
    own_loop: ClassVar[bool] = False
    by_message: bool = False

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def phase_cost(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> PhaseCost:
        """Return the cost of one phase of a chunk in one dimension.

        Parameters
        ----------
        dimension : Dimension
            Block, size and link latency.
        bandwidth : float
            Bandwidth of one NPU into the dimension [B/s].
        algorithm : Algorithm
            How the group runs the phase.
        operation : Collective
            The phase.
        group : int
            NPUs of the group in this dimension. A group that covers part of a fully connected dimension keeps the
            bandwidth per peer of the whole.
        size : float
            Input of the phase [B].
        members : sequence of int, optional
            Positions of the group along the dimension, by default neighbours. By physics a message crosses the hops
            between them on the real ring. ASTRA-sim takes a group for a ring of its own.
        """

    @abstractmethod
    def byte_costs(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> list[PhaseCost]:
        """Return the cost of a phase of one byte for each of `candidates`: work [s/B], latency [s], sent [B/B].

        Work and bytes sent grow with the size of the phase, latency does not. Where costs are rounded, the line
        through the costs of no bytes and of `size` stands for them. Parameters are those of `phase_cost`.
        """

    def candidates(
        self, dimension: Dimension, algorithm: Algorithm, operation: Collective, group: int
    ) -> tuple[Algorithm, ...]:
        """Return the algorithms of which the faster runs a phase of an operation in a group of NPUs."""
        return (algorithm,)

    def latency(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> float:
        """Return what a phase takes more than on links without latency [s].

        Parameters are those of `phase_cost`.

        Examples
        --------
        >>> from simcore.models.network.conventions import ASTRA_SIM, PHYSICAL
        >>> from simcore.models.network.topology import Block
        >>> pair = Dimension(Block.RING, 2, latency=500e-9), 1e9, Algorithm.RING, Collective.REDUCE_SCATTER, 2, 2000
        >>> [round(each.latency(*pair) * 1e9) for each in (PHYSICAL, ASTRA_SIM)]
        [500, 500]
        """
        slow, quick = (
            self.phase_cost(links, bandwidth, algorithm, operation, group, size, members)
            for links in (dimension, replace(dimension, latency=0.0))
        )
        return slow.work + slow.latency - quick.work - quick.latency

    @abstractmethod
    def bytes(self, size: float) -> float:
        """Return a size as it is counted [B]."""

    @abstractmethod
    def share(self, size: float, parts: int) -> float:
        """Return one of so many equal parts of a size [B]."""

    @abstractmethod
    def cut(self, size: float, chunks: int) -> Sequence[float]:
        """Return the sizes of the chunks of a buffer [B]."""

    @abstractmethod
    def after(self, start: float, duration: float) -> float:
        """Return ``start + duration`` [s]."""

    @abstractmethod
    def serve(self, now: float, links_free: float, cost: PhaseCost) -> tuple[float, float, float]:
        """Return when a phase that is served now starts and ends, and when its links are free again [s]."""

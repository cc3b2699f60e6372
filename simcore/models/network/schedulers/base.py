"""What a schedule is: it cuts a collective into chunks and gives each its order of dimensions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from simcore.models.network.chunks import ChunkPlan, Optimization, default_order, phases
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention
from simcore.models.network.distances import Positions
from simcore.models.network.phase_costs import PhaseCosts
from simcore.models.network.ports import exchanged


@dataclass(frozen=True)
class CollectiveView:
    """What a schedule sees of a collective that is issued now, and of the network that it will run on.

    Attributes
    ----------
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    groups : tuple of int
        NPUs of the group along each dimension, 1 where it does not use it.
    chunks : int
        Into how many it may be cut at most.
    now : float
        The time [s].
    costs : PhaseCosts
        What phases cost. It has the `topology`, the `bandwidths` of one NPU [B/s], `algorithms` and `convention`.
    in_flight : int
        Chunk phases under way in a dimension at once.
    optimization : Optimization
        What an all-reduce does in each dimension.
    positions : Positions, optional
        Where the group's NPUs sit, as of `simcore.models.network.distances.spread`.
    outer : frozenset of int
        Dimensions along which its NPUs are no neighbours, because groups of neighbours lie between them.
    waited : bool
        Whether NPUs have waited for a collective before: NPU 0 is no longer the first to start the next one then.
    """

    collective: Collective
    size: float
    groups: tuple[int, ...]
    chunks: int
    now: float
    costs: PhaseCosts
    in_flight: int = 1
    optimization: Optimization = Optimization.LOCAL
    positions: Positions | None = None
    outer: frozenset[int] = frozenset()
    waited: bool = False

    @property
    def convention(self) -> Convention:
        """How times and sizes are counted."""
        return self.costs.convention

    @property
    def bandwidths(self) -> tuple[float, ...]:
        """Bandwidth of one NPU into each dimension [B/s]."""
        return self.costs.bandwidths

    @property
    def default_order(self) -> tuple[int, ...]:
        """The dimensions that the group uses: outwards, for an all-gather inwards."""
        return default_order(self.collective, self.groups)

    def equal_chunks(self) -> Sequence[float]:
        """Return the sizes of equal chunks [B], as many as there may be."""
        return self.convention.cut(self.size, self.chunks)

    def phases(self, plan: ChunkPlan) -> list[tuple[int, Collective, float]]:
        """Return the phases of a chunk: dimension, operation and input [B]."""
        parts = exchanged(self.costs.topology, self.groups)
        return phases(plan, self.collective, self.groups, self.optimization, self.convention, parts)

    def seconds(self, plan: ChunkPlan) -> list[float]:
        """Return how long each phase of a chunk takes that has the network for itself [s]."""
        at = self.positions or (None,) * len(self.groups)
        costs = [self.costs(d, operation, self.groups[d], size, at[d]) for d, operation, size in self.phases(plan)]
        return [cost.work + cost.latency for cost in costs]


class Scheduler(ABC):
    """Plans the chunks of the collectives of one network, whose object it is: it may remember what it planned.

    A class derived from it is a schedule. ``simcore collective --schedule mine.py:Mine`` takes it from a file.

    Attributes
    ----------
    name : str
        For reports, by default the name of the class.

    Examples
    --------
    >>> class Inwards(Scheduler):
    ...     name = "inwards"
    ...     def plan(self, view):
    ...         return [ChunkPlan(size, view.default_order[::-1]) for size in view.equal_chunks()]
    """

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = cls.__name__

    @abstractmethod
    def plan(self, view: CollectiveView) -> Sequence[ChunkPlan]:
        """Return the chunks of a collective, in the order in which they start.

        Each chunk's order holds every dimension that the group uses, once. Sizes add up to the collective's.
        """

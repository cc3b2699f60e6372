"""What chunk phases cost on one network: a function of dimension, operation, group and size, and no simulator."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.network.algorithms import Algorithm
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention, PhaseCost
from simcore.models.network.distances import Kept
from simcore.models.network.topology import Topology


def latency_share(sending: float, occupied: float) -> float:
    """Return the share of latency in the time in which chunks are under way: while none is sent, they wait for it.

    Parameters
    ----------
    sending : float
        How long links send [s].
    occupied : float
        How long chunks are under way, latency included [s].

    Examples
    --------
    >>> latency_share(1.0, 4.0), latency_share(0.0, 0.0)
    (0.75, 0.0)
    """
    return max(0.0, 1 - sending / occupied) if occupied > 0 else 0.0


class PhaseCosts:
    """Costs of chunk phases on a network by one convention, each computed once.

    Parameters
    ----------
    topology : Topology
        Dimensions with their link latencies.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    algorithms : sequence of Algorithm
        Per dimension.
    convention : Convention
        Whose rules.

    Examples
    --------
    >>> from simcore.models.network.conventions import PHYSICAL
    >>> from simcore.models.network.topology import Block, Dimension
    >>> pair = Topology("pair", (Dimension(Block.SWITCH, 2),))
    >>> PhaseCosts(pair, [1e9], [Algorithm.RING], PHYSICAL)(0, Collective.ALL_REDUCE, 2, 1e6).work
    0.001
    """

    def __init__(
        self,
        topology: Topology,
        bandwidths: Sequence[float],
        algorithms: Sequence[Algorithm],
        convention: Convention,
    ) -> None:
        self.topology, self.bandwidths = topology, tuple(bandwidths)
        self.algorithms, self.convention = tuple(algorithms), convention
        self._known: dict[tuple[int, Collective, int, float, Kept | None], PhaseCost] = {}

    def __call__(
        self, dimension: int, operation: Collective, group: int, size: float, members: Kept | None = None
    ) -> PhaseCost:
        """Return the cost of one phase; parameters are those of `Convention.phase_cost`."""
        key = (dimension, operation, group, size, members)
        cost = self._known.get(key)
        if cost is None:
            at, bandwidth = self.topology.dimensions[dimension], self.bandwidths[dimension]
            algorithm = self.algorithms[dimension]
            cost = self.convention.phase_cost(at, bandwidth, algorithm, operation, group, size, members)
            self._known[key] = cost
        return cost

    def latency(
        self, dimension: int, operation: Collective, group: int, size: float, members: Kept | None = None
    ) -> float:
        """Return what a phase takes more than on links without latency [s], see `Convention.latency`."""
        at, bandwidth = self.topology.dimensions[dimension], self.bandwidths[dimension]
        algorithm = self.algorithms[dimension]
        return self.convention.latency(at, bandwidth, algorithm, operation, group, size, members)

    def each_byte(
        self, dimension: int, operation: Collective, group: int, size: float, members: Kept | None = None
    ) -> list[PhaseCost]:
        """Return what each byte of a phase costs by each algorithm that may run it, see `Convention.byte_costs`."""
        at, bandwidth = self.topology.dimensions[dimension], self.bandwidths[dimension]
        algorithm = self.algorithms[dimension]
        return self.convention.byte_costs(at, bandwidth, algorithm, operation, group, size, members)

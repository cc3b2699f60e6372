"""Where a layout's groups lie on a network, and what their collectives and messages take there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

from simcore.models.network.algorithms import DEFAULT_ALGORITHM
from simcore.models.network.bounds import per_dimension, per_port
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import PHYSICAL
from simcore.models.network.mapping import Axis, Groups, map_parallelism, map_stages
from simcore.models.network.measured import CollectiveProfile, Timing
from simcore.models.network.nccl import MESSAGE, Span
from simcore.models.network.ports import ports, through_ports
from simcore.models.network.topology import Topology
from simcore.models.network.transfers import transfer_legs
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.stages import Sent


class Placement:
    """A layout's groups on a network: tensor parallelism innermost, then context and data, stages outermost.

    Parameters
    ----------
    topology : Topology
        The whole network.
    bandwidths : sequence of float
        Bandwidth of one GPU into each dimension [B/s], innermost first.
    layout : Layout
        The degrees.
    collectives : CollectiveProfile, optional
        What collectives take where that was measured: the first dimension is a node, the second one is between nodes.

    Raises
    ------
    InputError
        If the degrees do not make up the network, or a group does not fill dimensions in equal parts.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> node = Topology("node", (Dimension(Block.SWITCH, 8, latency=1e-6),))
    >>> placement = Placement(node, [100e9], Layout(tp=8))
    >>> round(placement.seconds(Communication(Collective.ALL_REDUCE, 1e9)) * 1e3, 3)
    17.512
    """

    def __init__(self, topology: Topology, bandwidths: Sequence[float], layout: Layout,
                 collectives: CollectiveProfile | None = None) -> None:  # fmt: skip
        self.whole, self.bandwidths = topology, tuple(bandwidths)
        self.stages, self.topology = map_stages(topology, layout.pp, "pipeline stages")
        place = f"TP {layout.tp} x CP {layout.cp} x DP {layout.dp}"
        self.groups: Groups = map_parallelism(
            self.topology, layout.tp, layout.replicas, place, ep=layout.ep, cp=layout.cp
        )
        self._ports = ports(self.topology)
        self.collectives = collectives
        self.beyond: set[tuple[Collective, Axis]] = set()  # what was asked for sizes that were not measured
        self._timings: dict[tuple[Collective, Axis], Timing] = {}
        self._sizes: dict[Axis, tuple[int, ...]] = {}
        self._lines: dict[tuple[Collective, Axis], tuple[float, float]] = {}
        self._loads: dict[tuple[Collective, Axis], tuple[float, ...]] = {}
        self._seen: dict[tuple[int, ...], dict[tuple[Collective, Axis], tuple[float, float]]] = {}

    @property
    def resources(self) -> range:
        """Numbers of what groups may have in common: the dimensions, and behind them the ports that some share."""
        return range(len(self.bandwidths) + len(self._ports))

    def uses(self, axis: Axis) -> tuple[bool, ...]:
        """Say of each resource whether the groups of an axis use it."""
        return self._behind(self.sizes(axis))

    def _behind(self, sizes: Sequence[int]) -> tuple[bool, ...]:
        """Say of each resource whether what has so many GPUs along each dimension uses it."""
        used = [size > 1 for size in sizes]
        return (*used, *(any(used[d] for d in behind) for behind in self._ports.values()))

    def sizes(self, axis: Axis) -> tuple[int, ...]:
        """Return the GPUs of a group along each dimension, innermost first."""
        if axis not in self._sizes:
            self._sizes[axis] = self.groups.sizes(axis)
        return self._sizes[axis]

    def seconds(self, sent: Communication) -> float:
        """Return what a collective takes that has its links to itself [s]: latency, and bytes on the slowest dimension.

        With many chunks in flight the dimensions work in parallel, see `simcore.models.network.collectives`.
        """
        if self.collectives is not None:
            timing = self.timing(sent.collective, sent.axis)
            if timing is None:
                return 0.0
            if not timing.within(sent.size):
                self.beyond.add((sent.collective, sent.axis))
            return timing.seconds(sent.size)
        latency, each = self.line(sent.collective, sent.axis)
        return latency + each * sent.size

    def timing(self, collective: Collective, axis: Axis) -> Timing | None:
        """Return what a collective of a group takes as it was measured; None where that is one GPU."""
        key = collective, axis
        if key not in self._timings:
            span = self.span(axis)
            if span.gpus == 1:
                return None
            assert self.collectives is not None
            self._timings[key] = self.collectives.timing(collective.value, span, self.bandwidths)
        return self._timings[key]

    def line(self, collective: Collective, axis: Axis) -> tuple[float, float]:
        """Return the latency of a collective in a group [s], and the time of each byte [s/B]."""
        key = collective, axis
        if key not in self._lines:
            self._lines[key] = self._line(collective, axis)
        return self._lines[key]

    def _line(self, collective: Collective, axis: Axis) -> tuple[float, float]:
        groups, positions = self.sizes(axis), self.groups.positions(axis)
        if all(group == 1 for group in groups):
            return 0.0, 0.0
        latency = 0.0
        for dimension, bandwidth, group, at in zip(
            self.topology.dimensions, self.bandwidths, groups, positions, strict=True
        ):
            if group > 1:
                algorithm = DEFAULT_ALGORITHM[dimension.block]
                costs = PHYSICAL.byte_costs(dimension, bandwidth, algorithm, collective, group, 1.0, at)
                latency += min(costs, key=lambda cost: cost.work).latency
        return latency, max(self.loads(collective, axis))

    def loads(self, collective: Collective, axis: Axis) -> tuple[float, ...]:
        """Return how long each byte of a collective occupies each dimension and each shared port [s/B]."""
        key = collective, axis
        if key not in self._loads:
            groups, positions = self.sizes(axis), self.groups.positions(axis)
            alone = per_dimension(collective, 1.0, self.topology, self.bandwidths, groups, positions)
            self._loads[key] = (*alone, *per_port(collective, 1.0, self.topology, groups, positions))
        return self._loads[key]

    def seconds_on(self, dimensions: tuple[int, ...], sent: Iterable[Communication]) -> float:
        """Return what collectives take one after the other [s], if other dimensions do not hold them up."""
        total, lines = 0.0, self._seen.setdefault(dimensions, {})
        for one in sent:
            key = one.collective, one.axis
            if key not in lines:
                lines[key] = self._line_on(key, dimensions)
            latency, each = lines[key]
            total += latency + one.size * each if self.collectives is None else each * self.seconds(one)
        return total

    def _line_on(self, key: tuple[Collective, Axis], dimensions: tuple[int, ...]) -> tuple[float, float]:
        """Return latency [s] and time of a byte on some dimensions [s/B], or their share of a measured time."""
        loads = self.loads(*key)
        busiest, whole = max(loads[d] for d in dimensions), max(loads)
        if self.collectives is None:
            return self.line(*key)[0], busiest
        return 0.0, busiest / whole if whole else 0.0

    def shared(self, axes: Iterable[Axis], others: Iterable[Axis]) -> tuple[int, ...]:
        """Return the resources that the groups of some axes have in common with those of others."""
        mine, theirs = ([self.uses(axis) for axis in some] for some in (axes, others))
        return tuple(d for d in self.resources if any(one[d] for one in mine) and any(one[d] for one in theirs))

    def span(self, axis: Axis) -> Span:
        """Return how a group lies on nodes, which the first dimension is."""
        near, *others = self.groups.sizes(axis)
        return Span(near, math.prod(others))

    def used(self) -> tuple[tuple[Collective, Axis, Timing], ...]:
        """Return the measured collectives that were asked for."""
        return tuple((collective, axis, timing) for (collective, axis), timing in self._timings.items())

    @cached_property
    def _message(self) -> tuple[float, Sent]:
        """Return the latency of a message to the next stage [s], and what each byte takes [s/B]; the slowest one's."""
        last = 1
        for here in self.stages:
            last *= here
        slowest = 0.0, Sent()
        for stage in range(last - 1):
            legs = transfer_legs(self.whole, self.bandwidths, self.stages, stage, stage + 1, 1.0)
            leg = max(legs, key=lambda one: one.duration)
            line = Sent(sum(leg.duration for leg in legs), leg.work, leg.duration)
            slowest = max(slowest, (sum(leg.latency for leg in legs), line), key=lambda one: one[1])
        return slowest

    def message(self, size: float) -> Sent:
        """Return what a message to the next stage takes [s]."""
        if size <= 0:
            return Sent()
        latency, each = self._message
        wire = Sent(latency + each.seconds * size, each.links * size, each.channel * size)
        if self.collectives is None:
            return wire
        span = Span(1, 2) if self._crosses else Span(2)
        longer = self.collectives.timing(MESSAGE, span, self.bandwidths).seconds(size) / wire.seconds
        return Sent(*(longer * one for one in wire))

    @cached_property
    def beside_messages(self) -> frozenset[Axis]:
        """The groups whose links messages between stages use too."""
        mine = self._behind(self.stages)
        axes = (Axis.TENSOR, Axis.CONTEXT, Axis.EXPERT, Axis.DATA, Axis.EXPERT_DATA)
        return frozenset(axis for axis in axes if any(a and b for a, b in zip(mine, self.uses(axis), strict=True)))

    def message_work(self, dimensions: Iterable[int], size: float) -> float:
        """Return for how long a message to the next stage takes links of some dimensions from collectives [s].

        It is the most of any stage in the busiest of them.
        """
        wanted, most = set(dimensions), 0.0
        for stage in range(math.prod(self.stages) - 1 if size > 0 and wanted else 0):
            legs = transfer_legs(self.whole, self.bandwidths, self.stages, stage, stage + 1, size)
            sent = [0.0] * len(self.bandwidths)
            for leg in legs:
                sent[leg.dimension] += leg.sent
                most = max(most, leg.work if leg.dimension in wanted else 0.0)
            shared = enumerate(through_ports(self.whole, sent), len(sent))
            most = max([most, *(seconds for number, seconds in shared if number in wanted)])
        return most

    @property
    def _crosses(self) -> bool:
        """Whether messages between stages leave a node."""
        return any(here > 1 for here in self.stages[1:])

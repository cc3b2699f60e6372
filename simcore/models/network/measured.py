"""Collectives as they were measured: lines of NCCL's algorithms, and factors by size that measurements have on them.

A collective takes the least of the lines of `simcore.models.network.nccl`. Their launches, steps and efficiencies are
fitted to measured collectives. Factors by size say how far the measurements are from the lines. Between measured group
sizes factors are interpolated; beyond measured sizes and groups the lines scale.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from simcore.models.network.collectives import Collective
from simcore.models.network.nccl import MESSAGE, Line, Span, priced

DENSE = 2**0.5
"""Sizes at which times are kept are at most this factor apart; between them logarithms of times are interpolated."""


@dataclass(frozen=True)
class Curve:
    """How far measured times of one kind in one group are from its lines.

    Attributes
    ----------
    kind : str
        One of `simcore.models.network.nccl.KINDS`.
    span : Span
        The group.
    state : str
        What sets it apart: ``unaligned`` messages do not begin at multiples of 16 bytes, ``no-nvls`` has NVLS off.
    sizes, factors : tuple of float
        Sizes [B] from small to large, and the measured time over that of the lines at each.
    error, low, high : float
        Of sizes that were held out: mean absolute relative error; and how far below and above a prediction 90 % of the
        measured times lie, as factors.
    noise : float
        Mean absolute relative deviation of repeats from their median; 0 where there are none.
    rows : int
        Measured rows.
    fitted : tuple of float
        Sizes that it was fitted to [B].
    """

    kind: str
    span: Span
    state: str
    sizes: tuple[float, ...]
    factors: tuple[float, ...]
    error: float = 0.0
    low: float = 1.0
    high: float = 1.0
    noise: float = 0.0
    rows: int = 0
    fitted: tuple[float, ...] = ()


@dataclass(frozen=True)
class CollectiveProfile:
    """Collectives of a device in a type of node.

    Attributes
    ----------
    name : str
        In the zoo, or of its file.
    bandwidths : tuple of float
        What one GPU has within its node and between nodes, where it was fitted [B/s].
    lines : mapping of str to tuple of Line
        By kind. All-gather, reduce-scatter, all-to-all and messages without lines are derived from those of all-reduce.
    curves : tuple of Curve
        What was measured.
    shares : mapping of int to float
        Share of the bandwidth within a node that groups of so many GPUs reached; empty where all find the same.
    offered : mapping of int to float
        Share of it that a mesh of links offers to groups of so many GPUs, see `simcore.models.network.mesh.Mesh`;
        empty where none is known.
    devices : tuple of str
        Names of the device in tables of measurements.
    source, licence : str
        Where the measurements are from.
    derived : str
        What of it is not from this device or type of node; empty where all is.
    offsets : mapping of str to mapping of int to int
        For rows of a profiler that measured tensors of models: elements by which a tensor of so many MiB is longer than
        a multiple of `simcore.models.network.nccl.PERIOD`, by the model's name. Tensors that are not named have none.
    sha256 : str
        Of the file.
    """

    name: str
    bandwidths: tuple[float, float]
    lines: Mapping[str, tuple[Line, ...]]
    curves: tuple[Curve, ...] = ()
    shares: Mapping[int, float] = field(default_factory=dict)
    offered: Mapping[int, float] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    derived: str = ""
    offsets: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    sha256: str = ""
    _timings: dict[tuple[object, ...], Timing] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of_kind(self, kind: str) -> tuple[Line, ...]:
        """Return the lines of a kind; those of an all-reduce stand in for a kind that was not measured."""
        if kind in self.lines:
            return self.lines[kind]
        algorithm = "direct" if kind in {Collective.ALL_TO_ALL, MESSAGE} else "ring"
        ring = [one for one in self.lines[Collective.ALL_REDUCE] if one.algorithm in {"ring", "tree"}]
        some = ring or self.lines[Collective.ALL_REDUCE]
        return tuple(
            Line(algorithm, one.protocol, one.launch, one.step, one.far_step, one.efficiency, one.far_efficiency)
            for one in some
        )

    def share(self, near: int) -> float:
        """Return the share of a node's bandwidth that a group finds.

        Groups that were measured have their own. Of others a known mesh says what it offers, and measured groups how
        much of it is reached. Without a mesh shares lie between those of measured groups. Numbers of GPUs are compared
        by logarithms.
        """
        if near in self.shares or near < 2:
            return self.shares.get(near, 1.0)
        offer = self.offered.get(near)
        if offer is None:
            return _at(self.shares, near)
        # faster than the links of the first GPUs: such a group lies elsewhere, and says nothing of others
        reached = {one: self.shares[one] / self.offered[one] for one in self.shares if one in self.offered}
        return offer * _at({one: each for one, each in reached.items() if each <= 1}, near)

    def timing(self, kind: str, span: Span, bandwidths: Sequence[float] = (), state: str = "") -> Timing:
        """Return what a collective in a group takes as a function of its size.

        Parameters
        ----------
        kind : str
            One of `simcore.models.network.nccl.KINDS`.
        span : Span
            The group.
        bandwidths : sequence of float
            What one GPU has within its node and between nodes [B/s]; by default those of the fit.
        state : str
            See `Curve`.
        """
        near, far = (*bandwidths, *self.bandwidths[len(bandwidths) :])[:2]
        key = kind, span, near, far, state
        if key not in self._timings:
            self._timings[key] = self._timing(kind, span, near, far, state)
        return self._timings[key]

    def _timing(self, kind: str, span: Span, near: float, far: float, state: str) -> Timing:
        lines = tuple(sorted({
            priced(one, kind, span, near * self.share(span.near), far) for one in self.of_kind(kind)
            if span.near >= one.least and not (state == "no-nvls" and one.algorithm == "nvls")
        }))  # fmt: skip
        measured, weights = self._near(kind, span, state)
        return Timing(lines, *_mixed(lines, measured, weights), tuple(measured), self._basis(kind, span, measured))

    def _near(self, kind: str, span: Span, state: str) -> tuple[list[Curve], list[float]]:
        """Return the curves of the nearest groups that were measured, and their weights."""
        alike = [
            one for one in self.curves
            if (one.kind, one.state) == (kind, state) and (one.span.nodes > 1) == (span.nodes > 1)
        ]  # fmt: skip
        if not alike and state:
            return self._near(kind, span, "")
        exact = [one for one in alike if one.span == span]
        if exact or not alike:
            return exact, [1.0] * len(exact)
        if span.nodes > 1:
            return [min(alike, key=lambda one: abs(math.log(one.span.gpus / span.gpus)))], [1.0]
        below = max((one for one in alike if one.span.near < span.near), key=lambda one: one.span.near, default=None)
        above = min((one for one in alike if one.span.near > span.near), key=lambda one: one.span.near, default=None)
        if below is None or above is None:
            return [one for one in (below, above) if one is not None], [1.0]
        weight = math.log(span.near / below.span.near) / math.log(above.span.near / below.span.near)
        return [below, above], [1 - weight, weight]

    def _basis(self, kind: str, span: Span, measured: Sequence[Curve]) -> str:
        if kind not in self.lines:
            return "derived"
        return "measured" if any(one.span == span for one in measured) else "scaled"


def _at(values: Mapping[int, float], gpus: int) -> float:
    """Return a value between those of known numbers of GPUs, and 1 where none is known.

    Examples
    --------
    >>> _at({2: 1.0, 8: 3.0}, 4), _at({}, 4)
    (2.0, 1.0)
    """
    known = sorted(values)
    return _between([math.log(one) for one in known], [values[one] for one in known], math.log(gpus)) if known else 1.0


def _between(places: Sequence[float], values: Sequence[float], at: float) -> float:
    """Return a value between those at known places, and that of the nearest end beyond them.

    Examples
    --------
    >>> _between([0.0, 2.0], [1.0, 3.0], 0.5), _between([0.0, 2.0], [1.0, 3.0], 9.0)
    (1.5, 3.0)
    """
    index = bisect_right(places, at)
    if index == 0 or index == len(places):
        return values[min(index, len(values) - 1)]
    left, right = places[index - 1], places[index]
    share = (at - left) / (right - left)
    return values[index - 1] + share * (values[index] - values[index - 1])


def _least(lines: Sequence[tuple[float, float]], size: float) -> float:
    return min(latency + each * size for latency, each in lines)


def _mixed(
    lines: Sequence[tuple[float, float]], curves: Sequence[Curve], weights: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return sizes [B] and times [s] that never fall, from factors of curves on lines."""
    places = _dense(sorted({size for one in curves for size in one.sizes}))
    logs = [([math.log(size) for size in one.sizes], [math.log(each) for each in one.factors]) for one in curves]
    times, longest = [], 0.0
    for size in places:
        off = sum(w * _between(*log, math.log(size)) for log, w in zip(logs, weights, strict=True))
        longest = max(longest, _least(lines, size) * math.exp(off))
        times.append(longest)
    return tuple(places), tuple(times)


def _dense(sizes: Sequence[float]) -> list[float]:
    """Return sizes with others between those more than a factor of `DENSE` apart.

    Examples
    --------
    >>> [round(size, 3) for size in _dense([1.0, 2.0, 8.0])]
    [1.0, 1.414, 2.0, 2.828, 4.0, 5.657, 8.0]
    """
    made = list(sizes[:1])
    for left, right in pairwise(sizes):
        parts = math.ceil(math.log(right / left) / math.log(DENSE) - 1e-9)
        made += [left * (right / left) ** (part / parts) for part in range(1, parts)]
        made.append(right)
    return made


@dataclass(frozen=True)
class Timing:
    """What a collective in a group takes, by its size.

    Attributes
    ----------
    lines : tuple of (float, float)
        Latency [s] and time of each byte [s/B] of each algorithm and protocol.
    sizes, times : tuple of float
        Sizes [B] and times [s] that measurements give; empty where there are none.
    curves : tuple of Curve
        The measurements.
    basis : str
        ``measured`` in this group, ``scaled`` from others by the lines, or ``derived`` from an all-reduce.

    Examples
    --------
    >>> timing = Timing(((1e-5, 1e-11), (2e-5, 5e-12)))
    >>> [round(1e6 * timing.seconds(size), 3) for size in (1e6, 4e6)]
    [20.0, 40.0]
    """

    lines: tuple[tuple[float, float], ...]
    sizes: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    curves: tuple[Curve, ...] = ()
    basis: str = "derived"

    def seconds(self, size: float) -> float:
        """Return what a collective of so many bytes takes [s]; beyond what was measured the lines scale it."""
        if not self.sizes:
            return _least(self.lines, size)
        index = bisect_right(self.sizes, size)
        if index == 0 or index == len(self.sizes):
            end = min(index, len(self.sizes) - 1)
            return _least(self.lines, size) * self.times[end] / _least(self.lines, self.sizes[end])
        (left, right), (low, high) = self.sizes[index - 1 : index + 1], self.times[index - 1 : index + 1]
        share = math.log(size / left) / math.log(right / left)
        return low * math.exp(share * math.log(high / low))

    def within(self, size: float) -> bool:
        """Return whether a size is within what was measured."""
        return bool(self.sizes) and self.sizes[0] <= size <= self.sizes[-1]

    @property
    def error(self) -> float | None:
        """Mean absolute relative error on sizes that were held out; None where none were."""
        # an error of exactly 0 is that of a group from which no size could be held out
        return max((one.error for one in self.curves if one.error), default=None)

"""Algorithms of NCCL as lines in bytes: their steps, the bytes that a GPU sends, and how they are aligned.

Each algorithm with a protocol is a line: a latency, and the time of each byte. NCCL's own tuning model has this form
[1]_:

    latency = launch + near steps x near step + far steps x far step
    seconds per byte = max(near bytes / (near bandwidth x efficiency), far bytes / (far bandwidth x far efficiency))

Near is within a node, far is between nodes. Each GPU of a node sends on its own rail, so the g GPUs that a group has in
a node share its bytes.

References
----------
.. [1] NCCL, src/graph/tuning.cc: latencies and bandwidths by algorithm and protocol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simcore.models.network.collectives import Collective

MESSAGE = "point-to-point"
"""A message from one GPU to another, beside the kinds of `Collective`."""

ALIGNED = 16
"""Multiples of addresses from which NCCL copies fastest [B]."""

PERIOD = 128
"""Bytes after which parts of a buffer that up to 8 GPUs share are aligned alike [B]."""

KINDS = (*(each.value for each in Collective), MESSAGE)
"""Kinds that a profile may hold."""


@dataclass(frozen=True)
class Span:
    """Where the GPUs of a group lie.

    Attributes
    ----------
    near : int
        GPUs of the group in each node.
    nodes : int
        Nodes of the group.
    """

    near: int
    nodes: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of the group."""
        return self.near * self.nodes


@dataclass(frozen=True)
class Line:
    """An algorithm with a protocol.

    Attributes
    ----------
    algorithm : str
        ``ring``, ``tree``, ``nvls`` or ``direct``.
    protocol : str
        ``LL``, ``LL128`` or ``Simple``; a word that readers see.
    launch : float
        What a collective takes beside its steps [s].
    step, far_step : float
        Latency of a step within a node, and between nodes [s].
    efficiency, far_efficiency : float
        Share of the links' bandwidth that it reaches.
    least : int
        GPUs in a node from which it is used.
    """

    algorithm: str
    protocol: str
    launch: float
    step: float = 0.0
    far_step: float = 0.0
    efficiency: float = 1.0
    far_efficiency: float = 1.0
    least: int = 1


def steps(algorithm: str, kind: str, span: Span) -> tuple[int, int]:
    """Return the steps of an algorithm within nodes and between them.

    Examples
    --------
    >>> steps("ring", "all-reduce", Span(8)), steps("ring", "all-gather", Span(8, 4))
    ((14, 0), (28, 3))
    >>> steps("tree", "all-reduce", Span(8, 4)), steps("direct", "all-to-all", Span(8, 4))
    ((14, 4), (7, 3))
    """
    between = span.nodes - 1
    if algorithm == "ring":
        rounds = 2 if kind == Collective.ALL_REDUCE else 1
        return rounds * (span.gpus - 1 - between), rounds * between
    if algorithm == "direct":
        return (span.near - 1, between) if kind != MESSAGE else (1 - bool(between), int(bool(between)))
    far = 2 * math.ceil(math.log2(span.nodes)) if between else 0
    return (2 if algorithm == "nvls" else 2 * (span.near - 1)), far


def volume(algorithm: str, kind: str, span: Span) -> tuple[float, float]:
    """Return the bytes that a GPU sends within its node, and on its rail, for each byte of a collective.

    The size of a collective is the full buffer per GPU, of an all-gather the shard. Switches that reduce (NVLS) make
    an all-reduce cheaper: a GPU of g sends its buffer once, and its share of the result.

    Examples
    --------
    >>> volume("ring", "all-reduce", Span(4)), volume("ring", "all-gather", Span(2, 2))
    ((1.5, 0.0), (3.0, 1.5))
    >>> volume("nvls", "all-reduce", Span(8)), volume("direct", "all-to-all", Span(2, 2))
    ((1.125, 0.0), (0.25, 0.5))
    """
    g, n = span.near, span.gpus
    far = bool(span.nodes > 1)
    if kind == MESSAGE:
        return (0.0, 1.0) if far else (1.0, 0.0)
    if algorithm == "direct":
        return (g - 1) / n, (n - g) / n
    if algorithm == "nvls":
        return 1 + 1 / g, 2 * (span.nodes - 1) / span.nodes / g
    if algorithm == "tree":  # of two nodes each is the root of one tree and a leaf of the other one
        return 2.0 if g > 1 else 0.0, (1 if span.nodes == 2 else 2) / g if far else 0.0
    whole = {Collective.ALL_REDUCE.value: 2 * (n - 1) / n, Collective.ALL_GATHER.value: float(n - 1)}.get(
        kind, (n - 1) / n
    )
    return whole if g > 1 else 0.0, whole / g if far else 0.0


def unaligned(kind: str, gpus: int, offset: int, element: int) -> bool:
    """Return whether parts of a tensor begin at no multiples of 16 bytes, so that NCCL copies them slower.

    An all-gather puts tensors behind each other. An all-to-all and a reduce-scatter cut one into as many parts as there
    are GPUs.

    Parameters
    ----------
    kind : str
        Of collective; an all-reduce keeps a tensor whole.
    gpus : int
        In the group.
    offset : int
        Elements by which the tensor is longer than a multiple of `PERIOD`.
    element : int
        Bytes of an element [B].

    Examples
    --------
    >>> unaligned("all-gather", 8, 4, 2), unaligned("all-to-all", 8, 8, 2), unaligned("all-to-all", 8, 64, 2)
    (True, True, False)
    """
    parts = {Collective.ALL_GATHER.value: 1, Collective.ALL_TO_ALL.value: gpus, Collective.REDUCE_SCATTER.value: gpus}
    return kind in parts and offset // parts[kind] * element % ALIGNED != 0


def priced(line: Line, kind: str, span: Span, near: float, far: float) -> tuple[float, float]:
    """Return a line's latency [s] and the time of each byte [s/B] in a group."""
    here, there = steps(line.algorithm, kind, span)
    inside, outside = volume(line.algorithm, kind, span)
    each = max(inside / (near * line.efficiency), outside / (far * line.far_efficiency))
    return line.launch + here * line.step + there * line.far_step, each

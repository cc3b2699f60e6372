"""Collectives in closed form: bytes that one NPU sends into each dimension, and the time that takes.

A hierarchical collective runs dimension by dimension. With many chunks in flight the dimensions work in parallel, and
the slowest sets the time: ``max_i v_i / b_i``. There is no latency term; the event simulation has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import prod


class Collective(StrEnum):
    """A collective operation among the NPUs of a group."""

    ALL_REDUCE = "all-reduce"
    REDUCE_SCATTER = "reduce-scatter"
    ALL_GATHER = "all-gather"
    ALL_TO_ALL = "all-to-all"


def pattern(
    collective: Collective, groups: Sequence[int], exchanged: Sequence[float] = ()
) -> tuple[float, tuple[float, ...]]:
    """Factor a collective's traffic into a scale and a pattern that collectives share.

    All-reduce, reduce-scatter and all-gather over one group load the dimensions in the same proportion: this is the
    pattern, and it makes them one term of the bandwidth problem.

    Parameters
    ----------
    collective : Collective
        The operation.
    groups : sequence of int
        NPUs of the group along each dimension, innermost first; 1 where the group does not use it.
    exchanged : sequence of float, optional
        Part of an all-to-all's buffer that is exchanged along each dimension, see
        `simcore.models.network.ports.exchanged`; by default all of it.

    Returns
    -------
    scale : float
        Bytes moved per byte of collective size, in units of the pattern.
    shape : tuple of float
        Pattern ``(p_i - 1) / (p_1 .. p_i)``, for all-to-all ``(p_i - 1) / p_i``; 0 where ``p_i`` is 1.

    Examples
    --------
    >>> pattern(Collective.ALL_REDUCE, (2, 8))
    (2.0, (0.5, 0.4375))
    >>> pattern(Collective.ALL_GATHER, (2, 8))
    (16.0, (0.5, 0.4375))
    """
    if collective is Collective.ALL_TO_ALL:
        return 1.0, tuple(part * (p - 1) / p for p, part in zip(groups, exchanged or (1.0,) * len(groups), strict=True))
    shape, members = [], 1
    for p in groups:
        members *= p
        shape.append((p - 1) / members)
    scale = {Collective.ALL_REDUCE: 2.0, Collective.REDUCE_SCATTER: 1.0, Collective.ALL_GATHER: float(prod(groups))}
    return scale[collective], tuple(shape)


def traffic(
    collective: Collective, size: float, groups: Sequence[int], exchanged: Sequence[float] = ()
) -> tuple[float, ...]:
    """Return the bytes that one NPU sends into each dimension.

    With group sizes ``p_1 .. p_k`` from the inside out and S bytes:

    - reduce-scatter: ``S / (p_1 .. p_{i-1}) (p_i - 1) / p_i``, all-reduce twice that;
    - all-gather of a shard S: ``S (p_{i+1} .. p_k) (p_i - 1)``;
    - all-to-all: ``S (p_i - 1) / p_i``.

    Parameters
    ----------
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    groups : sequence of int
        NPUs of the group along each dimension, innermost first; 1 where the group does not use it.
    exchanged : sequence of float, optional
        As of `pattern`.

    Returns
    -------
    tuple of float
        Bytes [B] per dimension, innermost first.

    References
    ----------
    LIBRA (arXiv:2109.11762) for the volumes; Themis (ISCA 2022) for the hierarchical schedule.

    Examples
    --------
    >>> traffic(Collective.ALL_REDUCE, 1024.0, (2, 8, 1))
    (1024.0, 896.0, 0.0)
    >>> traffic(Collective.ALL_GATHER, 64.0, (2, 8, 1))
    (512.0, 448.0, 0.0)
    """
    scale, shape = pattern(collective, groups, exchanged)
    return tuple(size * scale * part for part in shape)


def collective_time(traffic: Sequence[float], bandwidths: Sequence[float]) -> float:
    """Return the time of a collective whose chunks fill all its dimensions [s].

    Parameters
    ----------
    traffic : sequence of float
        Bytes per dimension [B].
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s].

    Examples
    --------
    >>> collective_time((1024.0, 896.0, 0.0), (1e9, 1e9, 1.0))
    1.024e-06
    """
    return max((v / b for v, b in zip(traffic, bandwidths, strict=True) if v), default=0.0)

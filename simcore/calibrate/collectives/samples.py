"""Measured collectives, and what is known of a network before they are fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from simcore.models.network.mesh import Mesh
from simcore.models.network.nccl import Span


class Sample(NamedTuple):
    """A measured collective.

    Attributes
    ----------
    kind : str
        One of `simcore.models.network.nccl.KINDS`.
    span : Span
        The group.
    size : float
        As `simcore.models.network.collectives.traffic` has it [B].
    seconds : float
        What it took [s].
    state : str
        See `simcore.models.network.measured.Curve`.
    """

    kind: str
    span: Span
    size: float
    seconds: float
    state: str = ""


@dataclass(frozen=True)
class Fitting:
    """What is known of a network before its collectives are fitted.

    Attributes
    ----------
    near, far : float
        Bandwidth of a GPU within its node, and between nodes [B/s].
    uneven : bool
        Whether groups of other sizes find another bandwidth, as in a cube mesh.
    mesh : Mesh or None
        Links between the GPUs of a node, where they are known.
    nvls : int
        GPUs in a node from which switches reduce; 0 where they do not.
    far_efficiency : float
        Share of the bandwidth between nodes that rings reach where no measurement says it.
    """

    near: float
    far: float
    uneven: bool = False
    mesh: Mesh | None = None
    nvls: int = 0
    far_efficiency: float = 0.92

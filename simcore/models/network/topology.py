"""Multi-dimensional networks: Ring, FullyConnected and Switch dimensions, innermost first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod


class Block(StrEnum):
    """The building block of one dimension."""

    RING = "Ring"
    FULLY_CONNECTED = "FullyConnected"
    SWITCH = "Switch"


@dataclass(frozen=True)
class Dimension:
    """One dimension of a network.

    Attributes
    ----------
    block : Block
        How its NPUs are wired.
    size : int
        NPUs along it.
    level : str
        Cost class: ``Tile``, ``Package``, ``Node``, ``Pod``.
    latency : float
        Link latency [s].
    """

    block: Block
    size: int
    level: str = ""
    latency: float = 0.0


@dataclass(frozen=True)
class Topology:
    """A network of dimensions, innermost first.

    Attributes
    ----------
    name : str
        For example ``4D``.
    dimensions : tuple of Dimension
        Innermost first.
    source : str
        Where it is described.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    source: str = ""

    @property
    def npus(self) -> int:
        """Number of NPUs."""
        return prod(dimension.size for dimension in self.dimensions)

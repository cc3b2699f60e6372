"""What a simulation writes down: every change of a placement, and every completion."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from simcore.models.cluster.placement import Placement
from simcore.models.cluster.pools import Held


@dataclass
class PlacementLog:
    """What happened, as columns in time order; metrics and timelines are computed from it afterwards.

    Attributes
    ----------
    time, row, placement : array
        Every change of a placement: when [s], whose, and the index in `placements` (-1: taken away).
    placements : list of Placement
        The distinct placements.
    end, release : list of float
        Completion of each job [s], and the decision at which its GPUs were free again [s]; NaN before that.
    nodes : list of Held or None
        What every change holds on which nodes; empty where the cluster has none.
    paused : dict of int to float
        Start-up and restart delays that jobs held GPUs through before their last placement [GPU s].
    delay : list of float
        Delay with which each job's last placement began [s].
    clock : float
        Time of the last decision [s].
    rounds, events : int
        Decisions at which something happened, and SimPy events.
    """

    time: array[float] = field(default_factory=lambda: array("d"))
    row: array[int] = field(default_factory=lambda: array("q"))
    placement: array[int] = field(default_factory=lambda: array("q"))
    placements: list[Placement] = field(default_factory=list)
    end: list[float] = field(default_factory=list)
    release: list[float] = field(default_factory=list)
    nodes: list[Held | None] = field(default_factory=list)
    paused: dict[int, float] = field(default_factory=dict)
    delay: list[float] = field(default_factory=list)
    clock: float = 0.0
    rounds: int = 0
    events: int = 0

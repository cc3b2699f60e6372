"""What a simulated network writes down: totals, chunk phases, and messages between pipeline stages."""

from __future__ import annotations

from typing import NamedTuple

from simcore.models.network.collectives import Collective


class LoggedPhase(NamedTuple):
    """A chunk phase that was served.

    Attributes
    ----------
    label : str
        The collective's.
    chunk : int
        Which chunk of it, from 0.
    dimension : int
        Which dimension, from 0.
    operation : Collective
        What the phase did.
    size : float
        Its input [B].
    queued, start, end : float
        When it joined the queue, when its first byte was sent, when its last one arrived [s].
    """

    label: str
    chunk: int
    dimension: int
    operation: Collective
    size: float
    queued: float
    start: float
    end: float


class LoggedTransfer(NamedTuple):
    """A message to another pipeline stage, as it passes along one dimension.

    Attributes
    ----------
    label : str
        What it is.
    dimension : int
        Which dimension, from 0.
    size : float
        Bytes [B].
    queued, start, end : float
        When it was ready, when its first byte was sent, when its last one arrived [s].
    """

    label: str
    dimension: int
    size: float
    queued: float
    start: float
    end: float


class Ledger:
    """What a network counts while it runs, and the log of what it served.

    Parameters
    ----------
    dimensions : int
        How many the network has.
    record : bool
        Whether to keep `log` and `transfers`.

    Attributes
    ----------
    busy : list of float
        Per dimension, how long its links were occupied [s].
    sent : list of float
        Per dimension, bytes that crossed the links of one NPU [B].
    served, latency : list of float
        Per dimension, what all phases took, and what of it was latency [s].
    phases : int
        Phases served.
    events : int
        Events of what was simulated once for all its repetitions, on a clock of its own.
    log : list of LoggedPhase
        Phases in the order they ended.
    transfers : list of LoggedTransfer
        Messages between stages, in the order they were sent.
    """

    def __init__(self, dimensions: int, record: bool) -> None:
        self.record = record
        self.busy, self.sent = [0.0] * dimensions, [0.0] * dimensions
        self.served, self.latency = [0.0] * dimensions, [0.0] * dimensions
        self.phases = self.events = 0
        self.log: list[LoggedPhase] = []
        self.transfers: list[LoggedTransfer] = []

    def add(self, other: Ledger, times: int = 1) -> None:
        """Count what another ledger counted, so many times; logs are left alone."""
        for mine, theirs in ((self.busy, other.busy), (self.sent, other.sent),
                             (self.served, other.served), (self.latency, other.latency)):  # fmt: skip
            mine[:] = [here + times * there for here, there in zip(mine, theirs, strict=True)]
        self.phases += times * other.phases

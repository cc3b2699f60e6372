"""What a simulated network writes down: chunk phases, and messages between pipeline stages."""

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
    """A message to another pipeline stage, on its way along one dimension.

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

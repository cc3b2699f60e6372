"""Measured rows beside their predictions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """A measured row beside its prediction; times in seconds.

    Attributes
    ----------
    row_id, source, device, precision, kind : str
        Which row it is, as its file has it.
    measured : float or None
        What was measured [s]; None where the row has no time.
    predicted : float or None
        What the model says [s]; None where it says nothing.
    low, high : float or None
        The interval that should hold nine of ten measurements [s].
    fitted : bool
        Whether constants were fitted to it.
    why_not : str
        Why nothing is predicted; empty where something is.
    model, gpus : str
        What ran, and on how many GPUs, as its file has it.
    """

    row_id: str
    source: str
    device: str
    precision: str
    kind: str
    measured: float | None
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    fitted: bool = False
    why_not: str = ""
    model: str = ""
    gpus: str = ""

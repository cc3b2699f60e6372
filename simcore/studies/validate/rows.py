"""A measured row beside its prediction, whatever was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """A measured row beside its prediction; times in seconds.

    Attributes
    ----------
    row_id : str
        The table's own, or the number of the row.
    source : str
        Where it comes from, as the table has it.
    device : str
        What ran it, as the table has it.
    precision : str
        Number format.
    kind : str
        What ran.
    measured : float or None
        What it took [s]; None where it took nothing that could be measured.
    predicted : float or None
        What the model says [s]; None where it cannot.
    low : float or None
        From here on the measured time lies with a probability of 95 % [s].
    high : float or None
        Up to here it lies with a probability of 95 % [s].
    fitted : bool
        Whether constants were fitted to it.
    why_not : str
        Why there is no prediction; empty where there is one.
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
    fitted: bool = False  # whether constants were fitted to it
    why_not: str = ""

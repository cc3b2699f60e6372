"""A cluster: how many GPUs of each type, and nothing else, as in the EasyScale simulator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """GPUs by type; no nodes and no placement cost.

    Attributes
    ----------
    name : str
        For reports.
    types : tuple of str
        GPU types, in the order of every table. The last one is the reference of speed-ups.
    counts : tuple of int
        GPUs of each type.
    source : str
        Where the numbers come from.

    Examples
    --------
    >>> Cluster("small", ("v100", "t4"), (4, 2)).gpus
    6
    """

    name: str
    types: tuple[str, ...]
    counts: tuple[int, ...]
    source: str = ""

    @property
    def gpus(self) -> int:
        """Number of GPUs of all types."""
        return sum(self.counts)

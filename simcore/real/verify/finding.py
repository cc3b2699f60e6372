"""How far a tensor of a scheduled module is from that of the module itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOLERANCES = {"fp64": 1e-9, "fp32": 1e-5}
"""Largest error that rounding explains, over the tensor's largest absolute value, by number format."""


@dataclass(frozen=True)
class Finding:
    """One tensor.

    Attributes
    ----------
    name : str
        ``output``, or what it is the gradient of.
    precision : str
        Number format, ``fp64`` or ``fp32``.
    error : float
        Largest difference of an element.
    scale : float
        What that is held against: the largest absolute value of the tensor. One that is zero but for rounding, such as
        the gradient of a key's bias, is held against the largest gradient of all.
    rank : int
        Where the difference is largest.
    shape : str
        What its shape is and should be; empty where that is right.
    """

    name: str
    precision: str
    error: float
    scale: float
    rank: int = 0
    shape: str = ""

    @property
    def relative(self) -> float:
        """The error over the scale.

        Examples
        --------
        >>> Finding("output", "fp32", error=2e-6, scale=4.0).relative
        5e-07
        """
        if math.isnan(self.error):
            return math.inf
        return self.error / self.scale if self.scale else math.inf if self.error else 0.0

    @property
    def equal(self) -> bool:
        """Whether rounding explains the error."""
        return self.relative <= TOLERANCES[self.precision]


def merged(by_rank: Iterable[Sequence[Finding]], names: Sequence[str]) -> list[Finding]:
    """Return the worst rank's finding for each tensor, by number format and then in the order of names."""
    worst: dict[tuple[str, str], Finding] = {}
    for findings in by_rank:
        for one in findings:
            key = one.precision, one.name
            if key not in worst or one.relative > worst[key].relative:
                worst[key] = one
    place = {name: at for at, name in enumerate(names)}
    order = list(TOLERANCES)
    return sorted(worst.values(), key=lambda one: (order.index(one.precision), place[one.name]))

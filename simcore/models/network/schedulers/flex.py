"""The schedule ``flex``: as ``themis``, but a chunk is as large as closes the gap between the dimensions' loads."""

from __future__ import annotations

from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.greedy import Greedy


class Flex(Greedy):
    """Cuts chunks that close the gap between the most and the least loaded dimension, none smaller than an equal one.

    References
    ----------
    Rashidi et al.: Themis, ISCA 2022.
    """

    name = "flex"

    def least_gap(self, equal: float, convention: Convention) -> float:
        """Return an equal chunk [B]."""
        return equal

    def chunk(self, left: float, equal: float, gap: float, convention: Convention) -> float:
        """Return what closes the gap [B]."""
        return min(left, convention.bytes(gap))

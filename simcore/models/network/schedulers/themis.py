"""The schedule ``themis``: equal chunks, each of which takes the least loaded dimension first."""

from __future__ import annotations

from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.greedy import Greedy


class Themis(Greedy):
    """Cuts equal chunks; loads count as even where a sixteenth of one would close the gap between them.

    References
    ----------
    Rashidi et al.: Themis, ISCA 2022.
    """

    name = "themis"

    def least_gap(self, equal: float, convention: Convention) -> float:
        """Return a sixteenth of an equal chunk [B]."""
        return convention.share(equal, 16)

    def chunk(self, left: float, equal: float, gap: float, convention: Convention) -> float:
        """Return an equal chunk [B]."""
        return min(left, equal)

"""Gittins index on service, with preemption: who is the likeliest to be done soon, by what jobs before took."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.policies.las import Las
from simcore.models.cluster.policies.ranked import REACHED
from simcore.models.cluster.view import View


@dataclass
class Gittins(Las):
    """The jobs of the largest Gittins index run, each if its gang fits; looked at anew every quantum.

    With S the service of a job [GPU s], whose distribution is that of the trace, and a what it has attained,

        G(a) = sup over D of P(S - a <= D | S > a) / E[min(S - a, D) | S > a].

    The supremum is taken over the services that occur. Of two jobs of one index the one of the earlier row goes first.
    Source: Gittins, 1979; Gu et al., NSDI 2019.
    """

    oracle: ClassVar[bool] = True

    def prepare(self, view: View) -> None:
        """Learn the distribution."""
        super().prepare(view)
        services = [view.duration[row] * view.job(row).gpus for row in range(len(view.class_index))]
        self._at, self._index = gittins_index(np.array(services))

    def rank(self, view: View, row: int) -> float:
        """Return the index, the largest first."""
        return -float(self._index[bisect_right(self._at, self._attained[row] * (1.0 + REACHED)) - 1])


MOST_POINTS = 500
"""Services at which the index is computed: quantiles of those that occur."""


def gittins_index(services: NDArray[np.float64]) -> tuple[list[float], NDArray[np.float64]]:
    """Return attained services and the index from each of them on.

    Parameters
    ----------
    services : array of float, shape (J,)
        Service of each job [GPU s].

    Returns
    -------
    list of float, array of float
        Ascending from 0, and the index there [1/(GPU s)].

    Examples
    --------
    Half of all jobs take 1, half 10: a new job is likely short, one that got 1 is not.

    >>> at, index = gittins_index(np.array([1.0, 10.0]))
    >>> at, index.round(3).tolist()
    ([0.0, 1.0, 10.0], [0.5, 0.111, 0.0])
    """
    values = np.unique(np.quantile(services, np.linspace(0.0, 1.0, MOST_POINTS), method="inverted_cdf"))
    at = np.concatenate(([0.0], values))
    index = np.zeros(len(at))
    ordered = np.sort(services)
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    for place, a in enumerate(at[:-1]):
        first = int(np.searchsorted(ordered, a, side="right"))
        longer = values[values > a]
        done = np.searchsorted(ordered, longer, side="right")
        spent = sums[done] - sums[first] - (done - first) * a + (len(ordered) - done) * (longer - a)
        index[place] = float(((done - first) / spent).max())
    return at.tolist(), index

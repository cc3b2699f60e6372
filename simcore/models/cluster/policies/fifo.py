"""Gang FIFO: the honest rigid baseline."""

from __future__ import annotations

from simcore.models.cluster.policies.queues import StrictQueue
from simcore.models.cluster.view import View


class Fifo(StrictQueue):
    """One strict queue per GPU type and virtual cluster: the head starts when its full gang fits, and blocks the rest.

    The order is row order. No back-fill, no preemption; a started job keeps its gang to its end. Source: YARN's
    capacity scheduler with gangs, as in Jeon et al., USENIX ATC 2019.
    """

    def keys(self, view: View) -> list[int]:
        """Return rows."""
        return [0] * len(view.class_index)

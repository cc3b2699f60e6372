"""First job that fits, first: a queue in which nobody blocks anybody."""

from __future__ import annotations

from simcore.models.cluster.policies.queues import OpenQueue
from simcore.models.cluster.view import View


class FifoSkip(OpenQueue):
    """The queue of `fifo`, in which a job that does not fit is passed over.

    A large gang may wait for ever behind a stream of small ones. Source: the ``fjf`` of Tiresias' simulator (Gu et al.,
    NSDI 2019).
    """

    def keys(self, view: View) -> list[int]:
        """Return rows."""
        return [0] * len(view.class_index)

"""What dimensions add to an iteration that wait for each other, where a dimension by itself leaves that open."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.training.parallel.flowing import FirstTurn, Flowing, LastTurn
from simcore.models.training.parallel.fluid import Window
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.orders import Kind
from simcore.models.training.parallel.replica_views import Queue
from simcore.models.training.parallel.shared_weights import Run

Queues = Sequence[Sequence[Sequence[Queue]]]
"""By rank, model chunk and queue."""

Used = Sequence[Sequence[tuple[float, float]]]
"""By queue and chunk, for how long turns use its links, before its first turn and after its last one."""

UNSURE = 0.005
"""Share of an iteration that may be left open before sums flow from one dimension to the other."""


class Flows:
    """What a rank waits for before its first turns and after its last one, where some dimensions may wait for others.

    It is no less than what the dimension takes that has most to do, and no more than what all of them take one after
    the other. Where that leaves more than `UNSURE` of an iteration open, bytes flow from one to the other.

    Parameters
    ----------
    layout : Layout
        Order and sizes.
    of_rank : sequence of sequence of int
        The model chunks of each rank.
    queues : sequence of sequence of sequence of Queue
        What each rank's chunks send.
    flowing : Flowing or None
        The dimensions; None where sums see but one.
    runs : sequence of sequence of Run
        The repetitions of each model chunk.
    seconds : float
        What the busiest rank computes in an iteration [s].
    """

    def __init__(
        self, layout: Layout, of_rank: Sequence[Sequence[int]], queues: Queues, flowing: Flowing | None,
        runs: Sequence[Sequence[Run]], seconds: float,
    ) -> None:  # fmt: skip
        self._layout, self._of_rank, self._queues, self._runs = layout, of_rank, queues, runs
        self._flowing, self._open = flowing, UNSURE * seconds

    def unsure(self, rank: int) -> float:
        """Return how much longer a rank may wait for weights than for the dimension that has most to do [s]."""
        if self._flowing is None:
            return 0.0
        each: list[float] = [sum([queue.gathers for queue in view]) for view in zip(*self._queues[rank], strict=True)]
        return sum(each) - max(each)

    @property
    def any_unsure(self) -> bool:
        """Whether what some rank waits for is not sure."""
        return any(self.unsure(rank) > self._open for rank in range(len(self._queues)))

    def before_one(self, rank: int, there: float) -> float:
        """Return when the forward pass of a rank's only chunk can start [s], which is `there` at the earliest."""
        if self._flowing is None or self.unsure(rank) <= self._open:
            return there
        turn = FirstTurn(self._runs[self._of_rank[rank][0]], Window(0.0, ()))
        return self._flowing.ready(self._layout, [turn])[0]

    def before_all(self, rank: int, ready: list[float], used: Used, spent: Sequence[float]) -> list[float]:
        """Return when the first forward pass of each chunk of a rank can start [s].

        Parameters
        ----------
        rank : int
            Which one.
        ready : list of float
            When each dimension by itself lets it [s].
        used : sequence of sequence of (float, float)
            See `Used`.
        spent : sequence of float
            By chunk, what the turns before its first one take [s].
        """
        if self._flowing is None or self.unsure(rank) <= self._open:
            return ready
        runs = [self._runs[chunk] for chunk in self._of_rank[rank]]
        turns = [FirstTurn(runs[0], Window(0.0, ()))]
        for chunk in range(1, len(runs)):
            gap = spent[chunk] - spent[chunk - 1] - self._flowing.seconds(self._layout, runs[chunk - 1], Kind.FORWARD)
            sent = self._queues[rank][chunk - 1]
            busy = [view[chunk][0] - view[chunk - 1][0] - one.forward for view, one in zip(used, sent, strict=True)]
            turns.append(FirstTurn(runs[chunk], _between(gap, busy)))
        return self._flowing.ready(self._layout, turns)

    def most(self, left: Sequence[float]) -> float:
        """Return what is left at most [s]."""
        return max(left) if self._flowing is None else sum([max(0.0, one) for one in left])

    def after_one(self, rank: int, left: Sequence[float], *, sends: bool) -> float:
        """Return what is left after the backward pass of a rank's only chunk, which a message may follow [s]."""
        if self._is_sure(left):
            return max(left)
        sent = self._queues[rank][0]
        turn = LastTurn(self._runs[self._of_rank[rank][0]], Kind.BACKWARD, Window(0.0, ()))
        return self._flow([turn], [one.message if sends else 0.0 for one in sent])

    def after_all(
        self, rank: int, left: Sequence[float], end: float, by_chunk: Sequence[float], used: Used, apart: Sequence[bool]
    ) -> float:
        """Return what is left after a rank's last turn, where turns are played [s].

        Parameters
        ----------
        rank : int
            Which one.
        left : sequence of float
            What is left in each dimension by itself [s].
        end : float
            When its last turn ends [s].
        by_chunk : sequence of float
            When the last turn that makes gradients of each chunk ends [s].
        used : sequence of sequence of (float, float)
            See `Used`.
        apart : sequence of bool
            By chunk, whether that turn makes no other gradients.
        """
        if self._flowing is None or self._is_sure(left):
            return max(left)
        sent, order = self._queues[rank], sorted(range(len(by_chunk)), key=by_chunk.__getitem__)
        runs = [self._runs[chunk] for chunk in self._of_rank[rank]]
        kinds = [Kind.WEIGHT_GRADIENT if one else Kind.BACKWARD for one in apart]
        turns, rest = list[LastTurn](), list[float]()
        for at, chunk in enumerate(order):
            busy, following = [view[chunk][1] for view in used], order[at + 1 : at + 2]
            until = end
            for one in following:
                until = by_chunk[one] - self._flowing.seconds(self._layout, runs[one], kinds[one])
                own = [0.0 if apart[one] else queue.backward for queue in sent[one]]
                busy = [a - view[one][1] - b for a, view, b in zip(busy, used, own, strict=True)]
            gap = until - by_chunk[chunk]
            turns.append(LastTurn(runs[chunk], kinds[chunk], _between(gap, busy)))
            rest = [max(0.0, each - max(0.0, gap)) for each in busy]
        return self._flow(turns, rest)

    def _is_sure(self, left: Sequence[float]) -> bool:
        return self._flowing is None or self.most(left) - max(left) <= self._open

    def _flow(self, turns: Sequence[LastTurn], messages: Sequence[float]) -> float:
        assert self._flowing is not None  # else all is sure
        return self._flowing.left(self._layout, turns, messages)


def _between(seconds: float, busy: Sequence[float]) -> Window:
    """Return turns that take so long, and each dimension for so long of that [s]."""
    if seconds <= 0:
        return Window(0.0, ())
    return Window(seconds, tuple([min(1.0, max(0.0, 1 - each / seconds)) for each in busy]))

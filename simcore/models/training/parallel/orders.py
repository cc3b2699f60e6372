"""In which order the stages of a pipeline take their micro-batches: each published schedule as a table of turns.

A rank holds one or more chunks of the model's layers. A turn is a pass of one chunk on one micro-batch: ``F`` forward,
``B`` the whole backward pass, ``I`` its input gradient and ``W`` its weight gradient. Nothing here knows how long a
turn takes; `simcore.models.training.parallel.stages` plays the tables.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from simcore.errors import InputError, field


class Kind(StrEnum):
    """What a turn computes."""

    FORWARD = "F"
    BACKWARD = "B"
    INPUT_GRADIENT = "I"
    WEIGHT_GRADIENT = "W"


@dataclass(frozen=True)
class Turn:
    """One pass of one chunk on one micro-batch.

    Attributes
    ----------
    kind : Kind
        What it computes.
    chunk : int
        Which of the rank's chunks, from 0 in the order of the model.
    micro_batch : int
        Which micro-batch, from 0.
    overlapped : bool
        Whether it runs at the same time as the turn after it.
    """

    kind: Kind
    chunk: int
    micro_batch: int
    overlapped: bool = False

    def __str__(self) -> str:
        return f"{self.kind}{self.chunk}.{self.micro_batch}{'+' if self.overlapped else ''}"


@dataclass(frozen=True)
class Pipelined:
    """The sizes of a pipeline.

    Attributes
    ----------
    ranks, micro_batches : int
        Ranks p and micro-batches m.
    chunks : int
        Chunks v of the model on each rank.
    """

    ranks: int
    micro_batches: int
    chunks: int = 1

    @property
    def rounds(self) -> int:
        """Rounds in which an interleaved pipeline takes its micro-batches."""
        return max(1, self.micro_batches // self.ranks)


Turns = Iterator[Turn]
Patterns = Iterator[tuple[int, str]]


def gpipe(size: Pipelined, rank: int) -> Turns:
    """All forward passes, then all backward passes (GPipe, arXiv:1811.06965)."""
    yield from (Turn(Kind.FORWARD, 0, i) for i in range(size.micro_batches))
    yield from (Turn(Kind.BACKWARD, 0, i) for i in range(size.micro_batches))


def one_f_one_b(size: Pipelined, rank: int) -> Turns:
    """As few forward passes ahead as the ranks behind need, then forward and backward in turn (arXiv:1806.03377)."""
    yield from _alternating(size, rank, ahead=size.ranks - 1 - rank, chunk_of=lambda step: 0)


def looped(size: Pipelined, rank: int) -> Turns:
    """Every chunk takes all micro-batches before the next one does: breadth first (arXiv:2211.05953)."""
    for chunk in range(size.chunks):
        yield from (Turn(Kind.FORWARD, chunk, i) for i in range(size.micro_batches))
    for chunk in reversed(range(size.chunks)):
        yield from (Turn(Kind.BACKWARD, chunk, i) for i in reversed(range(size.micro_batches)))


def interleaved(size: Pipelined, rank: int) -> Turns:
    """1F1B whose chunks take turns, a round of micro-batches each (arXiv:2104.04473)."""
    yield from _alternating(size, rank, ahead=_ahead(size, rank, 2), chunk_of=_in_rounds(size))


def zero_bubble(size: Pipelined, rank: int) -> Turns:
    """Put weight gradients off until the rank would idle: ZB1P of arXiv:2401.10241."""
    yield from _alternating(size, rank, ahead=_ahead(size, rank, 1), chunk_of=_in_rounds(size), split=rank)


def zbv(size: Pipelined, rank: int) -> Turns:
    """Two chunks a rank, the second one on the way back: ZB-V of arXiv:2401.10241, section 6."""
    p, m = size.ranks, max(2 * size.ranks - 1, size.micro_batches)
    last = p - 1 - rank
    patterns = (
        (2 * last + 1, "F0"), (rank, "F1 F0"), (last + 1, "F1 I1 W1"),
        (m - 2 * p + 1 + rank, "F0 I0 W0 F1 I1 W1"), (last, "I0 W0 F1 I1 W1"),
        (rank, "I0 I1"), (last + 1, "I0 W0"), (rank, "W1"), (rank, "W0"),
    )  # fmt: skip
    # a pipeline that is not full runs the turns of one that is, without the micro-batches that it lacks
    yield from (turn for turn in _played(patterns) if turn.micro_batch < size.micro_batches)


def dual_pipe_v(size: Pipelined, rank: int) -> Turns:
    """Both directions at once, folded onto half the ranks: DualPipeV (github.com/deepseek-ai/DualPipe)."""
    last, half = size.ranks - 1 - rank, (rank + 1) // 2
    main = size.micro_batches - 2 * size.ranks + rank + 1
    unlike = 0 if last else 1  # the last rank's first turns do not overlap
    ends = (half, "B1 B0"), (1 - rank % 2, "B1 I0"), (rank + 1 - half - (1 - rank % 2), "I1 I0")
    patterns = (
        (2 * last, "F0"), (rank + 1, "F0 F1"), (last, "I1 W F1"),
        (unlike, "F0 B1 F1+ B0"), (main - unlike, "F0+ B1 F1+ B0"), (last, "B1 F1+ B0"),
        *ends, (last, "W I0"), (rank + 1, "W"),
    )  # fmt: skip
    yield from _played(patterns)


ORDERS: Mapping[str, Callable[[Pipelined, int], Turns]] = {
    "GPipe": gpipe, "1F1B": one_f_one_b, "looped": looped, "interleaved": interleaved,
    "zero-bubble": zero_bubble, "ZBV": zbv, "DualPipeV": dual_pipe_v,
}  # fmt: skip
"""The orders by name."""

FOLDED = frozenset({"ZBV", "DualPipeV"})
"""Orders of two chunks a rank whose second chunks run from the last rank back to the first."""

MANY_CHUNKS = frozenset({"looped", "interleaved", "zero-bubble"})
"""Orders of any number of chunks a rank; the others have one, or two where they are folded."""


def turns_of(order: str, size: Pipelined) -> list[list[Turn]]:
    """Return the turns of every rank.

    Raises
    ------
    InputError
        If the order does not take as many chunks, or so few micro-batches.

    Examples
    --------
    >>> " ".join(map(str, turns_of("1F1B", Pipelined(3, 4))[1]))
    'F0.0 F0.1 B0.0 F0.2 B0.1 F0.3 B0.2 B0.3'
    """
    wanted = None if order in MANY_CHUNKS else 2 if order in FOLDED else 1
    if wanted is not None and size.chunks != wanted:
        raise InputError(field("chunks"), str(size.chunks), f"{wanted}, which the order {order} has per rank")
    if order in {"interleaved", "zero-bubble"} and size.micro_batches % size.rounds:
        found, expected = f"{size.micro_batches}", f"a multiple of its {size.rounds} rounds of {size.ranks} ranks"
        raise InputError(field("micro_batches"), found, expected)
    if order == "DualPipeV" and size.micro_batches < 2 * size.ranks:
        expected = f"at least {2 * size.ranks}, twice as many as ranks"
        raise InputError(field("micro_batches"), str(size.micro_batches), expected)
    return [list(ORDERS[order](size, rank)) for rank in range(size.ranks)]


def stage_of(order: str, size: Pipelined, rank: int, chunk: int) -> int:
    """Return which part of the model a chunk is, from 0.

    Examples
    --------
    >>> [stage_of("ZBV", Pipelined(4, 8, 2), 1, chunk) for chunk in (0, 1)]
    [1, 6]
    """
    if order in FOLDED and chunk:
        return 2 * size.ranks - 1 - rank
    return chunk * size.ranks + rank


def _ahead(size: Pipelined, rank: int, per_rank: int) -> int:
    """Return the forward passes that an interleaved rank takes before its first backward pass."""
    each = size.micro_batches // size.rounds
    return (size.chunks - 1) * each + per_rank * (size.ranks - 1 - rank)


def _in_rounds(size: Pipelined) -> Callable[[int], int]:
    """Return which chunk a pass is of, if chunks take a round of micro-batches each."""
    each = size.micro_batches // size.rounds
    return lambda step: step // each % size.chunks


def _alternating(
    size: Pipelined, rank: int, ahead: int, chunk_of: Callable[[int], int], split: int | None = None
) -> Turns:
    """Yield forward passes ahead, then one forward and one backward pass in turn, then the backward passes left.

    With `split` the backward pass is its input gradient, and from so many of them on a weight gradient follows each,
    the oldest that is due.
    """
    total = size.chunks * size.micro_batches
    ahead = min(ahead, total)
    count: Counter[tuple[Kind, int]] = Counter()
    due: deque[int] = deque()

    def turn(kind: Kind, chunk: int) -> Turn:
        count[kind, chunk] += 1
        return Turn(kind, chunk, count[kind, chunk] - 1)

    for step in range(ahead, total + ahead):
        if step == ahead:
            yield from (turn(Kind.FORWARD, chunk_of(before)) for before in range(ahead))
        if step < total:
            yield turn(Kind.FORWARD, chunk_of(step))
        chunk = size.chunks - 1 - chunk_of(step - ahead)
        yield turn(Kind.BACKWARD if split is None else Kind.INPUT_GRADIENT, chunk)
        due.append(chunk)
        if split is not None and step - ahead >= split:
            yield turn(Kind.WEIGHT_GRADIENT, due.popleft())
    if split is not None:
        yield from (turn(Kind.WEIGHT_GRADIENT, chunk) for chunk in due)


def _played(patterns: Sequence[tuple[int, str]]) -> Turns:
    """Yield the turns of patterns, each so many times; micro-batches of a kind and chunk come in order.

    ``F0`` is a forward pass of chunk 0, ``+`` one that overlaps with the next turn, and ``W`` without a chunk the
    oldest weight gradient that an input gradient has left; there may be none.
    """
    count: Counter[tuple[str, int]] = Counter()
    due: deque[tuple[int, int]] = deque()
    for times, pattern in patterns:
        for name in times * pattern.split():
            if name == "W":
                if due:
                    yield Turn(Kind.WEIGHT_GRADIENT, *due.popleft())
                continue
            kind, chunk = Kind(name[0]), int(name[1])
            counted = "backward" if kind in {Kind.BACKWARD, Kind.INPUT_GRADIENT} else kind
            micro_batch = count[counted, chunk]
            count[counted, chunk] += 1
            if kind is Kind.INPUT_GRADIENT:
                due.append((chunk, micro_batch))
            yield Turn(kind, chunk, micro_batch, name.endswith("+"))

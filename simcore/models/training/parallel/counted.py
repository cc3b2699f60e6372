"""How many turns of which kind a rank of a pipeline takes, and which come before and after others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from simcore.models.training.parallel.orders import Kind, Pipelined, Turn, stage_of, turns_of

GRADIENTS = frozenset({Kind.BACKWARD, Kind.WEIGHT_GRADIENT})
"""Turns that make gradients of weights."""


@lru_cache(maxsize=256)
def gradients_apart(order: str, size: Pipelined) -> list[list[bool]]:
    """Say by rank and chunk whether the last turn that makes gradients of weights makes no others.

    Examples
    --------
    >>> gradients_apart("zero-bubble", Pipelined(2, 2)), gradients_apart("1F1B", Pipelined(2, 2))
    ([[True], [True]], [[False], [False]])
    """
    kinds = [{turn.chunk: turn.kind for turn in turns if turn.kind in GRADIENTS} for turns in turns_of(order, size)]
    return [[own[chunk] is Kind.WEIGHT_GRADIENT for chunk in range(size.chunks)] for own in kinds]


class Counted(NamedTuple):
    """Turns of a rank in some part of an iteration.

    Attributes
    ----------
    forward, backward : tuple of int
        By chunk, its forward passes, and its passes that make gradients of inputs.
    messages : int
        Messages that they send to other ranks.
    """

    forward: tuple[int, ...]
    backward: tuple[int, ...]
    messages: int


@lru_cache(maxsize=256)
def around_of(order: str, size: Pipelined) -> list[list[tuple[Counted, Counted]]]:
    """Count by rank and chunk the turns before its first one, and after the last one that makes gradients of weights.

    Messages leave at the end of a turn, so that of the last turn comes after it.

    Examples
    --------
    >>> around_of("1F1B", Pipelined(2, 2))[1]
    [(Counted(forward=(0,), backward=(0,), messages=0), Counted(forward=(0,), backward=(0,), messages=1))]
    >>> around_of("interleaved", Pipelined(2, 2, 2))[0][1]
    (Counted(forward=(2, 0), backward=(0, 0), messages=2), Counted(forward=(0, 0), backward=(2, 0), messages=1))
    """
    found = []
    for rank, turns in enumerate(turns_of(order, size)):
        first = {turn.chunk: at for at, turn in reversed(list(enumerate(turns)))}
        last = {turn.chunk: at for at, turn in enumerate(turns) if turn.kind in GRADIENTS}
        found.append([
            (_counted(order, size, rank, turns[: first[one]]),
             _counted(order, size, rank, turns[last[one] + 1 :], turns[last[one]]))
            for one in range(size.chunks)
        ])  # fmt: skip
    return found


_BACK = frozenset({Kind.BACKWARD, Kind.INPUT_GRADIENT})


def _counted(order: str, size: Pipelined, rank: int, turns: Sequence[Turn], before: Turn | None = None) -> Counted:
    """Count turns, with the message of the turn before them."""
    sent = [one for one in (*turns, *(() if before is None else (before,))) if _sends(order, size, rank, one)]
    forward, backward = (
        tuple(sum(one.chunk == chunk and one.kind in kinds for one in turns) for chunk in range(size.chunks))
        for kinds in ({Kind.FORWARD}, _BACK)
    )
    return Counted(forward, backward, len(sent))


def _sends(order: str, size: Pipelined, rank: int, turn: Turn) -> bool:
    """Say whether a turn sends a message to another rank."""
    if turn.kind is Kind.WEIGHT_GRADIENT:
        return False
    there = stage_of(order, size, rank, turn.chunk) + (1 if turn.kind is Kind.FORWARD else -1)
    own = {stage_of(order, size, rank, chunk) for chunk in range(size.chunks)}
    return 0 <= there < size.ranks * size.chunks and there not in own


@lru_cache(maxsize=1024)
def backward_turns(order: str, size: Pipelined, rank: int) -> tuple[int, ...]:
    """Count the turns of a rank that make both gradients, by chunk.

    Examples
    --------
    >>> backward_turns("DualPipeV", Pipelined(2, 4, 2), 0)
    (2, 3)
    """
    turns = turns_of(order, size)[rank]
    return tuple(sum(one.kind is Kind.BACKWARD and one.chunk == chunk for one in turns) for chunk in range(size.chunks))


def most_held(turns: Sequence[Turn]) -> int:
    """Return the micro-batches whose activations a rank holds at most, counted by chunk.

    They are held from the forward pass to the end of the last pass that reads them: the weight gradient's, where it is
    a turn of its own.

    Examples
    --------
    >>> from simcore.models.training.parallel.orders import turns_of
    >>> [most_held(turns) for turns in turns_of("1F1B", Pipelined(4, 8))]
    [4, 3, 2, 1]
    """
    held = most = 0
    for turn in turns:
        held += turn.kind is Kind.FORWARD
        most = max(most, held)
        held -= turn.kind in GRADIENTS
    return most

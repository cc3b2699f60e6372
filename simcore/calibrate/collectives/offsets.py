"""How far tensors of a profiler's models are from multiples of `PERIOD`, from which of their collectives were slow.

The profiler of Aceso writes whole MiB of tensors of any length. Whether the parts of a tensor are aligned depends on
its length modulo `PERIOD` alone, the same in all groups, so rows of one group tell it for those of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from simcore.models.network.nccl import PERIOD, unaligned


class Seen(NamedTuple):
    """A row whose messages were found aligned or not.

    Attributes
    ----------
    model : str
        Whose tensor it is.
    mebibytes : int
        Of the tensor, rounded down.
    element : int
        Bytes of an element.
    kind : str
        Of collective.
    gpus : int
        In the group.
    slow : bool
        Whether its messages were unaligned.
    """

    model: str
    mebibytes: int
    element: int
    kind: str
    gpus: int
    slow: bool


WRONG = 0.03
"""Share of rows that are taken to be judged wrongly."""

ROUNDS = 20
"""Rounds in which shares of offsets and offsets of tensors are made to agree."""

CASES = [(kind, gpus) for kind in ("all-gather", "all-to-all", "reduce-scatter") for gpus in (2, 4, 8)]
"""Kinds and groups that an offset decides of."""


def offsets_of(rows: Iterable[Seen]) -> dict[str, dict[int, int]]:
    """Return the likely offset of each tensor by model and MiB; those of 0 are left out.

    How often each offset occurs is estimated from all tensors together, by expectation maximisation. Of the offsets the
    one is taken whose collectives are most likely as its tensor's are.

    Examples
    --------
    >>> slow = [Seen("gpt", 20, 2, "all-gather", gpus, True) for gpus in (2, 4)]
    >>> list(offsets_of([*slow, Seen("gpt", 21, 2, "all-gather", 2, False)])["gpt"])
    [20]
    """
    tensors: dict[tuple[str, int], list[Seen]] = defaultdict(list)
    for row in rows:
        tensors[row.model, row.mebibytes].append(row)
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for element in sorted({own[0].element for own in tensors.values()}):
        keys = [key for key, own in sorted(tensors.items()) if own[0].element == element]
        for (model, size), offset in zip(keys, _offsets([tensors[key] for key in keys], element), strict=True):
            if offset:
                found[model][size] = offset
    return dict(found)


def _offsets(tensors: Sequence[Sequence[Seen]], element: int) -> list[int]:
    """Return the offset of each tensor, whose elements are alike."""
    number = PERIOD // element
    told = np.array([[unaligned(*case, offset, element) for case in CASES] for offset in range(number)])
    likely = np.ones((len(tensors), number))
    for index, own in enumerate(tensors):
        for one in own:
            same = told[:, CASES.index((one.kind, one.gpus))] == one.slow
            likely[index] *= np.where(same, 1 - WRONG, WRONG)
    shares = np.full(number, 0.5 / (number - 1))
    shares[0] = 0.5
    for _ in range(ROUNDS):
        each = likely * shares
        each /= each.sum(axis=1, keepdims=True)
        shares = each.mean(axis=0) + 1e-6
    sure = each @ told
    off = np.abs(sure[:, None, :] - told[None, :, :]).sum(axis=2)
    return [int(offset) for offset in off.argmin(axis=1)]

"""How far tensors of a profiler's models are from multiples of `PERIOD`, from which of their collectives were slow.

The profiler of Aceso writes whole MiB of tensors of any length. Whether the parts of a tensor are aligned depends on
its length modulo `PERIOD` alone, the same in all groups, so rows of one group tell it for those of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from simcore.models.network.measured import PERIOD, unaligned


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


def offsets_of(rows: Iterable[Seen]) -> dict[str, dict[int, int]]:
    """Return the elements that most rows of each tensor agree with; those of 0 are left out.

    Examples
    --------
    >>> slow = [Seen("gpt", 20, 2, "all-gather", gpus, True) for gpus in (2, 4)]
    >>> offsets_of([*slow, Seen("gpt", 21, 2, "all-gather", 2, False)])
    {'gpt': {20: 1}}
    """
    tensors: dict[tuple[str, int], list[Seen]] = defaultdict(list)
    for row in rows:
        tensors[row.model, row.mebibytes].append(row)
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for (model, size), own in sorted(tensors.items()):
        offset = _offset(own)
        if offset:
            found[model][size] = offset
    return dict(found)


def _offset(own: list[Seen]) -> int:
    """Return the offset that contradicts fewest rows; of equals none, or that which most of them say the same as."""
    element = own[0].element
    wrong: Mapping[int, int] = {
        offset: sum(unaligned(one.kind, one.gpus, offset, element) != one.slow for one in own)
        for offset in range(PERIOD // element)
    }
    least = min(wrong.values())
    best = [offset for offset, count in wrong.items() if count == least]
    if best[0] == 0:
        return 0
    cases = [(kind, gpus) for kind in ("all-gather", "all-to-all", "reduce-scatter") for gpus in (2, 4, 8)]
    told = {offset: [unaligned(*case, offset, element) for case in cases] for offset in best}
    shares = [sum(column) / len(best) for column in zip(*told.values(), strict=True)]
    return min(best, key=lambda offset: sum(abs(one - share) for one, share in zip(told[offset], shares, strict=True)))

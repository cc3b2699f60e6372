"""Rows of measured collectives, as tables and programs have them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from simcore.errors import unknown_name
from simcore.models.network.collectives import Collective
from simcore.models.network.nccl import MESSAGE, Span, volume
from simcore.numerals import as_real, as_whole

WORDS: Mapping[str, str] = {
    "allreduce": Collective.ALL_REDUCE.value, "allgather": Collective.ALL_GATHER.value,
    "reducescatter": Collective.REDUCE_SCATTER.value, "alltoall": Collective.ALL_TO_ALL.value,
    "all2all": Collective.ALL_TO_ALL.value, "p2p": MESSAGE, "pointtopoint": MESSAGE, "sendrecv": MESSAGE,
}  # fmt: skip
"""Kinds of collectives by their names without marks between the words."""

FAILED = 1e3
"""A time from which a row says that nothing ran [s]: profilers write such a number for one that failed."""

NODE = 8
"""GPUs of a node where a table does not say how many nodes there were."""


@dataclass(frozen=True)
class CollectiveRow:
    """A measured collective.

    Attributes
    ----------
    name : str
        The column ``row_id``, or the number of the row.
    source, device, dtype, word, note : str
        As the table has them; the word is that of the collective.
    kind : str
        One of `simcore.models.network.nccl.KINDS`; empty where it is unknown.
    span : Span or None
        The group.
    size : float
        The full buffer of a GPU, of an all-gather its shard [B].
    seconds : float or None
        What it took.
    state : str
        ``no-nvls`` where NVLS was off.
    why_not : str
        Why it can be neither fitted nor predicted; empty where it can.
    """

    name: str
    source: str
    device: str
    dtype: str
    word: str
    note: str
    kind: str = ""
    span: Span | None = None
    size: float = 0.0
    seconds: float | None = None
    state: str = ""
    why_not: str = ""

    @property
    def model(self) -> str:
        """Model whose tensor was measured, where the note is that of a profiler of models."""
        place, comma, model = self.note.partition(", ")
        return model if comma and place in {"intra-node", "inter-node"} else ""

    @property
    def element(self) -> int:
        """Bytes of an element of that model's tensors [B]: Wide-ResNet is fp32, the others are fp16."""
        return 4 if self.model.startswith("resnet") else 2

    @property
    def mebibytes(self) -> int:
        """MiB of a GPU, rounded down."""
        return int(self.size / 2**20)


@dataclass(frozen=True)
class CollectiveTable:
    """The rows of a table.

    Attributes
    ----------
    rows : tuple of CollectiveRow
        In its order.
    sha256 : str
        Of the file.
    places : tuple of str
        Where each row is, for messages.
    """

    rows: tuple[CollectiveRow, ...]
    sha256: str
    places: tuple[str, ...]


def kind_of(word: str) -> str:
    """Return the kind that a word means; empty where it means none.

    Examples
    --------
    >>> kind_of("all_reduce"), kind_of("All2All"), kind_of("p2p inter-node"), kind_of("broadcast")
    ('all-reduce', 'all-to-all', 'point-to-point', '')
    """
    plain = re.sub(r"[-_\s]", "", word.lower().replace("inter-node", "").replace("intra-node", ""))
    return WORDS.get(plain, "")


def measured_row(
    base: CollectiveRow, gpus: str, size: str, time: str, unit: float, row: Mapping[str, str]
) -> CollectiveRow:
    """Return a row with its numbers, or with what is wrong with them."""
    kind, count, bytes_, value = kind_of(base.word), as_whole(gpus.strip()), as_real(size), as_real(time)
    why = next(_wrong(base.word, kind, gpus, count, size, bytes_), "")
    seconds = None if value is None or not math.isfinite(value) or value <= 0 else value * unit
    if seconds is None:
        why = why or f"its time is '{time}', which is no time above 0"
    elif seconds < LEAST_SECONDS:
        why = why or f"its time is {time}, shorter than any"
    elif seconds >= FAILED:
        seconds, why = None, why or f"it did not run: its time is {time}"
    if why:
        return replace(base, kind=kind, seconds=seconds, why_not=why)
    assert count is not None
    assert bytes_ is not None
    span = _span(base, count, row)
    shard = kind == Collective.ALL_GATHER and not _is_shard(base.source, row)
    state = "no-nvls" if "NVLS_ENABLE=0" in base.note else ""
    return replace(base, kind=kind, span=span, size=bytes_ / count if shard else bytes_, seconds=seconds, state=state)


MOST_GPUS, MOST_BYTES, LEAST_SECONDS = 10**6, 1e15, 1e-9
"""What no measured collective is beyond."""


def _wrong(word: str, kind: str, gpus: str, count: int | None, size: str, bytes_: float | None) -> Iterator[str]:
    if not kind:
        yield f"'{word}' is no collective that the model has: {', '.join(sorted(set(WORDS.values())))}"
    if count is None or count < 2:
        yield f"'{gpus}' is no number of GPUs above 1"
    elif count > MOST_GPUS:
        yield f"{count:,} GPUs are more than {MOST_GPUS:,}"
    if bytes_ is None or not math.isfinite(bytes_) or not 0 <= bytes_ <= MOST_BYTES:
        yield f"'{size}' is no size of at least 0 and at most {MOST_BYTES:g} bytes"


def _is_shard(source: str, row: Mapping[str, str]) -> bool:
    said = row.get("size_of", "")
    return said == "shard" if said else source.startswith("Aceso")


def _span(base: CollectiveRow, count: int, row: Mapping[str, str]) -> Span:
    """Return how GPUs spread over nodes: a column, words of the device or the kind, or nodes of `NODE`."""
    said = as_whole(row.get("nodes", "") or "")
    words = re.search(r"(\d+) nodes x (\d+)", f"{base.device} {base.note}")
    nodes = said or (int(words[1]) if words else 2 if "inter-node" in base.word else -(-count // NODE))
    return Span(count // nodes, nodes) if nodes and count % nodes == 0 else Span(count)


def wire_seconds(kind: str, span: Span, size: float, near: float, far: float) -> float:
    """Return the least time of a ring, of an all-to-all or of a message that links allow [s].

    Examples
    --------
    >>> wire_seconds("all-reduce", Span(8), 1e9, 100e9, 10e9)
    0.0175
    """
    algorithm = "direct" if kind in {Collective.ALL_TO_ALL, MESSAGE} else "ring"
    inside, outside = volume(algorithm, kind, span)
    return max(inside / near, outside / far) * size


@lru_cache(maxsize=1024)
def same_device(one: str, other: str) -> bool:
    """Say whether two names of a device are the same but for capitals and marks.

    Examples
    --------
    >>> same_device("V100-32GB", "v100_32gb"), same_device("a100", "a10")
    (True, False)
    """
    return _letters(one) == _letters(other)


def _letters(name: str) -> str:
    return "".join(each for each in name.lower() if each.isalnum())


def check_kind(word: str, place: str) -> str:
    """Return the kind that a word means.

    Raises
    ------
    InputError
        If it means none.
    """
    kind = kind_of(word)
    if not kind:
        raise unknown_name(place, word, sorted(set(WORDS.values())), "Leave its rows out.")
    return kind

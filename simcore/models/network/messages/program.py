"""A collective as sends of chunks from NPU to NPU, checked before it runs: it ends, and what it leaves is right.

A send reads what its chunk holds at the sender after all earlier sends of the list that wrote it there, and writes it
at the receiver, or adds to it. So the order of the list says what a send waits for, and sends that touch different
chunks run at once. ``after`` and ``channel`` add further waits. A wait for a later send may close a circle: a deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.errors import InputError
from simcore.models.network.collectives import Collective

MOST_SENDS = 200_000
"""Sends of a program: beyond that it takes minutes."""
MOST_PLACES = 2_000_000
"""NPUs x chunks of a buffer: what is followed of who holds what."""


@dataclass(frozen=True)
class Send:
    """A message.

    Attributes
    ----------
    source, target : int
        NPUs of the program, from 0.
    chunks : tuple of int
        What it carries.
    reduce : bool
        Whether it is added to what the receiver has, in place of writing over it.
    name : str
        For `after` and messages.
    after : tuple of str
        Names of sends that end first.
    channel : int or None
        Sends of one NPU and channel go one after the other, in the order of the list.
    """

    source: int
    target: int
    chunks: tuple[int, ...]
    reduce: bool = False
    name: str = ""
    after: tuple[str, ...] = ()
    channel: int | None = None


@dataclass(frozen=True)
class Program:
    """A collective as sends.

    Attributes
    ----------
    name : str
        For reports.
    collective : Collective
        What it has to do.
    npus : int
        Among how many.
    chunks : int
        Into how many the buffer is cut: the whole one, for all-gather of all shards. Chunk c belongs to NPU
        ``c // (chunks / npus)``. In an all-to-all each NPU cuts its own buffer: chunk ``s chunks + c`` of all is chunk
        c of NPU s.
    sends : tuple of Send
        In the order in which they read and write.
    """

    name: str
    collective: Collective
    npus: int
    chunks: int
    sends: tuple[Send, ...]

    @property
    def all_chunks(self) -> int:
        """Chunks that sends name: those of all NPUs in an all-to-all."""
        return self.chunks * (self.npus if self.collective is Collective.ALL_TO_ALL else 1)

    def owner(self, chunk: int) -> int:
        """Return the NPU that a chunk belongs to: where it starts in an all-gather, and ends in the others."""
        return chunk % self.chunks // (self.chunks // self.npus)

    def holders(self, chunk: int) -> tuple[int, ...]:
        """Return the NPUs that have a part of a chunk, or all of it, at first."""
        if self.collective is Collective.ALL_TO_ALL:
            return (chunk // self.chunks,)
        if self.collective is Collective.ALL_GATHER:
            return (self.owner(chunk),)
        return tuple(range(self.npus))

    def takers(self, chunk: int) -> tuple[int, ...]:
        """Return the NPUs that have all of a chunk in the end."""
        if self.collective in (Collective.ALL_REDUCE, Collective.ALL_GATHER):
            return tuple(range(self.npus))
        return (self.owner(chunk),)


@dataclass(frozen=True)
class Checked:
    """A program that ends and is complete.

    Attributes
    ----------
    program : Program
        The program.
    waits : tuple of tuple of int
        For each send the sends that end before it starts.
    """

    program: Program
    waits: tuple[tuple[int, ...], ...]


def checked(program: Program, place: str = "program") -> Checked:
    """Find out what each send waits for, and that a program ends with what its collective promises.

    Parameters
    ----------
    program : Program
        The program.
    place : str
        What gave it, for messages.

    Raises
    ------
    InputError
        Naming the send: for an NPU or a chunk that there is not, a deadlock, a chunk that the sender does not hold, a
        part that is added twice, or a chunk that is missing in the end.

    Examples
    --------
    Two NPUs exchange their shards:

    >>> swap = (Send(0, 1, (0,)), Send(1, 0, (1,)))
    >>> checked(Program("swap", Collective.ALL_GATHER, 2, 2, swap)).waits
    ((), ())
    >>> checked(Program("half", Collective.ALL_GATHER, 2, 2, swap[:1]), "half.yaml")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: half.yaml: found NPU 0 without chunk 1 in the end, expected all of it there. Add a send.
    """
    _check_numbers(program, place)
    waits = _waits(program, place)
    _check_content(program, _order(program, waits, place), place)
    return Checked(program, waits)


def said(program: Program, index: int) -> str:
    """Return what a message calls a send."""
    send = program.sends[index]
    chunks = ", ".join(map(str, send.chunks[:4])) + (" ..." if len(send.chunks) > 4 else "")
    name = f" '{send.name}'" if send.name else ""
    return f"send {index + 1}{name} of chunk {chunks} from {send.source} to {send.target}"


def _check_numbers(program: Program, place: str) -> None:
    if program.npus < 2 or program.chunks < program.npus or program.chunks % program.npus:
        found = f"{program.chunks} chunks for {program.npus} NPUs"
        raise InputError(place, found, "at least two NPUs, and as many chunks for each", "Give a multiple.")
    if program.npus * program.chunks > MOST_PLACES:
        found = f"{program.chunks:,} chunks for {program.npus:,} NPUs"
        raise InputError(place, found, f"{MOST_PLACES:,} at most, multiplied", "Give fewer chunks.")
    if len(program.sends) > MOST_SENDS:
        raise InputError(
            place, f"{len(program.sends):,} sends", f"{MOST_SENDS:,} at most", "Send several chunks at once."
        )
    names = set[str]()
    for index, send in enumerate(program.sends):
        where = f"{place}, {said(program, index)}"
        if send.name in names:
            raise InputError(where, "a second send of this name", "each name once", "Rename one.")
        names |= {send.name} - {""}
        for npu in (send.source, send.target):
            if not 0 <= npu < program.npus:
                raise InputError(where, f"NPU {npu}", f"0 to {program.npus - 1}", "NPUs are counted from 0.")
        if send.source == send.target:
            raise InputError(where, "a message to itself", "two NPUs", "Leave it out.")
        wrong = [chunk for chunk in send.chunks if not 0 <= chunk < program.all_chunks]
        if wrong or not send.chunks or len(set(send.chunks)) < len(send.chunks):
            found = f"chunk {wrong[0]}" if wrong else "no chunk, or one twice"
            raise InputError(where, found, f"chunks of 0 to {program.all_chunks - 1}, each once", "Count from 0.")


def _waits(program: Program, place: str) -> tuple[tuple[int, ...], ...]:
    """Return for each send those that end first: by what they read and write, by name, and by channel."""
    names = {send.name: index for index, send in enumerate(program.sends) if send.name}
    places: dict[tuple[int, int], _Place] = {}
    last: dict[tuple[int, int], int] = {}
    waits = []
    for index, send in enumerate(program.sends):
        before = set[int]()
        for name in send.after:
            if name not in names:
                where = f"{place}, {said(program, index)}"
                raise InputError(where, f"after '{name}', which no send is called", "the name of a send", "Name it so.")
            before.add(names[name])
        for chunk in send.chunks:
            here = places.setdefault((send.source, chunk), _Place())
            there = places.setdefault((send.target, chunk), _Place())
            before |= here.read(index) | there.write(index, add=send.reduce)
        if send.channel is not None:
            turn = send.source, send.channel
            before |= {last[turn]} if turn in last else set()
            last[turn] = index
        waits.append(tuple(sorted(before)))
    return tuple(waits)


class _Place:
    """A chunk at an NPU: which sends wrote it last, and which have read it since. Additions commute."""

    __slots__ = ("_base", "_reads", "_sums", "_writes")

    def __init__(self) -> None:
        self._writes, self._reads, self._base = list[int](), list[int](), set[int]()
        self._sums = True

    def read(self, index: int) -> set[int]:
        """Note that a send reads it; return those that it waits for."""
        self._reads.append(index)
        return set(self._writes)

    def write(self, index: int, *, add: bool) -> set[int]:
        """Note that a send writes it, or adds to it; return those that it waits for."""
        if add and self._sums and not self._reads:
            self._writes.append(index)
            return set(self._base)
        self._base = {*self._writes, *self._reads}
        self._writes, self._reads, self._sums = [index], [], add
        return set(self._base)


def _order(program: Program, waits: Sequence[Sequence[int]], place: str) -> list[int]:
    """Return the sends so that each comes after those that it waits for; a circle of waits is a deadlock."""
    from networkx import DiGraph, NetworkXUnfeasible, find_cycle, lexicographical_topological_sort

    graph: DiGraph = DiGraph()
    graph.add_nodes_from(range(len(waits)))
    graph.add_edges_from((earlier, index) for index, before in enumerate(waits) for earlier in before)
    try:
        return list(lexicographical_topological_sort(graph))
    except NetworkXUnfeasible:
        circle = [start for start, _ in find_cycle(graph)]
        named = ", ".join(said(program, index) for index in circle[:4])
        more = f" and {len(circle) - 4} more" if len(circle) > 4 else ""
        found = f"a deadlock: {named}{more} wait for each other"
        raise InputError(place, found, "sends that come to an end", "Take one of the waits out.") from None


def _check_content(program: Program, order: Sequence[int], place: str) -> None:
    """Follow who holds what: each set holds the NPUs whose parts are summed in a chunk."""
    held: dict[tuple[int, int], frozenset[int]] = {}
    for chunk in range(program.all_chunks):
        for npu in program.holders(chunk):
            held[npu, chunk] = frozenset((npu,))
    for index in order:
        send = program.sends[index]
        for chunk in send.chunks:
            carried, there = held.get((send.source, chunk)), held.get((send.target, chunk))
            where = f"{place}, {said(program, index)}"
            if carried is None:
                found = f"chunk {chunk}, which NPU {send.source} does not hold then"
                raise InputError(where, found, "a chunk that has come there", "Send it there first.")
            if not send.reduce:
                held[send.target, chunk] = carried
                continue
            twice = sorted(carried & (there or frozenset()))
            if twice or there is None:
                what = f"the part of NPU {twice[0]} a second time" if twice else "an addition to nothing"
                remedy = "Leave the send or its reduce out."
                raise InputError(where, f"{what} in chunk {chunk}", "each part once", remedy)
            held[send.target, chunk] = carried | there
    for chunk in range(program.all_chunks):
        whole = frozenset(program.holders(chunk))
        for npu in program.takers(chunk):
            has = held.get((npu, chunk), frozenset())
            if has != whole:
                missing = sorted(whole - has)
                what = f"without chunk {chunk}" if not has else f"without NPU {missing[0]}'s part of chunk {chunk}"
                raise InputError(place, f"NPU {npu} {what} in the end", "all of it there", "Add a send.")

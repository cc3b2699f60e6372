"""Which blocks to recompute and to offload, and at what batch: an integer program with its bound.

For each batch, blocks of one kind keep their activations, are recomputed, or are offloaded to the host. What is
minimised is the time of a sequence, which is linear as each choice stands beside its batch. Transfers run beside the
passes, and cost what does not fit beside them, as in vDNN [1]_. HiGHS solves it; its dual bound says that nothing is
faster in this space.

References
----------
.. [1] M. Rhu et al., "vDNN: Virtualized Deep Neural Networks for Scalable, Memory-Efficient Neural Network Design",
   MICRO 2016.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class BlockKind:
    """Blocks that are alike, at one batch.

    Attributes
    ----------
    count : int
        How many.
    saved : float
        Bytes that recomputation or offloading of one frees [B].
    again : float
        Time that recomputation of one takes [s].
    moved : float
        Time that one transfer of what it keeps takes, to the host or back [s]; infinite where it cannot be offloaded.
    """

    count: int
    saved: float
    again: float
    moved: float = float("inf")


@dataclass(frozen=True)
class BatchChoice:
    """One batch, with one way to spread the model and its kernels.

    Attributes
    ----------
    batch : int
        Sequences of an iteration.
    seconds : float
        Time of an iteration where all blocks keep their activations [s].
    held : float
        Bytes that a GPU needs then [B].
    working : float
        Bytes more at the backward pass of a recomputed block, beyond those at the loss [B]; 0 or less where the loss
        needs more.
    forward, backward : float
        Passes that transfers to the host, and back, run beside [s].
    kinds : tuple of BlockKind
        The blocks.
    beyond : tuple of float
        What 0, 1, 2 and so on recomputed blocks in all add beyond what each takes [s]; empty where that is nothing.
    """

    batch: int
    seconds: float
    held: float
    working: float
    forward: float
    backward: float
    kinds: tuple[BlockKind, ...]
    beyond: tuple[float, ...] = ()

    def time(self, recomputed: Sequence[int], offloaded: Sequence[int]) -> float:
        """Return the time of an iteration with so many blocks of each kind recomputed, and offloaded [s].

        ``t = t_kept + sum r a + beyond(sum r) + max(0, sum o m - t_forward) + max(0, sum o m - t_backward - sum r a)``
        """
        again = sum(count * kind.again for count, kind in zip(recomputed, self.kinds, strict=True))
        moved = sum(count * kind.moved for count, kind in zip(offloaded, self.kinds, strict=True) if count)
        beyond = self.beyond[sum(recomputed)] if self.beyond else 0.0
        waits = max(0.0, moved - self.forward) + max(0.0, moved - self.backward - again)
        return self.seconds + again + beyond + waits

    def memory(self, recomputed: Sequence[int], offloaded: Sequence[int]) -> float:
        """Return what a GPU needs [B]."""
        freed = sum(
            (r + o) * kind.saved for r, o, kind in zip(recomputed, offloaded, self.kinds, strict=True)
        )  # fmt: skip
        return self.held - freed + (max(0.0, self.working) if any(recomputed) else 0.0)


@dataclass(frozen=True)
class Plan:
    """What is best, and what no choice can beat.

    Attributes
    ----------
    choice : int
        Place of the batch among those given.
    recomputed, offloaded : tuple of int
        Blocks of each kind.
    seconds : float
        Time of a sequence [s].
    bound : float
        Time of a sequence that no choice of the space falls below [s].
    """

    choice: int
    recomputed: tuple[int, ...]
    offloaded: tuple[int, ...]
    seconds: float
    bound: float


def enumerated(choices: Sequence[BatchChoice], capacity: float) -> Plan | None:
    """Try every plan: the slow oracle of `certified`; None where none fits."""
    best: Plan | None = None
    for place, choice in enumerate(choices):
        for recomputed, offloaded in _plans(choice):
            if choice.memory(recomputed, offloaded) > capacity:
                continue
            seconds = choice.time(recomputed, offloaded) / choice.batch
            if best is None or seconds < best.seconds:
                best = Plan(place, recomputed, offloaded, seconds, seconds)
    return best


def _plans(choice: BatchChoice) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    pairs = [
        [(r, o) for r in range(kind.count + 1) for o in range(kind.count + 1 - r)
         if not o or kind.moved < float("inf")] for kind in choice.kinds
    ]  # fmt: skip
    for chosen in itertools.product(*pairs):
        yield tuple(r for r, _ in chosen), tuple(o for _, o in chosen)


def certified(choices: Sequence[BatchChoice], capacity: float) -> Plan | None:
    """Solve the integer program; None where no plan fits.

    Raises
    ------
    RunError
        If the solver fails, or its plan is not what the formulas give.

    Examples
    --------
    >>> kinds = (BlockKind(count=4, saved=2.0, again=0.1),)
    >>> plan = certified([BatchChoice(1, 1.0, 10.0, 0.0, 0.0, 0.0, kinds)], capacity=7.0)
    >>> plan.recomputed, round(plan.seconds, 6), round(plan.bound, 6)
    ((2,), 1.2, 1.2)
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    if not choices:
        return None
    program = _Program(choices, capacity)
    lower = np.full(len(program.rows), -np.inf)
    lower[0] = 1.0
    found = milp(
        np.array(program.costs),
        integrality=np.array(program.whole),
        bounds=Bounds(0, np.array(program.most)),
        constraints=LinearConstraint(program.matrix(), lower, np.array(program.limits)),
        options={"mip_rel_gap": 0.0},
    )
    if found.status == 2:
        return None
    if found.x is None:
        raise RunError(f"the integer program of {len(choices)} batches was not solved: {found.message}")
    return program.plan(found.x, found.mip_dual_bound)


class _Program:
    """Variables and rows of the integer program, in units that are near 1.

    Each batch has the variables y (chosen), z (a block is recomputed), r and o of each kind, what transfers to the
    host and back wait for, and q of each count of recomputed blocks where counts add time of their own.
    """

    def __init__(self, choices: Sequence[BatchChoice], capacity: float) -> None:
        self.choices, self.capacity = choices, capacity
        self.scale = min(choice.seconds / choice.batch for choice in choices)
        self.costs: list[float] = []
        self.whole: list[int] = []
        self.most: list[float] = []
        self.rows: list[dict[int, float]] = [{}]
        self.limits: list[float] = [1.0]
        self.starts = [self._add(choice) for choice in choices]

    def _add(self, choice: BatchChoice) -> int:
        """Add the variables and rows of a batch, and return the place of the first variable."""
        start, kinds = len(self.costs), choice.kinds
        each = choice.batch * self.scale
        chosen, any_again, first = start, start + 1, start + 2
        out, back = first + 2 * len(kinds), first + 2 * len(kinds) + 1
        counts = range(back + 1, back + 1 + len(choice.beyond))
        self.costs += [choice.seconds / each, 0.0, *self._costs(choice, each), 1 / each, 1 / each]
        self.costs += [extra / each for extra in choice.beyond]
        self.whole += [1] * (out - start) + [0, 0] + [1] * len(counts)
        self.most += [1.0, 1.0, *(float(n) for kind in kinds for n in self._most(kind)), *2 * [float("inf")]]
        self.most += [1.0] * len(counts)
        self.rows[0][chosen] = 1.0
        load = {chosen: choice.held / self.capacity, any_again: max(0.0, choice.working) / self.capacity}
        beside_out, beside_back = {out: -1.0, chosen: -choice.forward}, {back: -1.0, chosen: -choice.backward}
        for place, kind in enumerate(kinds):
            again, moved = first + 2 * place, first + 2 * place + 1
            load |= dict.fromkeys((again, moved), -kind.saved / self.capacity)
            self._row({again: 1.0, moved: 1.0, chosen: -float(kind.count)}, 0.0)
            self._row({again: 1.0, any_again: -float(kind.count)}, 0.0)
            beside_back[again] = -kind.again
            if kind.moved < float("inf"):
                beside_out[moved] = beside_back[moved] = kind.moved
        self._row({**load, chosen: load[chosen] - 1.0}, 0.0)
        if counts:
            blocks = dict.fromkeys(range(first, out, 2), -1.0)
            self._equal({**dict.fromkeys(counts, 1.0), chosen: -1.0})
            self._equal({**{place: float(number) for number, place in enumerate(counts)}, **blocks})
        self._row(beside_out, 0.0)
        self._row(beside_back, 0.0)
        return start

    @staticmethod
    def _costs(choice: BatchChoice, each: float) -> Iterator[float]:
        for kind in choice.kinds:
            yield kind.again / each
            yield 0.0

    @staticmethod
    def _most(kind: BlockKind) -> tuple[int, int]:
        return kind.count, kind.count if kind.moved < float("inf") else 0

    def _row(self, row: dict[int, float], limit: float) -> None:
        self.rows.append(row)
        self.limits.append(limit)

    def _equal(self, row: dict[int, float]) -> None:
        self._row(row, 0.0)
        self._row({place: -value for place, value in row.items()}, 0.0)

    def matrix(self) -> csr_array[Any]:
        """Return the rows as a sparse matrix."""
        from scipy.sparse import csr_array

        places = [(i, j, value) for i, row in enumerate(self.rows) for j, value in row.items()]
        rows, columns, values = zip(*places, strict=True)
        return csr_array((values, (rows, columns)), shape=(len(self.rows), len(self.costs)))

    def plan(self, values: NDArray[Any], bound: float) -> Plan:
        """Return the plan of a solution, whose time is computed anew by the formulas."""
        place = max(range(len(self.choices)), key=lambda i: values[self.starts[i]])
        choice, first = self.choices[place], self.starts[place] + 2
        counts = [round(float(values[first + i])) for i in range(2 * len(choice.kinds))]
        recomputed, offloaded = tuple(counts[::2]), tuple(counts[1::2])
        seconds = choice.time(recomputed, offloaded) / choice.batch
        if choice.memory(recomputed, offloaded) > self.capacity * (1 + 1e-6):
            raise RunError(f"the solver's plan at batch {choice.batch} needs more memory than there is")
        return Plan(place, recomputed, offloaded, seconds, min(seconds, bound * self.scale))

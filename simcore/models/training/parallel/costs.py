"""What a micro-batch costs in each section of a model on one GPU: seconds, collectives, parameters and what is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import NamedTuple

from simcore.models.compute.compute_model import KernelCall, Profiled
from simcore.models.compute.device import DTYPES
from simcore.models.compute.predict import SHEET, Prediction
from simcore.models.compute.sparse.operator_prices import SparseProfiled
from simcore.models.compute.sparse.prices import TileTable
from simcore.models.network.mapping import Axis
from simcore.models.training.operators import Communication, Operation, Operator, Section
from simcore.models.training.parallel.stack import MOVED, Stack, joined
from simcore.models.training.passes import passes
from simcore.models.training.traffic import PRODUCTS, flop_of

LOSS = "output.softmax"
"""Operator of the loss."""

CORE = ("scores", "softmax", "scores_dropout", "context", "scale", "split", "merge", "fused")
"""Operators of attention's core, which selective recomputation runs again (Korthikanti et al., MLSys 2023)."""

_KEPT_BY_CORE = {"scores": 1.0, "softmax": 0.0, "scores_dropout": 0.0, "fused": 1.0}
"""What remains of what the core keeps, where it runs again: Q, K and V; those of V are the context's, see `_kept`."""


class Spent(NamedTuple):
    """What the kernels of one operator take in one pass.

    Attributes
    ----------
    seconds, error : float
        Their time, and how far off it may be [s].
    launches : int
        How many they are.
    """

    seconds: float
    error: float
    launches: int


class Timed(NamedTuple):
    """What the kernels of one operator take in each pass, and the work of its forward pass [FLOP]."""

    forward: Spent
    input_gradient: Spent
    weight_gradient: Spent
    flop: float


class KernelClock:
    """Times of kernel calls on one device, each shape predicted once, and those of alike operators summed once.

    Parameters
    ----------
    compute : Profiled
        The device, with the number format of its products with weights.
    others : Profiled
        The same device with that of all other kernels.
    stack : Stack, optional
        What the software reaches of it.
    tiles : TileTable, optional
        Published sparse kernels, where the device has none of its own.
    """

    def __init__(
        self, compute: Profiled, others: Profiled, stack: Stack | None = None, tiles: TileTable | None = None
    ) -> None:
        self.compute, self.others, self.stack = compute, others, stack
        self._sparse = SparseProfiled(others, tiles)
        self.launch = (compute.launch or 0.0) if stack is None else stack.launch
        self._known: dict[tuple[object, ...], tuple[float, float]] = {}
        self._timed: dict[tuple[object, ...], Timed] = {}
        self.notes: dict[str, None] = {}

    def seconds(self, call: KernelCall, *, weights: bool) -> tuple[float, float]:
        """Return the time of a call, and how far off it may be [s]; 0 where nobody measured."""
        key = call.kernel, call.shape, weights, call.zeros
        found = self._known.get(key)
        if found is None:
            made = self.predicted(call, weights=weights)
            self.notes.update(dict.fromkeys(made.notes))
            seconds = made.seconds / self._reached(call, made.origin)
            found = seconds, seconds * (made.error or 0.0)
            self._known[key] = found
        return found

    def predicted(self, call: KernelCall, *, weights: bool) -> Prediction:
        """Return the prediction of a call; products with zeros and indices have prices of their own."""
        dense = self.compute if weights else self.others
        if call.zeros is None and call.dtype != "bool":
            return dense.seconds(call)
        return replace(self._sparse, base=dense).seconds(call)

    def timed(self, one: Operator) -> Timed:
        """Return what an operator's kernels take."""
        key = (
            one.operation, one.kernel, one.shape, one.work, one.dtype, one.weights, one.vectors, one.output,
            one.input_gradient, one.zeros,
        )  # fmt: skip
        found = self._timed.get(key)
        if found is None:
            made, weights = passes(one), one.operation is Operation.LINEAR
            forward, input_gradient, weight_gradient = (
                self._spent(calls, weights=weights, casts=casts)
                for calls, casts in (
                    (made.forward, weights),
                    (made.input_gradient, weights),
                    (made.weight_gradient, False),
                )
            )
            flop = math.fsum(flop_of(call) for call in made.forward)
            found = self._timed[key] = Timed(forward, input_gradient, weight_gradient, flop)
        return found

    def _spent(self, calls: Sequence[KernelCall], *, weights: bool, casts: bool) -> Spent:
        times = [self.seconds(call, weights=weights) for call in calls]
        seconds = sum(seconds for seconds, _ in times) + (sum(map(self.cast, calls)) if casts else 0.0)
        return Spent(seconds, sum(error for _, error in times), len(times))

    def cast(self, call: KernelCall) -> float:
        """Return the time to cast the input of a product with weights to fp8 [s], where that is its format.

        It is read, and written twice, as its gradient needs it transposed. Casts of weights are left out: an iteration
        has one for all of its micro-batches.
        """
        narrow = self.compute.dtype
        if narrow != "fp8" or call.kernel != "gemm":
            return 0.0
        size = call.size("m") * call.size("k") * dict(call.shape).get("batch", 1)
        moved = size * (DTYPES[self.others.dtype] + 2 * DTYPES[narrow])
        return self.seconds(KernelCall("copy", (("bytes", moved),)), weights=False)[0]

    def _reached(self, call: KernelCall, origin: str) -> float:
        """Return what the software reaches of a kernel's predicted speed."""
        if self.stack is None:
            return 1.0
        if call.kernel in PRODUCTS:
            share = self.stack.attention if call.kernel.startswith("attention") else None
            return self.stack.products if share is None else share
        return MOVED if origin == SHEET else 1.0

    def pass_seconds(self, kernels: float, launches: int) -> float:
        """Return what a pass takes whose kernels take so long, and that launches so many [s]."""
        host = launches * self.launch
        return max(kernels, host) if self.stack is None else joined(kernels, host)


class Untimed(KernelClock):
    """A clock of no device: every kernel takes no time, for what depends on memory alone."""

    def __init__(self) -> None:
        self.launch, self.stack = 0.0, None
        self._timed = {}

    def seconds(self, call: KernelCall, *, weights: bool) -> tuple[float, float]:
        """Return no time."""
        return 0.0, 0.0

    def cast(self, call: KernelCall) -> float:
        """Return no time."""
        return 0.0


@dataclass(frozen=True)
class PassCost:
    """One pass through a section.

    Attributes
    ----------
    kernels : float
        Time of its kernels, or of launching them, if that is longer [s].
    error : float
        How far off that may be [s].
    blocking : tuple of Communication
        Collectives that compute waits for.
    hidden : tuple of (tuple of Communication, float)
        Collectives of an operator beside its kernels, with the time of these [s].
    """

    kernels: float = 0.0
    error: float = 0.0
    blocking: tuple[Communication, ...] = ()
    hidden: tuple[tuple[tuple[Communication, ...], float], ...] = ()


@dataclass(frozen=True)
class SectionCost:
    """One repetition of a section, for one micro-batch on one GPU.

    Attributes
    ----------
    path : str
        Module path of a repetition; empty for what stands around the blocks.
    count : int
        Repetitions.
    forward, input_gradient, weight_gradient : PassCost
        The passes.
    core : PassCost
        The part of the forward pass that selective recomputation repeats.
    dense, experts : float
        Parameters, apart from those of experts, and those of this GPU's experts.
    saved, saved_selective : mapping of str to float
        What each operator keeps for the backward pass, where nothing is recomputed, and where attention's core is [B].
    input : float
        What a repetition reads, and keeps where all of it is recomputed [B].
    live : float
        The most that its backward pass holds beside what was kept: gradients of the largest operator [B].
    flop : float
        Work of its forward pass [FLOP].
    core_flop : float
        That of attention's core [FLOP].
    logits : float
        Elements of the output layer's result; 0 elsewhere.
    early : PassCost or None
        What full recomputation repeats where it stops early, see `Layout.stops_early`; None where it does not.
    checkpointed : bool
        Whether a schedule recomputes it, see `simcore.models.training.operators.Section`.
    """

    path: str
    count: int
    forward: PassCost
    input_gradient: PassCost
    weight_gradient: PassCost
    core: PassCost
    dense: float
    experts: float
    saved: Mapping[str, float] = field(default_factory=dict)
    saved_selective: Mapping[str, float] = field(default_factory=dict)
    input: float = 0.0
    live: float = 0.0
    flop: float = 0.0
    core_flop: float = 0.0
    logits: float = 0.0
    early: PassCost | None = None
    checkpointed: bool = False

    @property
    def again(self) -> PassCost:
        """What full recomputation repeats."""
        return self.forward if self.early is None else self.early

    @cached_property
    def kept(self) -> float:
        """What it keeps where nothing is recomputed [B]."""
        return math.fsum(self.saved.values())

    @cached_property
    def kept_aside(self) -> float:
        """The same without what the loss keeps, which memory counts apart [B]."""
        return self.kept - self.saved.get(LOSS, 0.0)

    @cached_property
    def kept_selective(self) -> float:
        """What it keeps where attention's core is recomputed [B]."""
        return math.fsum(self.saved_selective.values())


def section_cost(
    section: Section, clock: KernelClock, element: int, input_bytes: float, *, early: bool = False
) -> SectionCost:
    """Return what one repetition of a section costs.

    Parameters
    ----------
    section : Section
        With its collectives, see `simcore.models.training.parallel.sharding.sharded_operators`.
    clock : KernelClock
        What kernels take.
    element : int
        Bytes of an element [B].
    input_bytes : float
        What a repetition reads where the section does not say [B].
    early : bool
        Whether recomputation stops early, see `Layout.stops_early`.
    """
    operators = section.operators
    each = [(one, clock.timed(one)) for one in operators]
    forward = [(one, timed.forward) for one, timed in each]
    core = [(one, spent) for one, spent in forward if in_core(one)]
    experts = math.fsum(one.parameters for one in operators if ".experts." in f".{one.path}")
    product = next((one for one in operators if one.path == "output.product"), None)
    spent = partial(_pass, clock=clock, captured=section.captured)
    return SectionCost(
        section.path, section.count,
        spent(forward, forward=True),
        spent([(one, timed.input_gradient) for one, timed in each], forward=False),
        spent([(one, timed.weight_gradient) for one, timed in each]),
        _core_again(spent(core, forward=True)),
        dense=(math.fsum(one.parameters for one in operators) - experts) / element,
        experts=experts / element,
        saved={one.path: one.saved for one in operators if one.saved},
        saved_selective={one.path: kept for one in operators if (kept := _kept(one))},
        input=input_bytes if section.input is None else section.input,
        live=max((2 * one.output for one in operators), default=0.0),
        flop=math.fsum(timed.flop for _, timed in each),
        core_flop=math.fsum(flop_of(one) for one, _ in core),
        logits=0.0 if product is None else product.output / element,
        early=spent(forward[: _last_product(operators)], forward=True) if early else None,
        checkpointed=section.checkpointed,
    )  # fmt: skip


def _last_product(operators: Sequence[Operator]) -> int:
    """Return the place of the last product with weights, whose input is the last that a block keeps."""
    return max((at for at, one in enumerate(operators) if one.operation is Operation.LINEAR), default=0)


def _core_again(cost: PassCost) -> PassCost:
    """Return what recomputing attention's core costs: of collectives, those inside it alone, of context parallelism."""
    hidden = tuple((sent, beside) for sent, beside in cost.hidden if sent[0].axis is Axis.CONTEXT)
    return replace(cost, blocking=tuple(sent for sent in cost.blocking if sent.axis is Axis.CONTEXT), hidden=hidden)


def in_core(one: Operator) -> bool:
    """Say whether an operator is of attention's core, see `CORE`."""
    head, _, last = one.path.rpartition(".")
    return head.endswith("attention") and last in CORE


def _kept(one: Operator) -> float:
    """Return what an operator keeps where attention's core runs again [B]: Q, K and V alone."""
    if not in_core(one):
        return one.saved
    if one.operation is Operation.CONTEXT:  # V, without what dropout left of the scores
        return min(one.saved, one.output)
    return _KEPT_BY_CORE.get(one.path.rpartition(".")[2], 1.0) * one.saved


def _pass(
    spent: Sequence[tuple[Operator, Spent]], clock: KernelClock, *, captured: bool, forward: bool | None = None
) -> PassCost:
    """Return the cost of one pass: kernels, launches that they wait for, and the collectives of its operators.

    What is captured in a graph waits for one launch.
    """
    total = error = 0.0
    launches = 0
    blocking: list[Communication] = []
    hidden: list[tuple[tuple[Communication, ...], float]] = []
    for one, (seconds, off, count) in spent:
        total += seconds
        error += off
        launches += count
        sent = () if forward is None else tuple(_sent(one, forward=forward))
        if not sent:
            continue
        blocking += [each for each in sent if not each.hidden]
        beside = tuple(each for each in sent if each.hidden)
        if beside:
            hidden.append((beside, seconds))
    launches = min(launches, 1) if captured else launches
    return PassCost(clock.pass_seconds(total, launches), error, tuple(blocking), tuple(hidden))


def _sent(one: Operator, *, forward: bool) -> Iterable[Communication]:
    """Return the collectives of an operator in its forward pass, or in its backward pass."""
    before, after = (
        (one.before_forward, one.after_forward) if forward else (one.before_backward, one.after_input_gradient)
    )
    return before if after is None else (*before, after)

"""The best layout of a model on so many GPUs: every combination of degrees that fits is evaluated."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from simcore.errors import InputError
from simcore.models.compute.device import Device
from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.parallel.layout import Layout, Recompute, total_blocks

USABLE = 0.99
"""Share of a GPU's memory that programs see; the rest holds its error-correcting code and firmware. Assumed."""


def capacity(device: Device) -> float:
    """Return what programs may use of a GPU's memory [B]: a card of "80 GB" has 80 GiB.

    Examples
    --------
    >>> round(capacity(Device("a100-80gb", "cuda", 108, 80e9, 2e12, 40e6)) / 2**30, 1)
    79.2
    """
    return USABLE * device.memory / 1e9 * 2**30


def fits(evaluation: Evaluation, device: Device) -> bool:
    """Say whether every rank has what it needs."""
    return evaluation.worst.reserved <= capacity(device)


@dataclass(frozen=True)
class Space:
    """What may be chosen; an empty tuple leaves a degree to whatever divides.

    Attributes
    ----------
    tp, cp, pp, vp, ep, dp, micro_batch : tuple of int
        Degrees and sequences of a micro-batch.
    recompute : tuple of Recompute
        What may be recomputed.
    zero : tuple of int
        Stages of ZeRO.
    """

    tp: tuple[int, ...] = ()
    cp: tuple[int, ...] = (1,)
    pp: tuple[int, ...] = ()
    vp: tuple[int, ...] = ()
    ep: tuple[int, ...] = ()
    dp: tuple[int, ...] = ()
    micro_batch: tuple[int, ...] = ()
    recompute: tuple[Recompute, ...] = tuple(Recompute)
    zero: tuple[int, ...] = (1,)


def layouts_of(
    model: Architecture, gpus: int, global_batch: int, space: Space, base: Layout, node: int
) -> Iterator[Layout]:
    """Yield the layouts of a space that use all GPUs and make up the global batch.

    Parameters
    ----------
    model : Transformer or LayeredModel
        The sizes.
    gpus, global_batch : int
        GPUs, and sequences of an iteration.
    space : Space
        What may be chosen.
    base : Layout
        All that is not.
    node : int
        GPUs of a node: tensor parallelism stays inside one where it is left open.

    Examples
    --------
    >>> gpt = Transformer("gpt", hidden=64, blocks=4, heads=4)
    >>> found = layouts_of(gpt, 4, 8, Space(recompute=(Recompute.NONE,)), Layout(), node=4)
    >>> sum(1 for _ in found)
    25
    """
    if isinstance(model, Transformer):
        blocks, experts = total_blocks(model), 0 if model.experts is None else model.experts.count
        heads = model.kv_heads or model.heads or model.hidden
    else:  # its layers are not cut where nobody asks for it, nor are there stages
        blocks, experts, heads = 1, 0, 1
        space = replace(space, cp=space.cp or (1,), pp=space.pp or (1,))
    for tp, cp, pp in itertools.product(
        space.tp or [t for t in _divisors(min(node, gpus)) if heads % t == 0],
        space.cp or _powers(gpus),
        space.pp or [p for p in _divisors(gpus) if blocks % p == 0],
    ):
        if gpus % (tp * cp * pp) or global_batch % (gpus // (tp * cp * pp)):
            continue
        dp = gpus // (tp * cp * pp)
        if space.dp and dp not in space.dp:
            continue
        each = global_batch // dp
        for ep, vp, size in itertools.product(
            space.ep or [e for e in _divisors(experts or 1) if (cp * dp) % e == 0],
            space.vp or [v for v in _divisors(blocks // pp if pp > 1 and blocks % pp == 0 else 1) if v <= 8],
            space.micro_batch or [b for b in _powers(each) if b <= 32],
        ):
            if each % size or (vp > 1 and (each // size) % pp):
                continue
            order = "interleaved" if vp > 1 and base.order == "1F1B" else base.order
            zeros = space.zero if cp * dp > 1 else (0,)
            for recompute, zero in itertools.product(space.recompute, zeros):
                yield replace(
                    base, tp=tp, cp=cp, pp=pp, vp=vp, ep=ep, dp=dp, micro_batch=size, micro_batches=each // size,
                    order=order, recompute=recompute, zero=zero, sequence_parallel=base.sequence_parallel and tp > 1,
                )  # fmt: skip


KEPT = 1000
"""Evaluations that a search keeps at most; of the others it keeps time and memory."""


class Tried(NamedTuple):
    """A layout that was evaluated.

    Attributes
    ----------
    layout : Layout
        How the iteration is spread.
    time : float
        The iteration [s].
    reserved : float
        What the worst rank needs [B].
    """

    layout: Layout
    time: float
    reserved: float


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes
    ----------
    best : tuple of Evaluation
        Those that fit, the fastest first; `KEPT` at most.
    misfits : int
        Layouts that need more memory than there is.
    refused : dict of str to int
        Layouts that cannot be run, by the place of what is wrong.
    why : InputError or None
        What most of these were refused for, the first of equals.
    smallest : Evaluation or None
        What needs least memory.
    points : tuple of Tried
        All that were evaluated, in the order in which they were tried.
    """

    best: tuple[Evaluation, ...]
    misfits: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    why: InputError | None = None
    smallest: Evaluation | None = None
    points: tuple[Tried, ...] = ()

    @property
    def tried(self) -> int:
        """Layouts in all."""
        return len(self.points) + sum(self.refused.values())


def search_layouts(evaluator: Evaluator, layouts: Iterable[Layout]) -> Found:
    """Evaluate layouts, and rank those that fit; of equal times the one that needs less memory comes first.

    Parameters
    ----------
    evaluator : Evaluator
        Of the model on the machine.
    layouts : iterable of Layout
        Such as `layouts_of` yields.
    """
    most = capacity(evaluator.machine.profile.device)
    good: list[tuple[Tried, Evaluation]] = []
    points, refused, reasons = list[Tried](), dict[str, int](), dict[str, list[InputError]]()
    smallest, least = None, float("inf")
    with _no_cycles():
        for layout in layouts:
            try:
                one = evaluator.evaluate(layout)
            except InputError as error:
                refused[error.place] = refused.get(error.place, 0) + 1
                reasons.setdefault(str(error), []).append(error)
                continue
            points.append(Tried(layout, one.time, one.worst.reserved))
            if points[-1].reserved < least:
                smallest, least = one, points[-1].reserved
            if points[-1].reserved <= most:
                good.append((points[-1], one))
                if len(good) >= 2 * KEPT:
                    good = sorted(good, key=_rank)[:KEPT]
    misfits = sum(one.reserved > most for one in points)
    best = tuple(one for _, one in sorted(good, key=_rank)[:KEPT])
    why = max(reasons.values(), key=len)[0] if reasons else None
    return Found(best, misfits, refused, why, smallest, tuple(points))


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Spare the search for cycles of objects, an eighth of the time where thousands are kept and none has a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _rank(one: tuple[Tried, Evaluation]) -> tuple[float, float, tuple[int, ...]]:
    layout, time, reserved = one[0]
    return time, reserved, (layout.tp, layout.pp, layout.cp, layout.vp, layout.ep, layout.micro_batch)


def _divisors(count: int) -> Sequence[int]:
    return [each for each in range(1, count + 1) if count % each == 0]


def _powers(most: int) -> Sequence[int]:
    return [2**i for i in range(most.bit_length()) if 2**i <= most]

"""From predictions to the integer program of recomputed and offloaded blocks, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from simcore.errors import InputError, field
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.layout import total_blocks
from simcore.models.training.parallel.memory import FRAGMENTED
from simcore.models.training.tuning.cells import Cell
from simcore.models.training.tuning.certified import BatchChoice, BlockKind, certified
from simcore.models.training.tuning.space import Space
from simcore.studies.tune.predicted import Predictor

BEFORE = frozenset({"forward"})
"""Parts of the time before the backward pass; transfers to the host run beside them."""
BESIDE_BACK = frozenset({"input gradient", "weight gradient"})
"""Parts beside which transfers come back."""

LINEAR = 1e-6
"""How far a block's share of time and memory may be from that of all blocks."""


@dataclass(frozen=True)
class Certificate:
    """The best plan of a space, and its bound.

    Attributes
    ----------
    cell : Cell
        Spread, kernels and batch; its ratio is the share of blocks that are recomputed.
    recomputed, offloaded : tuple of int
        Numbers of the blocks, from 0; all are alike, so that the first ones are taken.
    rate, bound : float
        Sequences per second that the model predicts, and that no plan of the space exceeds [1/s].
    memory : float
        What a GPU needs [B].
    host : float
        What a GPU sends to the memory of its host in one direction [B/s]; 0 where nothing may be offloaded.
    """

    cell: Cell
    recomputed: tuple[int, ...]
    offloaded: tuple[int, ...]
    rate: float
    bound: float
    memory: float
    host: float


def certify(predictor: Predictor, space: Space, host: float) -> tuple[Certificate | None, tuple[BatchChoice, ...]]:
    """Return the best plan, None where none fits, and the choices of the program.

    Raises
    ------
    InputError
        If the model is cut into stages, or its blocks are not alike.
    """
    predictor = replace(predictor, rounding="head", _evaluators={})  # any number of blocks can be recomputed
    cells = [cell for cell in _batches(space) if predictor.evaluate(cell) is not None]
    choices = tuple(_choice(predictor, cell, host) for cell in cells)
    plan = certified(choices, predictor.capacity)
    if plan is None:
        return None, choices
    again, moved = plan.recomputed[0], plan.offloaded[0]
    chosen, cell, blocks = choices[plan.choice], cells[plan.choice], total_blocks(predictor.model)
    return Certificate(
        cell=Cell(cell.parallel, cell.steps, cell.batch, again / blocks),
        recomputed=tuple(range(again)),
        offloaded=tuple(range(again, again + moved)),
        rate=1 / plan.seconds,
        bound=1 / plan.bound,
        memory=chosen.memory(plan.recomputed, plan.offloaded),
        host=host,
    ), choices  # fmt: skip


def _batches(space: Space) -> Iterator[Cell]:
    """Yield the cells of a space with nothing recomputed, each batch once."""
    yield from dict.fromkeys(Cell(cell.parallel, cell.steps, cell.batch, 0.0) for cell in space.all())


def _choice(predictor: Predictor, cell: Cell, host: float) -> BatchChoice:
    """Return a batch as the program takes it: what its blocks free, and what that costs."""
    if predictor.base(cell.parallel).pp > 1:
        remedy = "Take predict-then-measure, or leave pp out."
        raise InputError(field("strategy"), f"certified with {cell.parallel}", "a model in one stage", remedy)
    blocks = total_blocks(predictor.model)
    none, one, all_ = (_evaluated(predictor, cell, count) for count in (0, 1, blocks))
    saved = (_body(none) - _body(all_)) / blocks
    again, beyond = _times(predictor, cell, none.time, one.time, all_.time)
    if not math.isclose(_body(none) - _body(one), saved, rel_tol=LINEAR, abs_tol=1.0):
        raise _differ()
    spread = 1 + FRAGMENTED
    peak, peak_again = (spread * max(each.worst.loss, each.worst.block) for each in (none, all_))
    moved = saved / spread / host if host else float("inf")
    return BatchChoice(
        cell.batch, none.time, _body(none) + peak, peak_again - peak, _time(none, BEFORE), _time(none, BESIDE_BACK),
        (BlockKind(blocks, saved, again, moved),), beyond,
    )  # fmt: skip


def _differ() -> InputError:
    found, expected = "certified for a model whose blocks differ", "blocks that are alike"
    return InputError(field("strategy"), found, expected, "Take predict-then-measure.")


def _times(predictor: Predictor, cell: Cell, none: float, one: float, all_: float) -> tuple[float, tuple[float, ...]]:
    """Return what recomputation of a block takes [s], and what so many blocks in all take beyond that.

    Some collectives hide behind recomputation, so that the first block may cost other than the next.
    """
    blocks = total_blocks(predictor.model)
    each = (all_ - none) / blocks
    if math.isclose(one - none, each, rel_tol=LINEAR, abs_tol=LINEAR * none / blocks):
        return each, ()
    times = (_evaluated(predictor, cell, count).time for count in range(blocks + 1))
    return each, tuple(time - none - count * each for count, time in enumerate(times))


def _evaluated(predictor: Predictor, cell: Cell, count: int) -> Evaluation:
    """Return what is predicted with so many blocks recomputed."""
    ratio = count / total_blocks(predictor.model)
    one = predictor.evaluate(Cell(cell.parallel, cell.steps, cell.batch, ratio))
    assert one is not None  # its batch was divided before
    return one


def _body(one: Evaluation) -> float:
    """Return what the worst GPU needs beside what the loss or a block's backward pass holds [B]."""
    return one.worst.reserved - (1 + FRAGMENTED) * max(one.worst.loss, one.worst.block)


def _time(one: Evaluation, parts: frozenset[str]) -> float:
    return math.fsum(one.parts[name] for name in sorted(parts))

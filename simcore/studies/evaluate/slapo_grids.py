"""Figure 10 of Slapo: two tuning grids of batch and recomputed blocks, predicted and fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.memory import LOGITS
from simcore.models.training.tuning.cells import Asked, Cell, Guess
from simcore.models.training.tuning.guided import predict_then_measure
from simcore.readers.slapo import GridCell, read_grids
from simcore.results import Table
from simcore.studies.evaluate.slapo_runs import Runs

ROUNDING = {"A": "head", "B": "uniform"}
"""Which blocks a share stands for, by grid: chosen on the grids themselves (in sample)."""

GPUS = {"A": "v100-16gb", "B": "v100-32gb"}
"""The GPU of the zoo whose memory a grid ran in, by grid; the kernels of both are those of `Runs.machine`."""

LOGIT_BYTES = (4, 6, 8, 10)
"""Bytes of a logit that the frontier of memory is fitted with [B]."""

USABLE = tuple(1e9 * (10 + each / 4) for each in range(93))
"""Memory that the frontier of memory is fitted with [B]: 10 to 33 GB."""


@dataclass(frozen=True)
class Fitted:
    """Constants that were fitted to a grid, and what they give.

    Attributes
    ----------
    start, rate : float
        Time of an iteration that no work takes [s], and rate of the work of one GPU [FLOP/s].
    seconds : tuple of float
        Fitted times of the cells that ran [s].
    logits : int
        Bytes of a logit [B].
    usable : float
        Memory that programs can use [B].
    ratios : int
        Shares whose largest batch is right, with one step of the grid of slack.
    """

    start: float
    rate: float
    seconds: tuple[float, ...]
    logits: int
    usable: float
    ratios: int


def grids(runs: Runs) -> tuple[dict[str, Table], list[str]]:
    """Return the cells of both grids with their predictions, a summary, and what to know."""
    read = read_grids()
    runs.sha256["slapo-grids"] = read.sha256
    cells: list[tuple[object, ...]] = []
    summary: list[tuple[object, ...]] = []
    for grid, rounding in ROUNDING.items():
        own = [cell for cell in read.value if cell.grid == grid]
        made = [runs.of_cell(cell, rounding) for cell in own]
        fitted = fit(own, made)
        times, tried = iter(fitted.seconds), _tried(own, made, runs.room(GPUS[grid]))
        for cell, one, number in zip(own, made, tried, strict=True):
            again = cell.batch / next(times) if cell.rate else None
            cells.append((grid, cell.model, cell.batch, cell.ratio, cell.rate, cell.batch / one.time, again,
                          one.worst.allocated, number))  # fmt: skip
        measured = sum(number is not None for number in tried)
        summary.append((grid, own[0].model, own[0].parallel, rounding, *_errors(own, made, fitted), measured))
    rates = dict.fromkeys(("measured", "predicted", "fitted"), "samples_per_s")
    return {
        "summary": Table(
            ["grid", "model", "parallel", "rounding", "cells", "mape", "best_is", "best_predicted", "best_loses",
             "fitted_mape", "start", "rate", "logits", "usable", "frontier", "tried"],
            summary, {"start": "s", "rate": "FLOP_per_s", "logits": "B", "usable": "B"},
        ),
        "fig10": Table(
            ["grid", "model", "batch", "ratio", "measured", "predicted", "fitted", "allocated", "tried"],
            cells, {**rates, "allocated": "B"},
        ),
    }, [
        "mape: from kernels and all-reduces that others measured on this GPU, nothing fitted.",
        "best loses: by how much the cell that is predicted to be best falls short of the measured best.",
        "fitted mape, start and rate: a time without work and one rate per grid. logits and usable: bytes of a logit, "
        "and memory. rounding: which blocks a share is. All of these were chosen on the grid itself.",
        "frontier: of 7 shares, how many have their largest batch right within one step of the grid.",
        "tried: cells that predict-then-measure of simcore tune asks for, and in which order; it sees no others. It is "
        "told the memory of the grid's GPU: 16 GB for A, 32 GB for B.",
        "Grid A: DeepSpeed's ZeRO-3 spends about 0.3 s of an iteration beside kernels, which nothing here knows.",
    ]  # fmt: skip


def _tried(cells: Sequence[GridCell], made: Sequence[Evaluation], room: float) -> list[int | None]:
    """Return when a search asks for each cell, from 1; None where it does not, and then it never sees the cell."""
    at = {Cell(one.parallel, "sdpa", one.batch, one.ratio): one.rate for one in cells}
    asked = Asked(at.__getitem__)
    predict_then_measure([Guess.of(cell, one) for cell, one in zip(at, made, strict=True)], asked, room)
    order = {cell: number for number, cell in enumerate(asked.rates, 1)}
    return [order.get(cell) for cell in at]


def _errors(cells: Sequence[GridCell], made: Sequence[Evaluation], fitted: Fitted) -> tuple[object, ...]:
    """Return how far predictions and fit are off, and what the best cell is taken to be."""
    ran = [(cell, one) for cell, one in zip(cells, made, strict=True) if cell.rate]
    measured = [cell.batch / (cell.rate or 1.0) for cell, _ in ran]
    best = max((cell for cell, _ in ran), key=lambda cell: cell.rate or 0.0)
    taken = max(ran, key=lambda pair: pair[0].batch / pair[1].time)[0]
    return (
        len(ran), mape([one.time for _, one in ran], measured), _name(best), _name(taken),
        1 - (taken.rate or 0.0) / (best.rate or 1.0), mape(fitted.seconds, measured), fitted.start, fitted.rate,
        fitted.logits, fitted.usable, f"{fitted.ratios} of {len({cell.ratio for cell in cells})}",
    )  # fmt: skip


def _name(cell: GridCell) -> str:
    return f"{cell.batch}, {cell.ratio:g}"


def mape(made: Sequence[float], measured: Sequence[float]) -> float:
    """Return the mean of the sizes of relative errors.

    Examples
    --------
    >>> mape([1.1, 0.9], [1.0, 1.0])
    0.1
    """
    return round(float(np.mean(np.abs(np.asarray(made) / np.asarray(measured) - 1))), 12)


def fit(cells: Sequence[GridCell], made: Sequence[Evaluation]) -> Fitted:
    """Fit a time without work and a rate to the cells that ran, and bytes of logits and memory to those that did not.

    ``t = start + work / rate``, by relative least squares; the work is that of all passes, recomputation included.
    """
    ran = [(cell, one) for cell, one in zip(cells, made, strict=True) if cell.rate]
    measured = np.array([cell.batch / (cell.rate or 1.0) for cell, _ in ran])
    work = np.array([one.hardware_flop / one.layout.gpus / 1e12 for _, one in ran])
    terms = np.stack([np.ones_like(work), work], axis=1)
    (start, slope), *_ = np.linalg.lstsq(terms / measured[:, None], np.ones_like(work), rcond=None)
    ratios, logits, usable = max(
        (_right(cells, made, logits, usable), -logits, usable) for logits in LOGIT_BYTES for usable in USABLE
    )
    seconds = tuple(float(each) for each in start + slope * work)
    return Fitted(float(start), 1e12 / float(slope), seconds, -logits, usable, ratios)


def _right(cells: Sequence[GridCell], made: Sequence[Evaluation], logits: int, usable: float) -> int:
    """Return how many shares have their largest batch right, within one step of the grid."""
    batches = sorted({cell.batch for cell in cells})
    step = batches[1] - batches[0]
    count = 0
    for ratio in {cell.ratio for cell in cells}:
        own = [(cell, one) for cell, one in zip(cells, made, strict=True) if cell.ratio == ratio]
        ran = max((cell.batch for cell, _ in own if cell.rate), default=0)
        fit_in = max((cell.batch for cell, one in own if _needed(one, logits) <= usable), default=0)
        count += abs(ran - fit_in) <= step
    return count


def _needed(one: Evaluation, logits: int) -> float:
    """Return what a GPU holds where a logit takes other bytes than usual [B]."""
    worst = one.worst
    return worst.allocated - max(worst.loss, worst.block) + max(worst.loss * logits / LOGITS, worst.block)

"""What is said of a search: what was tried in order, a map of it, and the best cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simcore.models.training.tuning.cells import Cell
from simcore.models.training.workload import parameters_words
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.studies.deployment.words import each_words, gib, stack_words
from simcore.studies.tune.outcome import TuneOutcome
from simcore.units import format_si

LISTED = 15
"""Cells that were tried and are listed at most; a file has all."""

SOURCES = {"table": "a table", "function": "a function", "model": "the model itself"}


def report(result: TuneOutcome) -> list[Block]:
    """Return what was tried, a map of the best cell's spread and kernels, and what was found."""
    head = f"{result.name}, {each_words(result.sequence)}, on {result.gpus} {result.device}, network {result.network}"
    layout = result.predictions.evaluations[result.best].layout
    under = f"{parameters_words(result.parameters)}, {layout.number_format.name}\n"
    under += f"{result.strategy}, measured by {SOURCES[result.source]}; {stack_words(result.stack)}"
    blocks: list[Block] = [Headline(head, under)]
    if result.rates:
        blocks += [_tried(result), _map(result)]
    return [*blocks, Sentences("", sentences(result))]


def _tried(result: TuneOutcome) -> Grid:
    rows = []
    listed = list(result.rates.items())
    shown = listed if len(listed) <= LISTED else sorted(listed, key=lambda pair: -(pair[1] or 0.0))[:LISTED]
    order = {cell: number for number, cell in enumerate(result.rates, 1)}
    for cell, rate in shown:
        one = result.predictions.evaluations[cell]
        rows.append((
            str(order[cell]), cell.parallel, cell.steps or "none", f"{cell.batch:,}", f"{cell.ratio:g}",
            f"{cell.batch / one.time:.4g}", gib(one.worst.reserved), rate_words(rate),
        ))  # fmt: skip
    left = [Column("tried"), Column("parallel", left=True), Column("kernels", left=True)]
    names = ("batch", "ratio", "predicted/s", "GiB", "samples/s")
    title = "" if len(listed) <= LISTED else f"The best {LISTED} of {len(listed)} that were tried"
    return Grid([*left, *map(Column, names)], rows, title=title, keys=1)


def rate_words(rate: float | None) -> str:
    """Return a measurement in words.

    Examples
    --------
    >>> rate_words(130.94), rate_words(None)
    ('130.9', 'no memory')
    """
    return "no memory" if rate is None else f"{rate:.4g}"


def _map(result: TuneOutcome) -> Grid:
    """Return samples per second by batch and ratio; a dot is a cell that nobody asked for."""
    own = [cell for cell in result.predictions.evaluations if cell.group == result.best.group]
    ratios = sorted({cell.ratio for cell in own}, reverse=True)
    rows = [
        (f"{batch:,}", *(_word(result, own, batch, ratio) for ratio in ratios))
        for batch in sorted({cell.batch for cell in own}, reverse=True)
    ]
    title = f"samples/s by batch and ratio, {', '.join(filter(None, result.best.group))}: * is the best, . not tried"
    return Grid([Column("batch"), *(Column(f"{ratio:g}") for ratio in ratios)], rows, title=title, keys=1)


def _word(result: TuneOutcome, own: Sequence[Cell], batch: int, ratio: float) -> str:
    cell = next((each for each in own if (each.batch, each.ratio) == (batch, ratio)), None)
    if cell is None or cell not in result.rates:
        return "" if cell is None else "."
    rate = result.rates[cell]
    return f"{'*' if cell == result.best else ''}{'OOM' if rate is None else f'{rate:.4g}'}"


def sentences(result: TuneOutcome) -> list[str]:
    """Return the best cell, and what it took to find it."""
    return list(_certified(result) if result.certificate is not None else _sentences(result))


def _sentences(result: TuneOutcome) -> Iterator[str]:
    yield f"The best is {result.best}: {result.rate:.4g} samples/s."
    ran = [rate for rate in result.rates.values() if rate]
    without = len(result.rates) - len(ran)
    yield f"{len(result.rates)} of {result.cells} cells were measured; of these {without} ran out of memory."
    misfits = sum(not fits for fits in result.predictions.fits.values())
    yield f"{misfits} of {result.cells} cells are predicted not to fit into {gib(result.capacity)} GiB."
    if result.error is not None:
        yield f"Before any measurement, predictions of the cells that ran were off by {result.error:.1%} on average."
    if result.predictions.undivided:
        yield f"{result.predictions.undivided} cells are left out, as replicas do not divide their batch."
    if result.source == "model":
        yield "Nothing was measured on a device: the model's own predictions were searched."


def _certified(result: TuneOutcome) -> Iterator[str]:
    plan = result.certificate
    assert plan is not None
    yield f"The best is {plan.cell.parallel}, kernels {plan.cell.steps or 'none'}, batch {plan.cell.batch:,}: " + (
        f"{plan.rate:.6g} samples/s with {gib(plan.memory)} of {gib(result.capacity)} GiB."
    )
    yield f"Blocks {spans(plan.recomputed)} are recomputed, blocks {spans(plan.offloaded)} offloaded."
    yield f"No plan of the space exceeds {plan.bound:.6g} samples/s: the bound of the integer program."
    if plan.host:
        yield f"A GPU sends {format_si(plan.host, 'B/s')} to its host; transfers run beside the passes."
    else:
        yield "Nothing may be offloaded, as nobody says what a GPU sends to its host."
    yield "Rates are the model's predictions."


def spans(numbers: Sequence[int]) -> str:
    """Return numbers in a row as a text.

    Examples
    --------
    >>> spans(range(4)), spans([3]), spans([])
    ('0-3', '3', 'none')
    """
    if not numbers:
        return "none"
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"

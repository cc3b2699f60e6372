"""Measured training iterations beside their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from simcore.errors import InputError
from simcore.models.training.parallel.stack import Stack
from simcore.numerals import as_real
from simcore.progress import tracked
from simcore.readers.iteration_rows import Row
from simcore.readers.measured import read_rows
from simcore.readers.stacks import USUAL, read_stacks
from simcore.studies.validate.fitting import expressed, of_all
from simcore.studies.validate.rows import Held
from simcore.studies.validate.runs import Predictor, Run, refusal, runs_of


def held_against_iterations(path: str | Path) -> tuple[Held, ...]:
    """Predict every row of a table of measured iterations with the stacks of the zoo.

    Parameters
    ----------
    path : str or Path
        With the columns `simcore.studies.validate.columns.ITERATIONS`.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    rows = [row for _, row in read_rows(path).rows()]
    return held(rows, read_stacks())


def held(rows: Sequence[Row], stacks: Mapping[str, Stack]) -> tuple[Held, ...]:
    """Predict rows with stacks by their name; a row of software without one takes `USUAL`'s."""
    runs, reasons = runs_of(rows)
    left, predictor = iter(runs), Predictor()
    return tuple(
        _without(row, reasons[at]) if at in reasons else _predicted(next(left), stacks, predictor)
        for at, row in enumerate(tracked(rows, "rows of iterations"))
    )


def _without(row: Row, why: str) -> Held:
    return replace(_base(row, as_real(row["iteration_s"]) or None), why_not=why)


def _base(row: Row, measured: float | None) -> Held:
    return Held(
        row.get("row_id", ""), row["source"], row["device"], row["precision"], row["kind"], measured,
        model=row["model"], gpus=row["gpus"],
    )  # fmt: skip


def _predicted(run: Run, stacks: Mapping[str, Stack], predictor: Predictor) -> Held:
    stack = stacks.get(run.iteration.stack) or stacks[USUAL]
    base = _base(run.row, run.measured)
    try:
        seconds = predictor.seconds(run, stack)
    except InputError as error:
        return replace(base, why_not=refusal(error))
    low, high = stack.interval(seconds)
    fitted = stack.name == run.iteration.stack and base.row_id in stack.fitted
    return replace(base, predicted=seconds, low=low, high=high, fitted=fitted)


def fit_to(path: str | Path) -> tuple[tuple[Held, ...], Stack, list[str]]:
    """Fit a stack to a user's own rows, and hold it against them.

    Parameters
    ----------
    path : str or Path
        A table of measured iterations; software that is not known is told by its framework's name.

    Returns
    -------
    tuple
        The rows beside their predictions, the stack, and what was fitted.

    Raises
    ------
    InputError
        If the file cannot be read, or no row can be expressed.
    """
    rows = [row for _, row in read_rows(path).rows()]
    runs, reasons = runs_of(rows)
    mine = expressed(runs)
    if not mine:
        why = "; ".join(dict.fromkeys(reasons.values())) or "no layout fits its model"
        raise InputError(str(path), f"no row that can be expressed: {why}", "a row with shape, degrees and a time")
    stack, sentences = of_all(Path(path).stem, mine)
    judged = held(rows, dict.fromkeys({run.iteration.stack for run in mine}, stack) | {USUAL: stack})
    return tuple(replace(one, fitted=one.predicted is not None) for one in judged), stack, sentences

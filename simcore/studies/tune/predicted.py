"""What the model predicts of each cell of a space: time, memory, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from simcore.errors import InputError
from simcore.errors import field as named
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, Machine
from simcore.models.training.parallel.layout import Layout, total_blocks
from simcore.models.training.parallel.search import capacity, fits
from simcore.models.training.schedule import Schedule, Step
from simcore.models.training.schedule.primitives import primitive
from simcore.models.training.schedule.primitives.checkpoint import checkpointed_blocks
from simcore.models.training.tuning.cells import Cell, Guess
from simcore.models.training.tuning.space import Space
from simcore.progress import tracked
from simcore.readers.schedules import parse_steps
from simcore.studies.deployment.spread import of_batch, unscheduled
from simcore.studies.tune.request import TuneRequest

MOST_CELLS = 20_000
"""Cells of a space at most: each is predicted."""


@dataclass
class Predictor:
    """A model on a machine, of which cells are predicted.

    Attributes
    ----------
    request : TuneRequest
        The inputs.
    model : Architecture
        The sizes.
    sequence : int
        Tokens of a sequence.
    machine : Machine
        Device, network, and what others measured of them.
    rounding : str
        Which blocks a share stands for.
    """

    request: TuneRequest
    model: Architecture
    sequence: int
    machine: Machine
    rounding: str
    _evaluators: dict[tuple[str, float], Evaluator] = field(default_factory=dict)
    _bases: dict[str, Layout] = field(default_factory=dict)

    @property
    def capacity(self) -> float:
        """What programs may use of a GPU's memory [B]."""
        return capacity(self.machine.profile.device)

    def fits(self, evaluation: Evaluation) -> bool:
        """Say whether every GPU has what it needs."""
        return fits(evaluation, self.machine.profile.device)

    def base(self, parallel: str) -> Layout:
        """Return the layout of a way to spread the model, before any step."""
        if parallel not in self._bases:
            self._bases[parallel] = unscheduled(
                parallel, self.machine, self.request.precision, self.request.micro_batch, "parallel"
            )
        return self._bases[parallel]

    def evaluator(self, kernels: str, ratio: float) -> Evaluator:
        """Return what evaluates layouts with some kernels and a share of recomputed blocks."""
        if (kernels, ratio) not in self._evaluators:
            steps = self._kernels(kernels)
            if checkpointed_blocks(range(total_blocks(self.model)), ratio, self.rounding):
                again = Step(primitive("checkpoint", "ratio"), ratio, "", {"rounding": self.rounding})
                steps = Schedule((*steps.steps, again))
            self._evaluators[kernels, ratio] = Evaluator(self.model, self.sequence, self.machine, steps)
        return self._evaluators[kernels, ratio]

    @staticmethod
    def _kernels(text: str) -> Schedule:
        steps = parse_steps(text, "kernels").value
        if any(step.primitive.name == "checkpoint" for step in steps.steps):
            raise InputError("kernels", f"'{text}'", "steps without checkpoint", "The ratio says what is recomputed.")
        return steps

    def evaluate(self, cell: Cell) -> Evaluation | None:
        """Return what is predicted of a cell; None where replicas and micro-batches do not divide its batch."""
        layout = of_batch(self.base(cell.parallel), cell.batch)
        return None if layout is None else self.evaluator(cell.steps, cell.ratio).evaluate(layout)


@dataclass(frozen=True)
class Predictions:
    """A space with what is predicted of it.

    Attributes
    ----------
    evaluations : dict of Cell to Evaluation
        Of the cells that can be run, in the order of the space.
    fits : dict of Cell to bool
        Whether they are predicted to fit.
    undivided : int
        Cells left out as replicas and micro-batches do not divide their batch.
    """

    evaluations: dict[Cell, Evaluation]
    fits: dict[Cell, bool]
    undivided: int

    def guesses(self) -> list[Guess]:
        """Return them as strategies take them."""
        return [Guess.of(cell, one) for cell, one in self.evaluations.items()]


def predict(predictor: Predictor, space: Space) -> Predictions:
    """Predict all cells of a space.

    Raises
    ------
    InputError
        If a step or a degree is wrong, there are too many cells, or none can be run.
    """
    cells = list(space.all())
    if len(cells) > MOST_CELLS:
        raise InputError(named("space"), f"{len(cells):,} cells", f"{MOST_CELLS:,} at most", "Give fewer batches.")
    evaluations: dict[Cell, Evaluation] = {}
    for cell in tracked(cells, "cells"):
        one = predictor.evaluate(cell)
        if one is not None:
            evaluations[cell] = one
    if not evaluations:
        _refuse(predictor, cells)
    return Predictions(
        evaluations, {cell: predictor.fits(one) for cell, one in evaluations.items()}, len(cells) - len(evaluations)
    )


def _refuse(predictor: Predictor, cells: Sequence[Cell]) -> None:
    """Say what divides a batch, where no batch is divided."""
    base = predictor.base(cells[0].parallel)
    step = base.dp * max(1, base.micro_batch)
    found = f"batches {', '.join(str(batch) for batch in sorted({cell.batch for cell in cells})[:5])}"
    raise InputError(
        "batch", found, f"multiples of {step} with {cells[0].parallel}", f"Give {step}, such as {2 * step}."
    )


def lightest(predictor: Predictor, cells: Sequence[Cell]) -> str:
    """Return the change that makes something fit with least else changed, as a sentence; empty where none does."""
    first = cells[0]
    gpus = predictor.machine.topology.npus
    for parallel in dict.fromkeys([*(cell.parallel for cell in cells), "zero3", f"tp={gpus}"]):
        for kernels in dict.fromkeys([*(cell.steps for cell in cells), "sdpa"]):
            try:
                base = predictor.base(parallel)
                cell = replace(first, parallel=parallel, steps=kernels, ratio=1.0, batch=base.dp * base.micro_batch)
                one = predictor.evaluate(cell)
            except InputError:  # a degree that this model does not have
                continue
            if one is not None and predictor.fits(one):
                return f"This fits: {cell}."
    return ""

"""Rows of measured iterations as runs that can be predicted, and what predicts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simcore.errors import InputError, with_fields
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, Machine
from simcore.models.training.parallel.stack import Stack
from simcore.numerals import as_real
from simcore.readers.cluster_networks import network_for
from simcore.readers.iteration_rows import Iteration, Row, described
from simcore.readers.memory_rows import Unexpressed
from simcore.readers.profiles import read_gpu

ALONE = Topology("one GPU", (Dimension(Block.SWITCH, 1),))
"""Network of one GPU."""


@dataclass(frozen=True)
class Run:
    """A row that can be predicted.

    Attributes
    ----------
    row : mapping of str to str
        Its text.
    iteration : Iteration
        What it describes.
    machine : Machine
        On what, without a stack.
    measured : float
        What was measured [s].
    """

    row: Row
    iteration: Iteration
    machine: Machine
    measured: float


class Machines:
    """Devices and networks of the zoo, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], Machine] = {}

    def of(self, iteration: Iteration) -> Machine:
        """Return what an iteration ran on.

        Raises
        ------
        InputError
            If the zoo lacks it, or its nodes do not make up so many GPUs.
        """
        key = iteration.profile, iteration.network, iteration.layout.gpus
        if key not in self._known:
            profile = read_gpu(iteration.profile).value
            if not iteration.network:
                if iteration.layout.gpus > 1:
                    why = f"no network of {iteration.profile} is known: name one of the zoo in the column interconnect"
                    raise Unexpressed(why)
                self._known[key] = Machine(profile, ALONE, (math.inf,))
            else:
                spec = network_for(iteration.network, iteration.layout.gpus).value
                assert spec.bandwidths is not None
                self._known[key] = Machine(profile, spec.topology, spec.bandwidths, spec.collectives)
        return self._known[key]


class Predictor:
    """Predicts runs with stacks; what runs of one model on one machine share is computed once."""

    def __init__(self) -> None:
        self._evaluators: dict[tuple[object, ...], Evaluator] = {}
        self._last: Stack | None = None

    def seconds(self, run: Run, stack: Stack) -> float:
        """Return the time of what was measured of a run [s].

        Raises
        ------
        InputError
            If the layout does not fit the model or the machine.
        """
        iteration = run.iteration
        evaluation = self.evaluation(run, stack)
        if iteration.passes == "forward":
            return evaluation.parts["forward"]
        return evaluation.time - (evaluation.parts["optimizer"] if iteration.passes == "passes" else 0.0)

    def once(self, run: Run, stack: Stack) -> float:
        """Return the same with a stack that nobody asks for again, as a search for constants does."""
        if self._last != stack:
            self._evaluators.clear()
            self._last = stack
        return self.seconds(run, stack)

    def evaluation(self, run: Run, stack: Stack) -> Evaluation:
        """Return time and memory of a run."""
        iteration = run.iteration
        key = id(run.machine), iteration.model, iteration.sequence, iteration.attention, stack
        if key not in self._evaluators:
            machine = run.machine._replace(stack=replace(stack, attention=iteration.attention))
            self._evaluators[key] = Evaluator(iteration.model, iteration.sequence, machine)
        return self._evaluators[key].evaluate(iteration.layout)


LONGEST = 1e6
"""No iteration takes longer [s]."""


def refusal(error: InputError) -> str:
    """Return an error as a reason, in the words of the columns."""
    return with_fields(f"{error.place}: {error.found}; expected {error.expected}")


def runs_of(rows: Sequence[Row]) -> tuple[list[Run], dict[int, str]]:
    """Return the rows that can be predicted, and why the others, by their place, cannot."""
    machines, runs, reasons = Machines(), [], {}
    for at, row in enumerate(rows):
        try:
            iteration = described(row)
            measured = as_real(row["iteration_s"])
            if not measured or not 0 < measured <= LONGEST:
                raise Unexpressed(f"iteration_s is '{row['iteration_s']}', not a time above 0, at most {LONGEST:g} s")
            runs.append(Run(row, iteration, machines.of(iteration), measured))
        except Unexpressed as why:
            reasons[at] = str(why)
        except InputError as error:
            reasons[at] = refusal(error)
    return runs, reasons

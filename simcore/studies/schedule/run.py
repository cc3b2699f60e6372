"""``simcore schedule``: what each step of a training schedule does to time, memory and communication."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from itertools import pairwise

from simcore.errors import InputError, field
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, Machine
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.search import capacity, fits
from simcore.models.training.schedule import Schedule
from simcore.readers.models import read_model
from simcore.readers.read import Read
from simcore.readers.schedules import parse_steps, read_schedule
from simcore.results import Provenance, versions
from simcore.studies.deployment.layouts import sized
from simcore.studies.deployment.machine import machine_of
from simcore.studies.deployment.spread import of_batch, unscheduled
from simcore.studies.deployment.words import assumed_batch, by_reason, collectives_notes, parameters_of, with_options
from simcore.studies.request import study
from simcore.studies.schedule.outcome import Stepped
from simcore.studies.schedule.request import MAX, ScheduleRequest
from simcore.studies.schedule.result import ScheduleResult

MOST_BATCH = 2**20
"""Sequences of a micro-batch that are tried at most."""

WAVES = 4
"""Micro-batches of a pipeline for each of its stages, where the batch is the largest that fits."""


@study(ScheduleRequest)
def schedule(request: ScheduleRequest) -> ScheduleResult:
    """Predict a training iteration before the first step of a schedule and after each one.

    Raises
    ------
    InputError
        If an input is wrong, a step changes nothing, or the degrees do not fit the model or the GPUs.

    Examples
    --------
    >>> result = schedule("gpt-1.3b", gpus=8, device="v100-32gb", steps="sdpa,checkpoint=0.25", parallel="tp=8")
    >>> [row.step for row in result.rows], result.rows[1].evaluation.time < result.rows[0].evaluation.time
    (['unscheduled', 'sdpa', 'checkpoint=0.25'], True)
    """
    started = time.process_time()
    for name, given in (("gpus", request.gpus), ("device", request.device)):
        if given is None:
            example = "8" if name == "gpus" else "v100-32gb"
            raise InputError(field(name), "nothing", "it, to know what the model is trained on",
                             f"Add {field(name)} {example}.")  # fmt: skip
    steps, read = _steps(request), read_model(request.model, field("model"))
    chosen = machine_of(request, request.precision)
    model, sequence, notes = sized(read.value, request.sequence, request.encoder_sequence)
    base = unscheduled(request.parallel, chosen.machine, request.precision, request.micro_batch)
    study_of = _Study(model, sequence, chosen.machine, base)
    counts = list(steps.value.complete())
    names = ["unscheduled", *(steps.value.words(*pair) for pair in pairwise(counts))]
    rows = [study_of.after(steps.value.first(count), name, request.batch, request.gpus or 1)
            for count, name in zip(counts, names, strict=True)]  # fmt: skip
    device, last = chosen.machine.profile.device, study_of.evaluator(steps.value)
    layout = rows[-1].evaluation.layout
    return ScheduleResult(
        name=read.name,
        device=device.name,
        network=chosen.machine.topology.name,
        sequence=sequence,
        parameters=parameters_of(model),
        schedule=steps.value,
        rows=tuple(rows),
        largest=request.batch == MAX,
        capacity=capacity(device),
        peak=device.peaks.get(layout.number_format.products),
        stack=chosen.machine.stack,
        warnings=(
            *(with_options(note) for note in (*notes, *chosen.notes)),
            *([assumed_batch(layout.global_batch)] if request.batch is None else []),
            *by_reason(last.kernel_notes(layout)), *collectives_notes(last.placement(layout)),
        ),
        provenance=Provenance(
            command=request.study, inputs=request.inputs(),
            sha256={"model": read.sha256, "schedule": steps.sha256, **chosen.sha256}, versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )  # fmt: skip


def _steps(request: ScheduleRequest) -> Read[Schedule]:
    if request.schedule is not None:
        return read_schedule(request.schedule, field("schedule"))
    return parse_steps(request.steps or "", field("steps"))


@dataclass(frozen=True)
class _Study:
    """A model on a machine, and the layout before any step."""

    model: Architecture
    sequence: int
    machine: Machine
    base: Layout
    evaluators: dict[int, Evaluator] = field_of(default_factory=dict)

    def evaluator(self, steps: Schedule) -> Evaluator:
        """Return what evaluates layouts under some steps, and knows what is to be said of those that it evaluated."""
        count = len(steps.steps)  # the first of one schedule
        if count not in self.evaluators:
            self.evaluators[count] = Evaluator(self.model, self.sequence, self.machine, steps)
        return self.evaluators[count]

    def after(self, steps: Schedule, name: str, batch: int | str | None, gpus: int) -> Stepped:
        """Return an iteration after some steps."""
        evaluator = self.evaluator(steps)
        if batch == MAX:
            evaluation = self._largest(evaluator)
        else:
            evaluation = evaluator.evaluate(self._of_batch(int(batch or gpus)))
        return Stepped(name, evaluation, fits(evaluation, self.machine.profile.device))

    def _of_batch(self, batch: int) -> Layout:
        """Return the layout of a batch, see `of_batch`."""
        base, layout = self.base, of_batch(self.base, batch)
        if layout is None:
            step = base.dp * max(1, base.micro_batch)
            near = " or ".join(str(each) for each in (batch // step * step, (batch // step + 1) * step) if each)
            found, expected = f"{batch} on {base.dp} replicas", f"a multiple of {step}"
            raise InputError(field("batch"), found, expected, f"The nearest are {near}.")
        return layout

    def _largest(self, evaluator: Evaluator) -> Evaluation:
        """Return the iteration of the largest micro-batch that fits; of one sequence where none does."""

        def of(size: int) -> Evaluation:
            waves = WAVES * self.base.pp if self.base.pp > 1 else 1
            return evaluator.evaluate(replace(self.base, micro_batch=size, micro_batches=waves))

        device, low, high = self.machine.profile.device, 0, 1
        while high <= MOST_BATCH and fits(of(high), device):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(of(middle), device) else (low, middle)
        return of(max(1, low))

"""What a step takes beside its kernels: constants of models, fitted to measured steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from simcore.errors import InputError, field, unknown_name
from simcore.models.cluster.step_times import StepTimes
from simcore.models.training.remainder import fit_remainder, likely_form
from simcore.readers import zoo
from simcore.readers.read import Read
from simcore.readers.step_times import read_step_times
from simcore.studies.rates.request import RatesRequest
from simcore.studies.rates.result import Fitted

Step = tuple[int, str]
"""Batch size and GPU type."""


@dataclass(frozen=True)
class MeasuredSteps:
    """Measured steps of some models.

    Attributes
    ----------
    source : str
        Name of the table.
    seconds : mapping of str to mapping of (int, str) to float
        Model, to the seconds of its steps by batch size and GPU type.
    """

    source: str = ""
    seconds: Mapping[str, Mapping[Step, float]] = dataclass_field(default_factory=dict)


def measured_steps(
    request: RatesRequest, models: Sequence[str], devices: Sequence[str]
) -> tuple[MeasuredSteps, dict[str, str]]:
    """Return the steps that constants are fitted to, and the hash of their table; nothing where there is none.

    Raises
    ------
    InputError
        If a model has no measured step on the GPU types that count.
    """
    if request.fit_to is None:
        return MeasuredSteps(), {}
    given = request.fit_to
    read = Read(given, given.name, "") if isinstance(given, StepTimes) else read_step_times(given, field("fit_to"))
    for gpu in request.fit_on:
        if gpu not in devices:
            raise unknown_name(field("fit_on"), gpu, devices)
    chosen = request.fit_on or devices
    seconds = {name: _of_model(read.value, name, chosen) for name in models}
    return MeasuredSteps(read.name, seconds), {"steps": read.sha256} if read.sha256 else {}


def fit_remainders(steps: MeasuredSteps, kernels: Callable[[str, int, str], float]) -> dict[str, Fitted]:
    """Return the constant of each model; one with a single step takes the form that is likely of the others.

    Parameters
    ----------
    steps : MeasuredSteps
        What they are fitted to.
    kernels : callable
        Seconds of the kernels of a model at a batch size on a GPU type.
    """
    pairs = {
        model: [(kernels(model, *step), seconds) for step, seconds in measured.items()]
        for model, measured in steps.seconds.items()
    }
    likely = likely_form(pairs.values())
    return {
        model: Fitted(model, fit_remainder(pairs[model], likely), steps.source, tuple(measured))
        for model, measured in steps.seconds.items()
    }


def _of_model(table: StepTimes, model: str, devices: Sequence[str]) -> dict[Step, float]:
    """Return the steps of a model, which the table may know under another name of the zoo."""
    entry = zoo.entry_of("models", model)
    steps = {
        (batch, gpu): seconds
        for (name, batch, gpu), seconds in table.seconds.items()
        if gpu in devices and zoo.entry_of("models", name) == entry
    }
    if not steps:
        remedy = f"Add one, or leave {field('fit_to')} out."
        raise InputError(f"step times {table.name}", f"no step of '{model}' on {', '.join(devices)}", "one", remedy)
    return steps

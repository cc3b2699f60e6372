"""``simcore rates``: a model's seconds per mini-batch on profiled devices, in the form that the cluster study reads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from numbers import Integral

from simcore.errors import InputError, field, written
from simcore.models.cluster.step_times import Key, StepTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import Groups
from simcore.models.training.closed_form import step_time
from simcore.models.training.lowering import lower_on_profile
from simcore.models.training.notes import notes_on
from simcore.models.training.workload import Workload
from simcore.readers.models import read_model
from simcore.results import Provenance, versions
from simcore.studies.inputs import device_profile
from simcore.studies.rates.request import RatesRequest
from simcore.studies.rates.result import RatesResult
from simcore.studies.request import study

ALONE = Groups((1,), (1,))
"""One NPU, which sends nothing."""
BATCHES = "whole numbers of at least 1, such as 4,8,16"


@study(RatesRequest)
def rates(request: RatesRequest) -> RatesResult:
    """Predict a model's seconds per mini-batch on the devices of some profiles.

    Raises
    ------
    InputError
        If something is unknown, missing or given twice.

    Examples
    --------
    >>> result = rates(profiles="v100-16gb", models="bert-base", batches=4, devices="v100")
    >>> round(result.rates.seconds["bert-base", 4, "v100"], 4)
    0.0855
    """
    _check(request)
    started = time.process_time()
    profiles = [device_profile(each, field("profiles")) for each in request.profiles]
    types = list(request.devices) or [profile.name for profile in profiles]
    seconds, warnings = _predicted(request, profiles, types)
    used = ", ".join(f"{profile.name} (sha256 {profile.sha256})" for profile in profiles)
    note = f"predicted from kernel profiles {used}, not measured as steps"
    return RatesResult(
        rates=StepTimes("predicted", seconds, ("predicted",), note),
        warnings=tuple(warnings),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(devices=types).inputs(),
            sha256={gpu: profile.sha256 for gpu, profile in zip(types, profiles, strict=True)},
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def minibatch_seconds(workload: Workload) -> float:
    """Return the time of one mini-batch, forward and backward, on one device [s], by the step-time model."""
    return step_time(workload, ALONE, [1.0]).total


def _check(request: RatesRequest) -> None:
    """Refuse what is missing, does not fit together, or is no batch."""
    for name in ("profiles", "models", "batches"):
        if not getattr(request, name):
            raise InputError(field(name), "nothing", "at least one", f"Give {field(name)}.")
    pairs = (("devices", request.devices, request.profiles), ("names", request.names, request.models))
    for name, given, wanted in pairs:
        if given and len(given) != len(wanted):
            found, expected = f"{len(given)} names", f"{len(wanted)}, one each"
            raise InputError(field(name), found, expected, "Give one per entry, or none.")
    for batch in request.batches:
        if isinstance(batch, bool) or not isinstance(batch, Integral) or batch < 1:
            raise InputError(field("batches"), written(batch), BATCHES)
    if len(set(request.batches)) < len(request.batches):
        found = ",".join(map(str, request.batches))
        raise InputError(field("batches"), found, "each number once", "Leave one out.")


def _predicted(
    request: RatesRequest, profiles: Sequence[KernelProfile], types: Sequence[str]
) -> tuple[dict[Key, float], list[str]]:
    """Return all step times [s], and what to know of them."""
    seconds: dict[Key, float] = {}
    warnings: dict[str, None] = {}
    for position, source in enumerate(request.models):
        model = read_model(source, field("models")).value
        taken = model.taken(request.sequence)
        if taken is not None:
            warnings[f"{model.architecture.name}: sequences of {taken:,} tokens, the longest that it takes"] = None
        name = request.names[position] if request.names else model.architecture.name
        for batch in request.batches:
            run = model.run(request.sequence, batch)
            for profile, gpu in zip(profiles, types, strict=True):
                if (name, batch, gpu) in seconds:
                    found = f"{name}, batch {batch}, {gpu} twice"
                    raise InputError(field("devices"), found, "each once", "Name them apart.")
                workload = lower_on_profile(model.architecture, run, 1, 1, profile, request.dtype)
                seconds[name, batch, gpu] = minibatch_seconds(workload)
                warnings.update(dict.fromkeys(f"{gpu}: {note}" for note in notes_on([workload])))
    return seconds, list(warnings)

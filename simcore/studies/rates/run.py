"""``simcore rates``: a model's seconds per mini-batch on profiled devices, in the form that the cluster study reads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from simcore.models.cluster.step_times import Key, StepTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import Groups
from simcore.models.training.closed_form import step_time
from simcore.models.training.lowering import lower_on_profile
from simcore.models.training.notes import notes_on
from simcore.models.training.workload import Setting, Workload, parameters_words
from simcore.progress import tracked
from simcore.readers.workloads import setting_of
from simcore.results import Provenance, versions
from simcore.studies.deployment.masks import masks_of
from simcore.studies.rates.inputs import NamedModel, check, devices_of, models_of
from simcore.studies.rates.remainders import fit_remainders, measured_steps
from simcore.studies.rates.request import RatesRequest
from simcore.studies.rates.result import FITTED, PREDICTED, Fitted, RatesResult
from simcore.studies.request import study

ALONE = Groups((1,), (1,))
"""One NPU, which sends nothing."""


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
    >>> list(rates(models="bert", devices="t4", batches="published").rates.seconds)
    [('bert', 4, 't4'), ('bert', 8, 't4'), ('bert', 16, 't4')]
    """
    check(request)
    started = time.process_time()
    devices = devices_of(request)
    models, hashes = models_of(request)
    steps, more = measured_steps(request, [model.name for model in models], list(devices))
    kernels = _Kernels(request, models, devices)
    fitted = fit_remainders(steps, kernels)
    keys = [(model.name, batch, gpu) for model in models for batch in model.batches for gpu in devices]
    seconds = {
        key: fitted[key[0]].remainder.step(kernels(*key)) if fitted else kernels(*key) for key in tracked(keys, "steps")
    }
    return RatesResult(
        rates=StepTimes(
            "predicted", seconds, (FITTED if fitted else PREDICTED,), _note(devices, fitted, kernels.masks)
        ),
        fitted=tuple(fitted.values()),
        models=kernels.words,
        warnings=kernels.warnings,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(devices=tuple(devices)).inputs(),
            sha256={**{gpu: profile.sha256 for gpu, profile in devices.items()}, **hashes, **more, **kernels.hashes},
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def minibatch_seconds(workload: Workload) -> float:
    """Return the time of one mini-batch, forward and backward, on one device [s], by the step-time model."""
    return step_time(workload, ALONE, [1.0]).total


class _Kernels:
    """Predicts the kernels of steps, each once, and gathers what to know of them.

    Parameters
    ----------
    request : RatesRequest
        With sequence and number format.
    models : sequence of NamedModel
        The models.
    devices : mapping of str to KernelProfile
        Their devices by GPU type.
    """

    def __init__(
        self, request: RatesRequest, models: Sequence[NamedModel], devices: Mapping[str, KernelProfile]
    ) -> None:
        self.request, self.devices = request, devices
        self.models = {model.name: model.source for model in models}
        self.seconds: dict[Key, float] = {}
        self.workloads: dict[str, list[Workload]] = {gpu: [] for gpu in devices}
        self.long: dict[str, None] = {}
        self.settings: dict[tuple[str, str], Setting] = {}
        self.hashes: dict[str, str] = {}
        self.masks: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know of all predictions: of each GPU type once."""
        of_types = (f"{gpu}: {note}" for gpu, workloads in self.workloads.items() for note in notes_on(workloads))
        return (*self.long, *of_types)

    @property
    def words(self) -> tuple[str, ...]:
        """What each model is predicted with, a line for all GPU types where they agree."""
        lines: dict[str, list[str]] = {}
        for (name, gpu), setting in self.settings.items():
            lines.setdefault(f"{name}: {_words(setting)}", []).append(gpu)
        return tuple(
            line if len(on) == len(self.devices) else f"{line} on {', '.join(on)}" for line, on in lines.items()
        )

    def __call__(self, name: str, batch: int, gpu: str) -> float:
        """Return the kernels of one mini-batch [s]."""
        key = name, batch, gpu
        if key not in self.seconds:
            self.seconds[key] = self.predicted(*key)
        return self.seconds[key]

    def predicted(self, name: str, batch: int, gpu: str) -> float:
        """Predict them."""
        model, request = self.models[name], self.request
        taken = model.taken(request.sequence)
        if taken is not None:
            self.long[f"{model.architecture.name}: sequences of {taken:,} tokens, the longest that it takes"] = None
        run = model.run(request.sequence, batch)
        profile, wanted = self.devices[gpu], request.dtype
        masks, self.hashes = masks_of(request, model.architecture, run.sequence, profile)
        if masks is not None:
            self.masks[masks.words] = None
        workload = lower_on_profile(model.architecture, run, 1, 1, profile, wanted, own_dtype=model.dtype, masks=masks)
        self.workloads[gpu].append(workload)
        self.settings[name, gpu] = setting_of(model, run, workload)
        return minibatch_seconds(workload)


def _words(setting: Setting) -> str:
    """Say what a model is predicted with, but for its batch, which the table has."""
    of = "" if setting.sequence is None else f" of {setting.sequence:,} tokens"
    return f"{parameters_words(setting.parameters)}; {setting.noun}s{of}; {setting.precision}"


def _note(devices: Mapping[str, KernelProfile], fitted: Mapping[str, Fitted], masks: Iterable[str]) -> str:
    """Return the line that is printed wherever a result that rests on the table is."""
    used = ", ".join(f"{profile.name} (sha256 {profile.sha256})" for profile in devices.values())
    beside = ""
    if fitted:
        where = ", ".join(dict.fromkeys(gpu for one in fitted.values() for _, gpu in one.steps))
        source = next(iter(fitted.values())).source
        beside = f"; beside kernels one constant per model, fitted to the steps of {source} on {where}"
    under = "".join(f"; {words}" for words in masks)
    return f"predicted from kernel profiles {used}, not measured as steps{beside}{under}"

"""``simcore profile``: what profiles hold, how they differ, and how far their predictions are from measurements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simcore.calibrate.plan import VALIDATION_SECONDS, Progress
from simcore.errors import InputError, field
from simcore.models.compute.expected import size_class
from simcore.models.compute.profile import Errors, KernelProfile, State
from simcore.models.compute.sparse.noise import noisy_kernels
from simcore.models.compute.sparse.regret import selection_regret
from simcore.readers.measurements import read_table
from simcore.readers.operator_table import OperatorTimes
from simcore.results import Provenance, Table, versions
from simcore.studies.inputs import device_profile
from simcore.studies.profile.operators import against_operators
from simcore.studies.profile.request import CompareRequest, ShowRequest, ValidateRequest
from simcore.studies.profile.result import CompareResult, ShowResult, ValidateResult
from simcore.studies.profile.table import against
from simcore.studies.profile.validation import Validation, predicted_samples, predictions
from simcore.studies.request import study


@study(ShowRequest)
def show(request: ShowRequest) -> ShowResult:
    """Show the fits of profiles and their errors, on held-out shapes where there are any.

    Raises
    ------
    InputError
        If there is no such profile.

    Examples
    --------
    >>> show("t4").profiles[0].origin
    'published measurement'
    """
    profiles = _loaded(request)
    return ShowResult(profiles=profiles, provenance=_provenance(request, profiles))


@study(CompareRequest)
def compare(request: CompareRequest) -> CompareResult:
    """Set the parameters of profiles side by side, in SI units.

    A column is called as its profile, or as its file where two profiles have one name.

    Raises
    ------
    InputError
        If fewer than two profiles are given, or one comes twice.
    """
    place, profiles = field("files"), _loaded(request)
    if len(profiles) < 2:
        raise InputError(place, f"{len(profiles)}", "at least two profiles", "For example: v100-16gb a100-80gb.")
    titles = _titles(request, profiles)
    if len(set(titles)) < len(titles):
        raise InputError(place, " ".join(titles), "each profile once", "Leave one out.")
    values: dict[tuple[str, str, str], list[float | None]] = {}
    for position, profile in enumerate(profiles):
        for fit in profile.fits:
            for name, value in fit.parameters.items():
                row = values.setdefault((fit.kernel, fit.dtype, name), [None] * len(profiles))
                row[position] = value
    table = Table(["kernel", "dtype", "parameter", *titles], [(*key, *row) for key, row in values.items()])
    return CompareResult(parameters=table, provenance=_provenance(request, profiles))


@study(ValidateRequest)
def validate(request: ValidateRequest, *, progress: Progress | None = None) -> ValidateResult:
    """Compare predictions of profiles with measurements that no fit saw.

    A table of measurements is taken as it is, whatever the profile was fitted to. Without one the held-out shapes are
    measured again, on the device that the profile is of, unless the stored ones are taken.
    Passes at another speed than the calibration's are set aside, see `simcore.calibrate.profile.held_out`. All profiles
    are checked before the first is measured. `validate.of` also takes ``progress``, see `simcore.calibrate.plan`.

    Raises
    ------
    InputError
        If a profile is of another device, or holds nothing measured, or the table cannot be read.
    MissingExtraError
        If torch is needed and not installed.
    """
    profiles = _loaded(request)
    started = time.process_time()
    _check_limit(request)
    if request.measurements is not None:
        return _against_table(request, profiles, request.measurements, started)
    for profile in profiles:
        _check(profile, request)
    files = map(_given, _files(request), profiles)
    validations = [_validated(*each, request, progress) for each in zip(profiles, files, strict=True)]
    return ValidateResult(
        validations=tuple(validations),
        provenance=_provenance(request, profiles, *([] if request.stored else ["torch"])),
        cpu_seconds=time.process_time() - started,
    )


def _check_limit(request: ValidateRequest) -> None:
    if request.limit is None:
        return
    for name in ("stored", "measurements"):
        if getattr(request, name):
            remedy = f"Leave one of the two out: {field(name)} measures nothing."
            raise InputError(field("limit"), "given", f"nothing beside {field(name)}", remedy)


def _against_table(
    request: ValidateRequest, profiles: Sequence[KernelProfile], table: str | Path, started: float
) -> ValidateResult:
    """Hold profiles against the rows of a table that are of their devices."""
    if request.stored:
        remedy = "Leave one of the two out."
        raise InputError(field("stored"), "given", f"nothing beside {field('measurements')}", remedy)
    files = map(_given, _files(request), profiles)
    reads = [read_table(table, profile.device, field("measurements")) for profile in profiles]
    held = [
        against_operators(profile, file, read.value, read.name)
        if isinstance(read.value, OperatorTimes)
        else against(profile, file, read.value, read.name)
        for profile, file, read in zip(profiles, files, reads, strict=True)
    ]
    return ValidateResult(
        validations=tuple(held),
        provenance=replace(
            _provenance(request, profiles),
            sha256={**_provenance(request, profiles).sha256, "measurements": reads[0].sha256},
        ),
        cpu_seconds=time.process_time() - started,
    )


def _check(profile: KernelProfile, request: ValidateRequest) -> None:
    """Refuse a profile that holds nothing measured, or is of another device than the one to measure on."""
    if not any(sample.held_out for sample in profile.samples):
        expected = "a profile that simcore measured"
        remedy = f"Write one with simcore calibrate, or hold it against a table with {field('measurements')}."
        raise InputError(f"profile {profile.name}", "nothing that was held out", expected, remedy)
    if not request.stored:
        from simcore.calibrate.profile.held_out import require_device

        require_device(profile, request.device)


def _validated(profile: KernelProfile, file: str, request: ValidateRequest, progress: Progress | None) -> Validation:
    held_out = tuple(sample for sample in profile.samples if sample.held_out)
    drift, pace, skipped = None, None, tuple[str, ...]()
    if not request.stored:
        from simcore.calibrate.profile.held_out import measure_held_out

        before = {sample.key: sample.seconds for sample in held_out}
        limit = VALIDATION_SECONDS[1] if request.limit is None else request.limit
        held_out, pace, skipped = measure_held_out(profile, request.device, progress, limit=limit)
        drift = statistics.median(sample.seconds / before[sample.key] for sample in held_out) - 1
    pairs = predicted_samples(profile, held_out)
    groups: dict[tuple[str, str, State], list[float]] = {}
    sizes: dict[tuple[str, str, State, int], list[float]] = {}
    for sample, predicted in pairs:
        key, miss = (sample.kernel, sample.dtype, sample.state), predicted / sample.seconds - 1
        groups.setdefault(key, []).append(miss)
        sizes.setdefault((*key, size_class(sample.seconds)), []).append(miss)
    return Validation(
        name=profile.name,
        file=file,
        errors={key: errors for key, each in groups.items() if (errors := Errors.of(each)) is not None},
        by_size={key: errors for key, each in sizes.items() if (errors := Errors.of(each)) is not None},
        regret=selection_regret(pairs),
        predictions=predictions(profile, held_out),
        drift=drift,
        pace=pace,
        skipped=skipped,
        noisy=noisy_kernels(profile),
    )


_Request = ShowRequest | CompareRequest | ValidateRequest


def _files(request: _Request) -> Sequence[object]:
    assert isinstance(request.files, tuple)  # a request makes one of what it is given
    return request.files


def _loaded(request: _Request) -> tuple[KernelProfile, ...]:
    assert isinstance(request.files, tuple)
    return tuple(device_profile(each, field("files")) for each in request.files)


def _given(file: object, profile: KernelProfile) -> str:
    return profile.name if isinstance(file, KernelProfile) else str(file)


def _titles(request: _Request, profiles: Sequence[KernelProfile]) -> list[str]:
    """Return what tells profiles apart: their names, or how they were given where two have one name.

    A calibration of this machine and the bundled one are both called cpu.
    """
    names = [profile.name for profile in profiles]
    return names if len(set(names)) == len(names) else list(map(_given, _files(request), profiles))


def _provenance(request: _Request, profiles: Sequence[KernelProfile], *packages: str) -> Provenance:
    hashes = dict(zip(_titles(request, profiles), (profile.sha256 for profile in profiles), strict=True))
    return Provenance(request.study, request.inputs(), hashes, versions=versions("numpy", *packages))

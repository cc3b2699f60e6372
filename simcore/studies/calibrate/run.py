"""``simcore calibrate``: measure the device at hand into a profile; needs torch, and neither pydantic nor SimPy."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from simcore.calibrate.calibration import Calibration
from simcore.calibrate.calibration import calibrate as measure
from simcore.calibrate.measure.device import require_torch, resolve_device
from simcore.calibrate.plan import Progress
from simcore.calibrate.suites.registry import SUITES, WORKERS, known_suites
from simcore.errors import InputError, field
from simcore.models.compute.unfitted import unfitted
from simcore.outputs import check_file
from simcore.results import Provenance, versions
from simcore.studies.calibrate.collectives import CollectivesResult, of_collectives
from simcore.studies.calibrate.elastic import with_workers
from simcore.studies.calibrate.request import CalibrateRequest
from simcore.studies.calibrate.result import CalibrateResult
from simcore.studies.calibrate.table import of_table
from simcore.studies.request import study


@study(CalibrateRequest)
def calibrate(request: CalibrateRequest, *, progress: Progress | None = None) -> CalibrateResult | CollectivesResult:
    """Measure the kernels of a device and fit a profile to them, or fit one to a table of measured kernels.

    With a network beside the table its collectives are fitted, see `simcore.studies.calibrate.collectives`.

    The profile is written as it goes. Samples that it has already are not measured again, unless it is started anew.
    `calibrate.of` also takes ``progress``, see `simcore.calibrate.plan`.

    Raises
    ------
    InputError
        If a suite or the device is unknown, the limit is no time, the file cannot be carried on with, or the table
        cannot be read.
    MissingExtraError
        If torch is not installed.
    """
    _check(request)
    request = request.resolved(suites=known_suites(request.suites))
    if request.network is not None:
        return of_collectives(request, profile_path(request))
    if request.measurements is not None:
        return of_table(request, profile_path(request))
    require_torch()
    resolve_device(request.device)
    path = profile_path(request)
    check_file(path, option=field("output"), own="profile" if request.force else "")
    started = time.process_time()
    measured = measure(
        request.device,
        request.suites,
        path,
        full=request.full,
        force=request.force,
        limit=request.limit,
        progress=progress,
    )
    if WORKERS in request.suites:
        measured = with_workers(request, path, measured, progress)
    profile = measured.profile
    return CalibrateResult(
        calibration=measured,
        path=path,
        warnings=tuple(_warnings(measured)),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(output=path).inputs(),
            sha256={"profile": profile.sha256},
            versions=versions("numpy", "scipy") | {"torch": profile.fingerprint["torch"]},
        ),
        cpu_seconds=time.process_time() - started,
    )


def profile_path(request: CalibrateRequest) -> Path:
    """Return where the profile goes: by default into the working directory, named after the device.

    Examples
    --------
    >>> str(profile_path(CalibrateRequest(device="cuda:1")))
    'cuda-1.json'
    """
    name = request.device.replace(":", "-") if request.network is None else f"{Path(request.network).stem}-measured"
    return Path(f"{name}.json" if request.output is None else request.output)


def _check(request: CalibrateRequest) -> None:
    if not request.suites:
        raise InputError(field("suites"), "none", f"some of {', '.join(SUITES)}")
    known_suites(request.suites)
    if request.measurements is not None:
        _check_measures_nothing(request)
    for name in ("source", "rest", "network") if request.measurements is None else ():
        if getattr(request, name):
            found = f"'{getattr(request, name)}'"
            raise InputError(field(name), found, f"{field('measurements')} beside it", "Leave it out.")
    if request.network is not None and request.rest is not None:
        raise InputError(field("rest"), f"'{request.rest}'", f"nothing beside {field('network')}", "Leave it out.")


def _check_measures_nothing(request: CalibrateRequest) -> None:
    """Refuse what says how to measure where nothing is measured."""
    usual = {each.name: each.default for each in dataclasses.fields(request)}
    for name in ("suites", "full", "limit"):
        if getattr(request, name) != usual[name]:
            remedy = f"Leave one of the two out: {field('measurements')} measures nothing."
            raise InputError(field(name), "given", f"nothing beside {field('measurements')}", remedy)


def _warnings(calibration: Calibration) -> list[str]:
    """Say what is not in the profile, and why."""
    lines = [f"skipped {line}" for line in calibration.skipped]
    if calibration.missing:
        lines.append(f"time was over before {calibration.missing} cases were measured")
    return [*lines, *(f"no fit of {line}" for line in unfitted(calibration.profile))]

"""``simcore calibrate --from``: a profile of a device that others measured."""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path

from simcore.calibrate.calibration import Calibration
from simcore.errors import field
from simcore.models.compute.device import Device
from simcore.models.compute.profile import Fit, KernelProfile
from simcore.outputs import check_file
from simcore.results import Provenance, versions
from simcore.studies.calibrate.output import write_anew
from simcore.studies.calibrate.request import CalibrateRequest
from simcore.studies.calibrate.result import CalibrateResult


def of_table(request: CalibrateRequest, path: Path) -> CalibrateResult:
    """Fit a profile to the rows of a table, and write it.

    What the table has no rows of is scaled from another profile of the same chip, if one is given; what that has not
    either is kept from the data sheet. Both are marked so.

    Parameters
    ----------
    request : CalibrateRequest
        With its table; its device is one of the zoo.
    path : Path
        Where the profile goes.

    Raises
    ------
    InputError
        If there is no such device, the file exists, the table cannot be read, or the other profile is of another chip.
    """
    from simcore.calibrate.profile.operators import fit_operators
    from simcore.calibrate.profile.published import ORIGIN, fit_table
    from simcore.readers.aceso_sizes import FIRST
    from simcore.readers.devices import read_device
    from simcore.readers.measurements import read_table
    from simcore.readers.operator_table import OperatorTimes
    from simcore.readers.profile_json import profile_text

    assert request.measurements is not None
    started = time.process_time()
    device = read_device(request.device, field("device")).value
    check_file(path, option=field("output"), own="profile")
    table = read_table(request.measurements, device, field("measurements"))
    start = None
    if isinstance(table.value, OperatorTimes):
        fits, samples, _, lines = fit_operators(table.value.operators, device, FIRST)
        rows = f"{len(table.value.operators)} timed operators"
        # their times are the kernels' own, those of single calls may hold what a host takes for each
        start = statistics.median(fit.parameters["t0"] for fit in fits) if fits else None
    else:
        fits, samples, lines = fit_table(table.value, device)
        rows = f"{len(table.value)} published measurements"
    rest = _rest(request, device, start)
    source = request.source or Path(request.measurements).name
    named = tuple(dataclasses.replace(fit, source="; ".join(filter(None, (source, fit.source)))) for fit in fits)
    lines = (*lines, *(f"{fit.kernel} {fit.dtype}: {fit.source}" for fit in fits if fit.source))
    mark = {"device": device.name, "rows": rows.partition(" ")[0], "table": table.sha256}
    fits = (*named, *_unmeasured(named, rest), *_unmeasured((*named, *rest), _sheet(device)))
    profile = KernelProfile(path.stem, device, ORIGIN, fits, samples, mark, f"{device.name}, from {rows}", source)
    write_anew(path, profile_text(profile), force=request.force, own="profile")
    return CalibrateResult(
        calibration=Calibration(profile, None, 0, ()),
        path=path,
        warnings=lines,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(output=path).inputs(),
            sha256={"profile": profile.sha256, "measurements": table.sha256},
            versions=versions("numpy", "scipy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _rest(request: CalibrateRequest, device: Device, start: float | None) -> tuple[Fit, ...]:
    """Return the fits of another card with the same chip, scaled; none unless one is given."""
    if request.rest is None:
        return ()
    from simcore.calibrate.profile.scaled import scaled_fits
    from simcore.readers.profiles import read_profile

    return scaled_fits(read_profile(request.rest, field("rest")).value, device, start)


def _sheet(device: Device) -> tuple[Fit, ...]:
    from simcore.readers.profiles import sheet_fits

    return sheet_fits(device)


def _unmeasured(measured: tuple[Fit, ...], others: tuple[Fit, ...]) -> tuple[Fit, ...]:
    known = {(fit.kernel, fit.dtype) for fit in measured}
    return tuple(fit for fit in others if (fit.kernel, fit.dtype) not in known)

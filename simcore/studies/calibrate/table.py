"""``simcore calibrate --from``: a profile of a device that others measured."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from simcore.calibrate.calibration import Calibration
from simcore.errors import field
from simcore.models.compute.profile import KernelProfile
from simcore.outputs import check_file, write_atomic
from simcore.results import Provenance, versions
from simcore.studies.calibrate.request import CalibrateRequest
from simcore.studies.calibrate.result import CalibrateResult


def of_table(request: CalibrateRequest, path: Path) -> CalibrateResult:
    """Fit a profile to the rows of a table, and write it.

    What the table has no rows of is kept from the data sheet, and marked so.

    Parameters
    ----------
    request : CalibrateRequest
        With its table; its device is one of the zoo.
    path : Path
        Where the profile goes.

    Raises
    ------
    InputError
        If there is no such device, the file exists, or the table cannot be read.
    """
    from simcore.calibrate.profile.published import ORIGIN, fit_table
    from simcore.readers.devices import read_device
    from simcore.readers.measurements import read_measurements
    from simcore.readers.profile_json import profile_text
    from simcore.readers.profiles import sheet_fits

    assert request.measurements is not None
    started = time.process_time()
    device = read_device(request.device, field("device")).value
    check_file(path, option=field("output"), force=request.force)
    table = read_measurements(request.measurements, device, field("measurements"))
    fits, samples, few = fit_table(table.value, device)
    source = request.source or Path(request.measurements).name
    named = tuple(dataclasses.replace(fit, source="; ".join(filter(None, (source, fit.source)))) for fit in fits)
    measured = {(fit.kernel, fit.dtype) for fit in fits}
    sheet = tuple(fit for fit in sheet_fits(device) if (fit.kernel, fit.dtype) not in measured)
    mark = {"device": device.name, "rows": str(len(table.value)), "table": table.sha256}
    about = f"{device.name}, from {len(table.value)} published measurements"
    profile = KernelProfile(path.stem, device, ORIGIN, (*named, *sheet), samples, mark, about, source)
    write_atomic(path, profile_text(profile))
    return CalibrateResult(
        calibration=Calibration(profile, None, 0, ()),
        path=path,
        warnings=(
            *(f"no fit of {line}" for line in few),
            *(f"{fit.kernel} {fit.dtype}: {fit.source}" for fit in fits if fit.source),
        ),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(output=path).inputs(),
            sha256={"profile": profile.sha256, "measurements": table.sha256},
            versions=versions("numpy", "scipy"),
        ),
        cpu_seconds=time.process_time() - started,
    )

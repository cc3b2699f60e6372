"""``simcore calibrate``: measure the device at hand into a profile; needs torch, and neither pydantic nor SimPy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.calibrate.calibration import Calibration
from simcore.calibrate.calibration import calibrate as run
from simcore.calibrate.measure.device import require_torch, resolve_device
from simcore.calibrate.plan import TIME_LIMIT, Progress
from simcore.calibrate.suites.registry import SUITES
from simcore.errors import InputError, unknown_name
from simcore.outputs import check_file


def default_output(device: str) -> Path:
    """Return where a device's profile goes if nobody says: ``cuda-1.json`` in the working directory."""
    return Path(f"{device.replace(':', '-')}.json")


def calibrate(
    device: str = "cpu",
    suites: Sequence[str] = SUITES,
    output: Path | None = None,
    *,
    full: bool = False,
    force: bool = False,
    limit: float | None = None,
    progress: Progress | None = None,
) -> tuple[Calibration, Path]:
    """Measure a device.

    Parameters
    ----------
    device, suites, full, force, limit, progress
        See `simcore.calibrate.calibration.calibrate`.
    output : Path, optional
        The profile; by default named after the device, in the working directory.

    Returns
    -------
    Calibration, Path
        The profile with what is not in it, and where it lies.

    Raises
    ------
    InputError
        If a suite or the device is unknown, the limit is no time, or the file cannot be carried on with.
    MissingExtraError
        If torch is not installed.
    """
    if not suites:
        raise InputError("--suite", "none", f"some of {', '.join(SUITES)}")
    for name in suites:
        if name not in SUITES:
            raise unknown_name("--suite", name, SUITES)
    if limit is not None and not limit > 0:
        usual = " or ".join(f"{seconds:g}" for seconds in TIME_LIMIT.values())
        raise InputError("--time-limit", f"{limit:g}", "seconds above 0", f"Leave it out for {usual}.")
    require_torch()
    resolve_device(device)
    path = output or default_output(device)
    check_file(path, option="-o")
    return run(device, suites, path, full=full, force=force, limit=limit, progress=progress), path

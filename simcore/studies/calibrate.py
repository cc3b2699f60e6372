"""``simcore calibrate``: measure the device at hand into a profile; needs torch, and neither pydantic nor SimPy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.calibrate.measure import require_torch, resolve_device
from simcore.calibrate.suite import DEFAULT, SUITES, Progress
from simcore.calibrate.suite import calibrate as run
from simcore.errors import InputError, unknown_name
from simcore.models.compute.profile import KernelProfile
from simcore.outputs import check_file


def calibrate(
    device: str = "cpu",
    suites: Sequence[str] = DEFAULT,
    output: Path | None = None,
    *,
    full: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[KernelProfile, Path, list[str]]:
    """Measure a device.

    Parameters
    ----------
    device, suites, full, force, progress
        See `simcore.calibrate.suite.calibrate`.
    output : Path, optional
        The profile; by default named after the device, in the working directory.

    Returns
    -------
    KernelProfile, Path, list of str
        The profile, where it lies, and what was skipped and why.

    Raises
    ------
    InputError
        If a suite or the device is unknown, or the file cannot be carried on with.
    MissingExtraError
        If torch is not installed.
    """
    if not suites:
        raise InputError("--suite", "none", f"some of {', '.join(SUITES)}")
    for name in suites:
        if name not in SUITES:
            raise unknown_name("--suite", name, SUITES)
    require_torch()
    resolve_device(device)
    path = output or Path(f"{device.replace(':', '-')}.json")
    check_file(path, option="-o")
    profile, skipped = run(device, suites, path, full=full, force=force, progress=progress)
    return profile, path, skipped

"""``simcore calibrate --suite easyscale``: what logical workers cost, measured into the profile of their device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from simcore.calibrate.calibration import Calibration
from simcore.calibrate.plan import Progress, Timekeeper
from simcore.outputs import write_atomic
from simcore.readers.profile_json import profile_text
from simcore.studies.calibrate.request import CalibrateRequest


def with_workers(
    request: CalibrateRequest, path: Path, measured: Calibration, progress: Progress | None
) -> Calibration:
    """Measure logical workers and put what they cost into a profile that is there; it is done anew each time.

    Parameters
    ----------
    request : CalibrateRequest
        Whose device it is.
    path : Path
        The profile.
    measured : Calibration
        What was measured of kernels.
    progress : callable, optional
        See `simcore.calibrate.plan`.

    Raises
    ------
    InputError
        If the device is one GPU of several.
    RunError
        If a process fails.
    """
    from simcore.real.elastic.costs import measure

    keeper = Timekeeper(float("inf"), progress)
    costs = measure(request.device, keeper.next, full=request.full)
    keeper.done(complete=True)
    profile = replace(measured.profile, elastic=costs)
    write_atomic(path, profile_text(profile))
    return replace(measured, profile=profile)


def lines_of(calibration: Calibration) -> list[str]:
    """Return a line for each thing that was measured of logical workers, if any was."""
    costs = calibration.profile.elastic
    if costs is None:
        return []
    steps = [
        f"  {step.model:12} {step.workers} workers share a process: first {1e3 * step.first:.2f} ms, "
        f"last {1e3 * step.last:.2f} ms, copy {1e3 * (step.copy or 0.0):.3f} ms, switching {step.switching:.3f}"
        for step in costs.steps
    ]
    memory = [
        f"  {row.model:12} {row.system} {row.workers}: {row.memory / 2**20:,.0f} MiB, "
        f"{1e3 * (row.time or 0.0):.2f} ms a mini-batch"
        for row in costs.sharing
    ]
    levels = [
        f"  {row.model:12} pinned kernels (D2) over D1 {row.factor:.3f}, D1 over none {row.d1 / row.none:.3f}: "
        f"{1e3 * row.d2:.2f}, {1e3 * row.d1:.2f} and {1e3 * row.none:.2f} ms a mini-batch"
        for row in costs.determinism
    ]
    return [*steps, *memory, *levels, f"  a change of processes: {costs.rescale:.2f} s"]

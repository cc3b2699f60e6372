"""A calibration from end to end: which device, which cases, measure what is missing, and fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simcore.calibrate.measure.device import describe, fingerprint
from simcore.calibrate.measure.failures import Unmeasured, WrongOutput, summed_up
from simcore.calibrate.measure.timing import Case, time_case
from simcore.calibrate.plan import BUDGET, PASSES, REPEATS, TIME_LIMIT, Progress, Timekeeper
from simcore.calibrate.profile.store import Store
from simcore.calibrate.suites.registry import cases
from simcore.models.compute.profile import KernelProfile


@dataclass(frozen=True)
class Calibration:
    """What a calibration came to.

    Attributes
    ----------
    profile : KernelProfile
        As it was written.
    passes : int or None
        Whole passes over all cases, at most `PASSES`; with fewer the same call measures the rest. None where others
        measured.
    missing : int
        Cases that were not measured at all because the time was over.
    skipped : tuple of str
        Kernels that do not run on the device, a line for each reason: too little memory, no such instruction.
    wrong : tuple of str
        Kernels whose output was wrong, each with the first shape and the error: no sample of them is kept or fitted.
    """

    profile: KernelProfile
    passes: int | None
    missing: int
    skipped: tuple[str, ...]
    wrong: tuple[str, ...] = ()


def calibrate(
    device: str,
    suites: Sequence[str],
    output: Path,
    *,
    full: bool = False,
    force: bool = False,
    limit: float | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Measure a device and write its profile.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    suites : sequence of str
        Of `simcore.calibrate.suites.registry.SUITES`.
    output : Path
        The profile; samples that it already has are not measured again.
    full : bool
        Whether to measure more shapes, more often.
    force : bool
        Whether to start anew.
    limit : float, optional
        Seconds after which no case is begun [s]; `TIME_LIMIT` by default.
    progress : callable, optional
        Told how long it takes, see `simcore.calibrate.plan`.

    Returns
    -------
    Calibration
        What was written, and what is not in it.

    Raises
    ------
    InputError
        If the device or a suite is unknown, or the file is of another device or edited.
    """
    keeper = Timekeeper(TIME_LIMIT[full] if limit is None else limit, progress)
    wanted = list(cases(device, suites, full=full))
    mark = fingerprint(device)
    described = f"{mark['device']}, measured by simcore calibrate"
    name = output.stem
    store = Store(output, KernelProfile(name, describe(name, device), "measured", (), (), mark, described, described))
    if not force:
        store.resume()
    skipped: dict[str, tuple[str, str]] = {}
    wrong: dict[tuple[str, str], str] = {}
    steps = [(n, case) for n in range(1, PASSES + 1) for case in wanted if store.passes(case.key) < n]

    def runs(case: Case) -> bool:
        return case.key not in skipped and (case.kernel, case.dtype) not in wrong

    left = len(steps)
    try:
        for place, (number, case) in enumerate(steps, 1):
            kernel = case.kernel, case.dtype
            if not runs(case):
                continue
            left -= 1
            if store.passes(case.key) >= number:
                continue
            if keeper.over:
                break
            keeper.next(case.key, left + 1)
            again = case if number == 1 else replace(case, check=None)  # once is enough
            try:
                store.add(time_case(again, device, REPEATS[full], BUDGET[full]))
            except Unmeasured as error:
                skipped[case.key] = error.what, error.why  # not the error, whose frames hold the inputs
                left = sum(runs(later) for _, later in steps[place:])
            except WrongOutput as error:
                wrong[kernel] = str(error)
                store.drop(*kernel)
                left = sum(runs(later) for _, later in steps[place:])
    except BaseException:  # Ctrl-C above all: what was measured is what a later run carries on with
        if store.samples:
            store.write(fitted=False)
        raise
    passes = [min(store.passes(case.key), PASSES) for case in wanted if runs(case)]
    keeper.done(complete=min(passes, default=PASSES) == PASSES)
    why = summed_up(skipped.values())
    return Calibration(store.write(), min(passes, default=PASSES), passes.count(0), why, tuple(wrong.values()))

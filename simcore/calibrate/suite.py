"""A calibration from end to end: which device, which cases, measure what is missing, fit, and what was held out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from simcore.calibrate.failures import Unmeasured, summed_up
from simcore.calibrate.fingerprint import describe, device_name, fingerprint
from simcore.calibrate.measure import Case, current, merge, resolve_device, time_case
from simcore.calibrate.store import Store
from simcore.errors import InputError, unknown_name
from simcore.models.compute.profile import KernelProfile, Sample
from simcore.models.compute.sparse.profiled import axis_of

SUITES = ("gemm", "memory", "launch", "pit", "moe", "sequence")
"""Modules of this package that have cases, in the order in which they run."""

MODULES = {"pit": "pit_cases"}
"""Module of a suite, where it has another name."""

PASSES = 5
"""Times that every case is measured if time allows, once in each pass over all cases: other load comes in bursts."""

REPEATS = {False: 3, True: 5}
"""Timed calls per case and pass, quick and full."""

BUDGET = {False: 0.15, True: 0.5}
"""Seconds after which a case is timed no more in a pass, quick and full [s]."""

TIME_LIMIT = {False: 160.0, True: 440.0}
"""Seconds after which no case is begun, quick and full [s]: torch's start and the fits fit into 3 and 8 minutes."""

Progress = Callable[[int, int, str], None]


def cases(device: str, suites: Sequence[str] = SUITES, *, full: bool = False) -> Iterator[Case]:
    """Yield the cases of some suites on a device.

    Raises
    ------
    InputError
        If a suite is unknown.
    """
    for name in suites:
        if name not in SUITES:
            raise unknown_name("--suite", name, SUITES)
        module = importlib.import_module(f"simcore.calibrate.{MODULES.get(name, name)}")
        with current(device):
            found = list(module.cases(resolve_device(device).type, full=full))
        yield from found


@dataclass(frozen=True)
class Calibration:
    """What a calibration came to.

    Attributes
    ----------
    profile : KernelProfile
        As it was written.
    passes : int
        Whole passes over all cases, at most `PASSES`; with fewer the same call measures the rest.
    missing : int
        Cases that were not measured at all because the time was over.
    skipped : tuple of str
        Kernels that do not run on the device, a line for each reason: too little memory, no such instruction.
    """

    profile: KernelProfile
    passes: int
    missing: int
    skipped: tuple[str, ...]


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
        Of `SUITES`.
    output : Path
        The profile; samples that it already has are not measured again.
    full : bool
        Whether to measure more shapes, more often.
    force : bool
        Whether to start anew.
    limit : float, optional
        Seconds after which no case is begun [s]; `TIME_LIMIT` by default.
    progress : callable, optional
        Called with cases done, all cases, and what is measured next, or ``done`` and why at the end.

    Returns
    -------
    Calibration
        What was written, and what is not in it.

    Raises
    ------
    InputError
        If the device or a suite is unknown, or the file is of another device or edited.
    """
    end = monotonic() + (TIME_LIMIT[full] if limit is None else limit)
    wanted = list(cases(device, suites, full=full))
    mark = fingerprint(device)
    described = f"{mark['device']}, measured by simcore calibrate"
    name = output.stem
    store = Store(output, KernelProfile(name, describe(name, device), "measured", (), (), mark, described, described))
    if not force:
        store.resume()
    skipped: dict[str, tuple[str, str]] = {}
    steps = [(number, case) for number in range(1, PASSES + 1) for case in wanted]
    try:
        for done, (number, case) in enumerate(steps):
            if store.passes(case.key) >= number or case.key in skipped:
                continue
            if monotonic() >= end:
                break
            if progress is not None:
                progress(done, len(steps), case.key)
            again = case if number == 1 else replace(case, check=None)  # once is enough
            try:
                store.add(time_case(again, device, REPEATS[full], BUDGET[full]))
            except Unmeasured as error:
                skipped[case.key] = error.what, error.why  # not the error, whose frames hold the inputs
    except BaseException:  # Ctrl-C above all: what was measured is what a later run carries on with
        if store.samples:
            store.write(fitted=False)
        raise
    passes = [min(store.passes(case.key), PASSES) for case in wanted if case.key not in skipped]
    if progress is not None:
        measured = sum(passes) + PASSES * len(skipped)
        progress(measured, len(steps), "done" if measured == len(steps) else "done, for the time is over")
    return Calibration(store.write(), min(passes, default=PASSES), passes.count(0), summed_up(skipped.values()))


def measure_held_out(profile: KernelProfile, device: str, progress: Progress | None = None) -> tuple[Sample, ...]:
    """Measure again the held-out shapes of a profile, on the device that it is of.

    Raises
    ------
    InputError
        If the profile is of another device, or holds nothing that was held out.
    """
    here = device_name(device)
    measured = profile.fingerprint.get("device", f"{profile.name} ({profile.origin})")
    if measured != here:
        remedy = "Run there and name it with --device, or add --stored to print the errors that the profile holds."
        raise InputError(f"profile {profile.name}", f"a profile of '{measured}'", f"one of '{here}'", remedy)
    known = {sample.key: sample.kernel for sample in profile.samples if sample.held_out}
    sparse = any(axis_of(kernel) for kernel in known.values())  # which alone needs triton on a GPU
    suites = [name for name in SUITES if sparse or name != "pit"]
    # products of one shape belong to several suites: once is enough
    wanted = list({case.key: case for case in cases(device, suites, full=True) if case.key in known}.values())
    found: dict[str, list[Sample]] = {}
    for done, case in enumerate(PASSES * wanted):
        if progress is not None:
            progress(done, PASSES * len(wanted), case.key)
        found.setdefault(case.key, []).append(time_case(case, device, REPEATS[False], BUDGET[False]))
    if progress is not None:
        progress(PASSES * len(wanted), PASSES * len(wanted), "done")
    return tuple(merge(passes) for passes in found.values())

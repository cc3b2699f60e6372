"""The held-out shapes of a profile, measured again, in passes at the speed at which the profile was measured.

A machine that others share, or that clocks itself, runs faster or slower for minutes. Reference kernels, a few shapes
that the profile was fitted to, are timed between the passes: where they take another time than the profile holds, so
does everything else, and the error that a fit then shows is not the fit's.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from simcore.calibrate.measure.device import device_name
from simcore.calibrate.measure.failures import Unmeasured, summed_up
from simcore.calibrate.measure.passes import merge
from simcore.calibrate.measure.timing import Case, time_case
from simcore.calibrate.plan import (
    BUDGET,
    EXTRA_PASSES,
    LEAST_PASSES,
    PASSES,
    REPEATS,
    SAME_SPEED,
    VALIDATION_SECONDS,
    Progress,
    Timekeeper,
)
from simcore.calibrate.suites.registry import SUITES, cases
from simcore.errors import InputError, RunError, field
from simcore.models.compute.profile import KernelProfile, Sample
from simcore.models.compute.sparse.profiled import axis_of

REFERENCES = {"gemm": 2, "copy": 1}
"""Reference kernels of a profile: so many fitted shapes of these kernels, in each number format and in fp32 alone."""

REFERENCE_SECONDS = 1e-3
"""The shapes whose times are nearest are taken [s]: long beside what a clock or a launch adds, short beside a pass."""


@dataclass(frozen=True)
class Pace:
    """How fast the device was around each pass of a validation, beside its calibration.

    Attributes
    ----------
    references : int
        Reference kernels; without any no pass is judged.
    drifts : tuple of (float, float)
        For each pass in order, by how much the reference kernels took longer than in the profile before it and after
        it: the median, 0.1 for 10 %.
    """

    references: int
    drifts: tuple[tuple[float, float], ...]

    @property
    def same(self) -> tuple[bool, ...]:
        """Whether each pass ran at the calibration's speed: within `SAME_SPEED` on both sides."""
        return tuple(max(abs(before), abs(after)) <= SAME_SPEED for before, after in self.drifts)

    @property
    def steady(self) -> bool:
        """Whether enough passes did; else all of them count."""
        return sum(self.same) >= LEAST_PASSES

    @property
    def counts(self) -> tuple[bool, ...]:
        """Whether each pass counts."""
        return self.same if self.steady else tuple(True for _ in self.drifts)

    @property
    def counted(self) -> int:
        """Passes that count."""
        return sum(self.counts)

    @property
    def set_aside(self) -> int:
        """Passes that do not."""
        return len(self.drifts) - self.counted

    @property
    def drift(self) -> float | None:
        """By how much the reference kernels took longer around the passes that count, the median."""
        return self._median(self.counts)

    @property
    def drift_aside(self) -> float | None:
        """The same around those that were set aside; None where none was."""
        return self._median([not counts for counts in self.counts])

    def as_document(self) -> dict[str, object]:
        """Return plain containers for JSON."""
        return {
            "counted": self.counted,
            "set_aside": self.set_aside,
            "same_speed": self.steady if self.references else None,
            "references": self.references,
            "reference_drift": self.drift,
            "reference_drift_set_aside": self.drift_aside,
            "reference_drifts": [list(pair) for pair in self.drifts],
        }

    def _median(self, chosen: Sequence[bool]) -> float | None:
        drifts = [one for pair, yes in zip(self.drifts, chosen, strict=True) if yes for one in pair]
        return statistics.median(drifts) if self.references and drifts else None


def measure_held_out(
    profile: KernelProfile,
    device: str,
    progress: Progress | None = None,
    *,
    limit: float = VALIDATION_SECONDS[1],
    clock: Callable[[], float] = monotonic,
) -> tuple[tuple[Sample, ...], Pace, tuple[str, ...]]:
    """Measure again the held-out shapes of a profile, on the device that it is of.

    Reference kernels are timed before and after each pass. A pass between two times that are off by more than
    `SAME_SPEED` is set aside and made again, up to `EXTRA_PASSES` times; if fewer than `LEAST_PASSES` are left, all
    passes count. Once the time is over no shape is begun: the pass that it ends is left out, or is all there is.

    Parameters
    ----------
    profile : KernelProfile
        What was measured before.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    progress : callable, optional
        See `simcore.calibrate.calibration.calibrate`.
    limit : float
        Seconds after which no shape is begun [s].
    clock : callable
        Tells the time [s].

    Returns
    -------
    tuple of Sample, Pace, tuple of str
        The shapes, merged of the passes that count, which these are, and what does not run now: a line for each kernel
        and reason. A shape that fails in one pass is left out of all.

    Raises
    ------
    InputError
        If the profile is of another device.
    RunError
        If none of the shapes runs, or an output is wrong.
    """
    require_device(profile, device)
    keeper = Timekeeper(limit, progress, clock)
    held_out = {sample.key: sample.kernel for sample in profile.samples if sample.held_out}
    sparse = any(axis_of(kernel) for kernel in held_out.values())  # which alone needs triton on a GPU
    suites = [name for name in SUITES if sparse or name != "pit"]
    # products of one shape belong to several suites: once is enough
    known = {case.key: case for case in cases(device, suites, full=True)}
    wanted = [case for key, case in known.items() if key in held_out]
    references = [(known[one.key], one.seconds) for one in _references(profile.samples) if one.key in known]
    skipped: dict[str, tuple[str, str]] = {}
    passes: list[list[Sample]] = []
    before = _drift(references, device)
    pace = Pace(len(references), ())
    while len(passes) < PASSES + EXTRA_PASSES and sum(pace.same) < PASSES and not (passes and keeper.over):
        one = list(_one_pass(wanted, device, keeper, PASSES - sum(pace.same), skipped))
        left = len(wanted) - len(one) - sum(case.key in skipped for case in wanted)
        if left and passes:
            break
        passes.append(one)
        after = _drift(references, device)
        pace = Pace(len(references), (*pace.drifts, (before, after)))
        before = after
    keeper.done(complete=not keeper.over)
    counting = [
        [sample for sample in one if sample.key not in skipped]
        for one, counts in zip(passes, pace.counts, strict=True)
        if counts
    ]
    lines = summed_up(skipped.values())
    missing = len(wanted) - len(counting[0]) - len({case.key for case in wanted} & skipped.keys())
    if missing:
        lines = (*lines, f"{missing} of {len(wanted)} held-out shapes: the {limit:g} s were over before")
    if not counting[0]:
        raise RunError(f"none of the held-out shapes runs: {'; '.join(lines)}")
    return tuple(merge(samples) for samples in zip(*counting, strict=True)), pace, lines


def require_device(profile: KernelProfile, device: str) -> None:
    """Refuse to measure a profile of another device.

    Raises
    ------
    InputError
        If it is of another, or the device is not there.
    """
    here = device_name(device)
    measured = profile.fingerprint.get("device", f"{profile.name} ({profile.origin})")
    if measured != here:
        remedy = f"Run there and name it with {field('device')}, or add {field('stored')} for the errors that it holds."
        raise InputError(f"profile {profile.name}", f"a profile of '{measured}'", f"one of '{here}'", remedy)


def _references(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Yield the reference kernels of a profile; none is held out, so that no pass is chosen by what it is to show."""
    for kernel, count in REFERENCES.items():
        fitted = [one for one in samples if one.kernel == kernel and one.state == "cold" and not one.held_out]
        for dtype in ("fp32",) if kernel == "copy" else dict.fromkeys(one.dtype for one in fitted):
            some = [one for one in fitted if one.dtype == dtype]
            yield from sorted(some, key=lambda one: abs(math.log(one.seconds / REFERENCE_SECONDS)))[:count]


def _drift(references: list[tuple[Case, float]], device: str) -> float:
    """Return by how much the reference kernels take longer now than they took, the median; forget what does not run."""
    ratios = []
    for one in list(references):
        try:
            now = time_case(replace(one[0], check=None), device, REPEATS[True], BUDGET[False])
        except Unmeasured:
            references.remove(one)
        else:
            ratios.append(now.seconds / one[1])
    return statistics.median(ratios) - 1 if ratios else 0.0


def _one_pass(
    wanted: Sequence[Case], device: str, keeper: Timekeeper, passes: int, skipped: dict[str, tuple[str, str]]
) -> Iterator[Sample]:
    """Yield a sample of each case but those that are skipped until the time is over, and note which do not run.

    So many `passes` are still to be made, this one among them. The first case is timed in any case.
    """
    for place, case in enumerate(wanted):
        if case.key in skipped:
            continue
        if place and keeper.over:
            return
        runs = sum(each.key not in skipped for each in wanted)
        before = sum(each.key not in skipped for each in wanted[:place])
        keeper.next(case.key, passes * runs - before)
        try:
            yield time_case(case, device, REPEATS[False], BUDGET[False])
        except Unmeasured as error:
            skipped[case.key] = error.what, error.why  # not the error, whose frames hold the inputs

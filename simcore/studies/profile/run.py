"""``simcore profile``: what profiles hold, how they differ, and how far their predictions are from measurements."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simcore.calibrate.plan import LEAST_PASSES, SAME_SPEED
from simcore.errors import InputError
from simcore.models.compute.kernels import FORMULA_OF
from simcore.models.compute.profile import Errors, KernelProfile, Sample
from simcore.models.compute.sparse.noise import measured_tiles, noisy_kernels
from simcore.models.compute.sparse.profiled import sample_seconds
from simcore.models.compute.sparse.regret import selection_regret
from simcore.readers.profiles import read_profile
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simcore.calibrate.profile.held_out import Pace
    from simcore.calibrate.run import Progress


def show(name_or_path: str | Path) -> tuple[KernelProfile, Table]:
    """Return a profile and a table: a row for each fit, and for each sparse kernel whose samples are a tile table."""
    profile = read_profile(name_or_path, "FILE").value
    columns = ["kernel", "dtype", "origin", "errors on", "samples", "mape", "p90", "bias", "spread", "noisy"]
    rows = []
    for fit in profile.fits:
        parameters = ", ".join(f"{name} {value:.4g}" for name, value in fit.parameters.items())
        known = _errors(fit.errors, "held out" if fit.held_out else "fitted")
        rows.append((fit.kernel, fit.dtype, fit.origin, *known, fit.spread, fit.noisy, parameters))
    for one in measured_tiles(profile):
        known = _errors(one.errors, "held out")
        rows.append((one.kernel, one.dtype, profile.origin, *known, one.spread, one.noisy, one.described))
    return profile, Table([*columns, "parameters"], rows)


def _errors(errors: Errors | None, basis: str) -> tuple[str | float | None, ...]:
    """Return which errors these are, on how many samples, and the errors; where there are none, nothing but 0."""
    return (None, 0, None, None, None) if errors is None else (basis, *dataclasses.astuple(errors))


def figure(profile: KernelProfile) -> Figure:
    """Return a plot of predicted against measured seconds of all samples that have a fit.

    Raises
    ------
    InputError
        If the profile holds no samples.
    """
    from simcore.studies.profile.figures import draw

    found = predictions(profile, profile.samples)
    if not list(found):
        raise InputError(f"profile {profile.name}", "no samples", "a measured profile", "Calibrate a device.")
    return draw(found, profile.name)


def predictions(profile: KernelProfile, samples: Sequence[Sample]) -> Table:
    """Return measured and predicted seconds of the samples that the profile can predict."""
    rows = []
    for sample, predicted in _predicted(profile, samples):
        family = FORMULA_OF.get(sample.kernel, sample.kernel).partition("-")[0]
        rows.append((sample.kernel, sample.dtype, family, sample.held_out, sample.seconds, predicted))
    return Table(["kernel", "dtype", "formula", "held_out", "measured", "predicted"], rows)


def _predicted(profile: KernelProfile, samples: Sequence[Sample]) -> list[tuple[Sample, float]]:
    pairs = zip(samples, sample_seconds(profile, samples), strict=True)
    return [(sample, predicted) for sample, predicted in pairs if predicted is not None]


def compare(names: Sequence[str | Path]) -> tuple[Table, dict[str, str]]:
    """Return parameters side by side.

    Returns
    -------
    Table
        A row per kernel, number format and parameter, a column per profile.
    dict of str to str
        SHA-256 of each profile, by its column.

    Raises
    ------
    InputError
        If fewer than two profiles are given.
    """
    if len(names) < 2:
        raise InputError("FILE", f"{len(names)}", "at least two profiles", "For example: v100-16gb a100-80gb.")
    profiles = [read_profile(name, "FILE").value for name in names]
    values: dict[tuple[str, str, str], list[float | None]] = {}
    for position, profile in enumerate(profiles):
        for fit in profile.fits:
            for name, value in fit.parameters.items():
                row = values.setdefault((fit.kernel, fit.dtype, name), [None] * len(profiles))
                row[position] = value
    titles = [profile.name for profile in profiles]
    if len(set(titles)) < len(titles):  # a calibration of this machine and the bundled one are both called cpu
        titles = [str(name) for name in names]
    if len(set(titles)) < len(titles):
        raise InputError("FILE", " ".join(titles), "each profile once", "Leave one out.")
    columns = ["kernel", "dtype", "parameter", *titles]
    hashes = {title: profile.sha256 for title, profile in zip(titles, profiles, strict=True)}
    return Table(columns, [(*key, *row) for key, row in values.items()]), hashes


@dataclass(frozen=True)
class Validation:
    """Predictions against held-out measurements.

    Attributes
    ----------
    errors : mapping
        By kernel and number format.
    regret : mapping of str to tuple of float
        By family, for each problem that several kernels can do: the time of the predicted choice over the quickest,
        minus 1; see `simcore.models.compute.sparse.regret.selection_regret`.
    drift : float or None
        By how much the same shapes take longer than when the profile was measured, the median; errors contain it. None
        where the errors are those that the profile holds.
    name : str
        Of the profile.
    predictions : Table
        Every held-out shape, see `predictions`.
    pace : Pace or None
        Which passes ran at the calibration's speed and count; None where nothing was measured.
    skipped : tuple of str
        Held-out shapes that do not run now, a line for each kernel and reason: too little memory.
    noisy : set of (str, str)
        Kernels and number formats that the profile holds with a spread above the bound.
    """

    errors: Mapping[tuple[str, str], Errors]
    regret: Mapping[str, tuple[float, ...]]
    drift: float | None
    name: str
    predictions: Table
    pace: Pace | None = None
    skipped: tuple[str, ...] = ()
    noisy: Set[tuple[str, str]] = frozenset()

    @property
    def table(self) -> Table:
        """A row per kernel and number format."""
        rows = [(*key, *dataclasses.astuple(each), key in self.noisy) for key, each in self.errors.items()]
        return Table(["kernel", "dtype", "samples", "mape", "p90", "bias", "noisy"], rows)

    def figure(self) -> Figure:
        """Return a plot of predicted against measured seconds."""
        from simcore.studies.profile.figures import draw

        return draw(self.predictions, self.name, self.measured())

    def measured(self) -> list[str]:
        """Return lines that say when times are from, how many passes count, and whether the speed was the same."""
        if self.pace is None:
            return ["errors that the profile holds"]
        pace, lines = self.pace, [f"measured now, times {self.drift:+.1%} (median) against the calibration"]
        lines += [f"skipped {line}" for line in self.skipped]
        if pace.drift is None:
            return [*lines, f"{pace.counted} passes, none judged: the profile has no reference kernels"]
        if pace.steady:
            lines.append(f"{pace.counted} passes count, {pace.set_aside} set aside")
        else:
            few = f"{sum(pace.same)}, fewer than {LEAST_PASSES}"
            lines.append(f"all {pace.counted} passes count: {few}, were within {SAME_SPEED:.0%} of the speed then")
        lines.append(f"{pace.references} reference kernels {pace.drift:+.1%} (median) around the passes that count")
        if pace.drift_aside is not None:
            lines[-1] += f", {pace.drift_aside:+.1%} around the others"
        if not pace.steady:
            lines.append("the machine ran at another speed than at calibration, and the errors contain that")
        return lines


def check_validation(name_or_path: str | Path, device: str = "cpu", *, stored: bool = False) -> KernelProfile:
    """Return a profile that `validate` can take, before anything is measured; see there.

    Raises
    ------
    InputError
        If it holds nothing measured, or is of another device than that on which it is to be measured again.
    """
    profile = read_profile(name_or_path, "FILE").value
    if not any(sample.held_out for sample in profile.samples):
        expected, remedy = "a profile that simcore measured", "Write one with simcore calibrate."
        raise InputError(f"profile {profile.name}", "nothing that was held out", expected, remedy)
    if not stored:
        from simcore.calibrate.profile.held_out import require_device

        require_device(profile, device)
    return profile


def validate(
    name_or_path: str | Path, device: str = "cpu", *, stored: bool = False, progress: Progress | None = None
) -> Validation:
    """Compare a profile's predictions with measurements that no fit saw.

    Passes at another speed than the calibration's are set aside, see `simcore.calibrate.profile.held_out`.

    Parameters
    ----------
    name_or_path : str or Path
        The profile.
    device : str
        Where the held-out shapes are measured again: the device that the profile is of.
    stored : bool
        Whether to take the errors that the profile holds instead.
    progress : callable, optional
        See `simcore.calibrate.run.calibrate`.

    Raises
    ------
    InputError
        If the profile is of another device, or holds nothing measured.
    """
    profile = check_validation(name_or_path, device, stored=stored)
    held_out = tuple(sample for sample in profile.samples if sample.held_out)
    drift, pace, skipped = None, None, tuple[str, ...]()
    if not stored:
        from simcore.calibrate.profile.held_out import measure_held_out

        before = {sample.key: sample.seconds for sample in held_out}
        held_out, pace, skipped = measure_held_out(profile, device, progress)
        drift = statistics.median(sample.seconds / before[sample.key] for sample in held_out) - 1
    pairs = _predicted(profile, held_out)
    groups: dict[tuple[str, str], list[float]] = {}
    for sample, predicted in pairs:
        groups.setdefault((sample.kernel, sample.dtype), []).append(predicted / sample.seconds - 1)
    errors = {key: found for key, each in groups.items() if (found := Errors.of(each)) is not None}
    regret, each, noisy = selection_regret(pairs), predictions(profile, held_out), noisy_kernels(profile)
    return Validation(errors, regret, drift, profile.name, each, pace, skipped, noisy)

"""Predictions of a profile against measurements that no fit saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.calibrate.plan import LEAST_PASSES, SAME_SPEED
from simcore.models.compute.expected import class_name
from simcore.models.compute.kernels import FORMULA_OF
from simcore.models.compute.profile import Errors, KernelProfile, Sample, State
from simcore.models.compute.sparse.profiled import sample_seconds
from simcore.results import Table

if TYPE_CHECKING:
    from simcore.calibrate.profile.held_out import Pace


@dataclass(frozen=True)
class Validation:
    """Predictions of one profile against held-out measurements.

    Attributes
    ----------
    name : str
        Of the profile.
    file : str
        How the profile was given.
    errors : mapping
        By kernel, number format and state.
    by_size : mapping
        By kernel, number format, state and size class, see `simcore.models.compute.expected.size_class`.
    regret : mapping of str to tuple of float
        By family, for each problem that several kernels can do: the time of the predicted choice over the fastest,
        minus 1; see `simcore.models.compute.sparse.regret.selection_regret`.
    predictions : Table
        Every held-out shape, see `predictions`.
    drift : float or None
        By how much the same shapes take longer than when the profile was measured, the median; errors contain it. None
        where the errors are those that the profile holds.
    pace : Pace or None
        Which passes ran at the calibration's speed and count; None where nothing was measured.
    skipped : tuple of str
        Held-out shapes that do not run now, a line for each kernel and reason: too little memory.
    noisy : set of (str, str)
        Kernels and number formats that the profile holds with a spread above the bound.
    """

    name: str
    file: str
    errors: Mapping[tuple[str, str, State], Errors]
    by_size: Mapping[tuple[str, str, State, int], Errors]
    regret: Mapping[str, tuple[float, ...]]
    predictions: Table
    drift: float | None = None
    pace: Pace | None = None
    skipped: tuple[str, ...] = ()
    noisy: Set[tuple[str, str]] = frozenset()

    @property
    def table(self) -> Table:
        """A row per kernel, number format and state."""
        rows = [(*key, *dataclasses.astuple(each), key[:2] in self.noisy) for key, each in self.errors.items()]
        return Table(["kernel", "dtype", "state", "samples", "mape", "p90", "bias", "noisy"], rows)

    @property
    def sizes(self) -> Table:
        """A row per kernel, number format, state and size class."""
        rows = [(*key, class_name(size), *dataclasses.astuple(each))
                for (*key, size), each in sorted(self.by_size.items())]  # fmt: skip
        return Table(["kernel", "dtype", "state", "one call", "samples", "mape", "p90", "bias"], rows)

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {
            "profile": self.file,
            "errors": [dict(row) for row in self.table],
            "sizes": [dict(row) for row in self.sizes],
            "regret": {family: list(each) for family, each in self.regret.items()},
            "drift": self.drift,
            "passes": None if self.pace is None else self.pace.as_document(),
            "skipped": list(self.skipped),
        }

    def sentences(self) -> list[str]:
        """Return the regret of choosing kernels by prediction, a sentence per family."""
        return [
            f"kernel selection, {family}: {len(each)} problems, regret mean {sum(each) / len(each):.1%}, "
            f"largest {max(each):.1%}"
            for family, each in self.regret.items()
        ]

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


def predictions(profile: KernelProfile, samples: Sequence[Sample]) -> Table:
    """Return measured and predicted seconds of the samples that the profile can predict."""
    rows = []
    for sample, predicted in predicted_samples(profile, samples):
        family = FORMULA_OF.get(sample.kernel, sample.kernel).partition("-")[0]
        rows.append((sample.kernel, sample.dtype, family, sample.held_out, sample.seconds, predicted))
    columns = ["kernel", "dtype", "formula", "held_out", "measured", "predicted"]
    return Table(columns, rows, {"measured": "s", "predicted": "s"})


def predicted_samples(profile: KernelProfile, samples: Sequence[Sample]) -> list[tuple[Sample, float]]:
    """Return the samples that the profile can predict, each with its predicted seconds [s]."""
    pairs = zip(samples, sample_seconds(profile, samples), strict=True)
    return [(sample, predicted) for sample, predicted in pairs if predicted is not None]

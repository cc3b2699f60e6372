"""A profile from measurements that somebody published: fits to all rows, and their errors on shapes never seen."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcore.calibrate.profile.boost import Growth, Reals, added, grow
from simcore.calibrate.profile.fit import fit_kernel, residuals
from simcore.models.compute.convolution import CONVOLUTIONS
from simcore.models.compute.correction import FEATURES, FEATURES_OF, Correction
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULA_OF, FORMULAS, seconds_of
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.profile import Errors, Fit, Sample
from simcore.models.compute.seconds import TILES
from simcore.progress import tracked

ORIGIN = "published measurement"
"""Of the fits and of the profile."""

FITTED = 400
"""Samples that the parameters of a formula are fitted to at most; all samples speak to what it misses by."""

STORED = {"gemm": 200, **dict.fromkeys(CONVOLUTIONS, 100)}
"""Samples of a kernel that the profile holds at most, so that the expected error knows where a fit is bad."""

STORED_OTHERS = 30
"""The same for kernels whose time depends on one or two sizes."""

HELD_OUT = 0.2
"""Share of the shapes that no fit sees whose errors are told."""

GROWTH = {
    "gemm": Growth(400, 5, 0.14), **dict.fromkeys(CONVOLUTIONS, Growth(500, 4, 0.12)), "stream": Growth(40, 4, 0.25),
}  # fmt: skip
"""How much is learned of what each formula misses by."""

COMMON = 0.02
"""Share of the rows from which on a tile of the library counts."""

MOST_TILES = 8
"""Tiles that shapes are described by at most."""

STRETCHES = 8
"""Equal parts of a run of measurements in each of which a drift is straight."""

ROWS_ALIKE = 100
"""Places in a run, equally likely, at which a shape may have been measured."""

DRIFTS = 0.2
"""Rank correlation of errors with the order of measurement from which on times drift."""

ORDERED = 0.15
"""Rank correlation of a feature with the order from which on shapes and drift cannot be told apart."""

TURNS = 4
"""How often shapes and drift are learned in turn."""

ROUGH = Growth(150, 5, 0.15)
"""What of shapes is learned in each turn."""

LEAST_LEFT = 0.3
"""Share of a time that a drift leaves at least."""

LEAST = 40
"""Rows that a fit takes at least."""


def fit_measurements(rows: Sequence[Measurement], device: Device) -> tuple[Fit, tuple[Sample, ...]]:
    """Fit one kernel and number format to published rows.

    A fit to four fifths of the shapes, drawn by a hash of the shape, is judged on the others. The fit that is returned
    is one of the same kind to all rows.

    Parameters
    ----------
    rows : sequence of Measurement
        Of one kernel and number format, `LEAST` or more.
    device : Device
        Where they were measured.

    Returns
    -------
    Fit, tuple of Sample
        The fit to all rows with the errors on held-out shapes, and the samples that a profile holds of it.
    """
    of_seen = fit_seen(rows, device)
    assert of_seen.correction is not None  # it was learned just now
    every = [one.sample for one in rows]
    judged = Errors.of(residuals(of_seen, [one for one in every if is_held_out(one)], device))
    fit = corrected(of_seen, every, of_seen.correction.tiles, device)
    kept = thinned(every, STORED.get(fit.kernel, STORED_OTHERS))
    misses = tuple(round(miss, 4) for miss in residuals(fit, kept, device))
    return replace(fit, residuals=misses, judged=judged, origin=ORIGIN), tuple(kept)


def fit_seen(rows: Sequence[Measurement], device: Device) -> Fit:
    """Fit to the rows whose shapes are not held out: parameters to a few, what the formula misses by to all of them."""
    seen = [one for one in rows if not is_held_out(one.sample)]
    samples = [one.sample for one in seen]
    base = fit_kernel(thinned(samples, FITTED), device)
    return corrected(base, samples, common_tiles(seen, device), device)


def fit_table(
    rows: Iterable[Measurement], device: Device
) -> tuple[tuple[Fit, ...], tuple[Sample, ...], tuple[str, ...]]:
    """Fit every kernel and number format that a table has enough rows of.

    Returns
    -------
    tuple of Fit, tuple of Sample, tuple of str
        Fits, the samples that a profile holds, and a line for each kernel with too few rows.
    """
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in rows:
        groups.setdefault((one.sample.kernel, one.sample.dtype), []).append(one)
    few = tuple(f"no fit of {kernel} {dtype}: {len(group)} rows of the {LEAST} that a fit takes at least"
                for (kernel, dtype), group in groups.items() if len(group) < LEAST)  # fmt: skip
    enough = tracked([group for group in groups.values() if len(group) >= LEAST], "fits")
    fitted = [fit_measurements(group, device) for group in enough]
    return tuple(fit for fit, _ in fitted), tuple(one for _, kept in fitted for one in kept), few


def corrected(
    base: Fit, samples: Sequence[Sample], tiles: Sequence[tuple[int, int]], device: Device, *, in_order: bool = True
) -> Fit:
    """Return a fit with what its formula misses by learned from samples, and the ranges of their sizes.

    Samples `in_order` are in that of their measurement, whose drift is no property of a shape, see `Drift`.
    """
    formula = base.formula
    kind = FEATURES_OF[formula]
    bare = replace(base, correction=None)
    features = np.array([FEATURES[kind](sample.shape, tiles, device) for sample in samples])
    plain = np.array([seconds_of(bare, one.shape, device) for one in samples])
    measured = np.array([one.seconds for one in samples])
    drift = drift_of(features, plain, measured) if in_order else Drift()
    trees = grow(features, np.log(drift.likeliest(drift.undone(measured)) / plain), GROWTH[formula])
    measures = [FORMULAS[formula].measures(sample.shape) for sample in samples]
    ranges = {key: (min(m[key] for m in measures), max(m[key] for m in measures)) for key in measures[0]}
    spread = statistics.median(sample.spread for sample in samples)
    learned = Correction(kind, tiles, trees)
    return replace(base, ranges=ranges, spread=spread, held_out=(), correction=learned, source=drift.described)


@dataclass(frozen=True)
class Drift:
    """How much longer kernels took in the course of a run of measurements than at its beginning, whatever their shape.

    The public table has it in its convolutions: each of 4,000 in a row is some 0.1 us slower than the one before.

    Attributes
    ----------
    longer : tuple of float
        At the start of the run and at the end of each of its equal parts [s]; empty without a drift.
    """

    longer: tuple[float, ...] = ()

    def undone(self, measured: Reals) -> Reals:
        """Return times in the order of their measurement [s] as they were at the start of the run."""
        return np.maximum(measured - self._at(_positions(len(measured))), LEAST_LEFT * measured)

    def likeliest(self, first: Reals) -> Reals:
        """Return the times to predict [s] for kernels that take so long at the start of the run.

        A shape says nothing of when it was measured. Of the times that it would have shown at `ROWS_ALIKE` places of
        the run, this is the one that is off from them by the least mean of absolute relative errors: their median, with
        weights 1 / time.

        Examples
        --------
        >>> Drift((0.0, 1.0)).likeliest(np.array([1e-9, 1.0, 100.0])).round(1).tolist()
        [0.0, 1.4, 100.5]
        """
        times = np.sort(first[:, None] + self._at(_positions(ROWS_ALIKE)), 1)
        shares = (1 / times).cumsum(1)
        likeliest: Reals = times[np.arange(len(times)), (shares < shares[:, -1:] / 2).sum(1)]
        return likeliest

    def _at(self, positions: Reals) -> Reals:
        if not self.longer:
            return np.zeros(len(positions))
        return np.asarray(np.interp(positions, np.linspace(0, 1, len(self.longer)), self.longer))

    @property
    def described(self) -> str:
        """What a reader must know; nothing without a drift."""
        if not self.longer:
            return ""
        grown = f"times grow by {1e3 * self.longer[-1]:.2g} ms from the first row to the last"
        return f"{grown}; fitted to what is least off from all rows"


def drift_of(features: Reals, plain: Reals, measured: Reals) -> Drift:
    """Return the drift of times that stand in the order of their measurement.

    It is told from what shapes do only where the shapes come in no order. Predictions by shape and the drift that they
    leave are found in turn.

    Parameters
    ----------
    features : array
        What trees can ask for, a row for each measurement.
    plain : array
        Seconds by formula.
    measured : array
        Seconds.
    """
    positions = _positions(len(measured))
    if any(abs(_correlation(column, positions)) > ORDERED for column in features.T):
        return Drift()
    drift = Drift()
    for turn in range(TURNS):
        predicted = plain * np.exp(_unseen(features, np.log(drift.undone(measured) / plain)))
        if turn == 0 and _correlation(measured / predicted, positions) < DRIFTS:
            return Drift()
        drift = _course(positions, measured - predicted, measured)
    return drift


def _unseen(features: Reals, misses: Reals) -> Reals:
    """Return what trees that never saw a row say of it: those of even rows of odd ones, and the other way round."""
    said = np.empty(len(misses))
    even = np.arange(len(misses)) % 2 == 0
    for rows in (even, ~even):
        said[rows] = added(grow(features[~rows], misses[~rows], ROUGH), features[rows])
    return said


def _positions(count: int) -> Reals:
    return (np.arange(count) + 0.5) / count


def _correlation(one: Reals, other: Reals) -> float:
    """Return how the ranks of two columns go together, from -1 to 1; 0 where one of them is always the same."""
    ranks = [np.unique(column, return_inverse=True)[1].astype(float) for column in (one, other)]
    centred = [each - each.mean() for each in ranks]
    size = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / size if size else 0.0


def _course(positions: Reals, left: Reals, measured: Reals) -> Drift:
    """Return the drift that leaves the least mean of absolute errors relative to what was measured."""
    parts = np.maximum(1 - np.abs(STRETCHES * positions[:, None] - np.arange(STRETCHES + 1)), 0)
    longer = np.zeros(STRETCHES + 1)
    for _ in range(20):
        weights = 1 / measured / np.maximum(np.abs(left - parts @ longer) / measured, 0.02)
        longer = np.linalg.solve(parts.T @ (weights[:, None] * parts), parts.T @ (weights * left))
    return Drift(tuple(float(each) for each in longer - longer[0]))


def common_tiles(rows: Iterable[Measurement], device: Device) -> tuple[tuple[int, int], ...]:
    """Return the tiles that the library's kernels were named after, most frequent first; else those of `TILES`.

    Only products and convolutions have any. A tile counts from a share of `COMMON` of the named rows on.
    """
    named = Counter(one.tile for one in rows if one.tile is not None and FORMULA_OF[one.sample.kernel] != "stream")
    least = COMMON * sum(named.values())
    often = [tile for tile, count in named.most_common(MOST_TILES) if tile is not None and count >= least]
    return tuple(often) or TILES[device.kind]


def thinned(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Return at most so many of the samples, drawn by a hash of what each is, in their order."""
    ranks = sorted(range(len(samples)), key=lambda at: _drawn(f"thinned {samples[at].what}"))[:most]
    return [samples[at] for at in sorted(ranks)]


def is_held_out(sample: Sample) -> bool:
    """Say whether a shape is one of those that no judged fit sees: the same on every device and in every run."""
    return _drawn(sample.what) < HELD_OUT


def _drawn(text: str) -> float:
    """Return a number from 0 to 1 that depends on nothing but a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32

"""A profile from measurements that somebody published: fits to all rows, and their errors on shapes never seen."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from simcore.calibrate.profile.boost import Growth, grow
from simcore.calibrate.profile.fit import fit_kernel, residuals
from simcore.models.compute.convolution import CONVOLUTIONS
from simcore.models.compute.correction import FEATURES, FEATURES_OF, Correction
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULA_OF, FORMULAS, TILES, seconds_of
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.profile import Errors, Fit, Sample

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
    "gemm": Growth(400, 5, 0.14), **dict.fromkeys(CONVOLUTIONS, Growth(200, 6, 0.1)), "stream": Growth(40, 4, 0.25),
}  # fmt: skip
"""How much is learned of what each formula misses by."""

COMMON = 0.02
"""Share of the rows from which on a tile of the library counts."""

MOST_TILES = 8
"""Tiles that shapes are described by at most."""

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
    fitted = [fit_measurements(group, device) for group in groups.values() if len(group) >= LEAST]
    return tuple(fit for fit, _ in fitted), tuple(one for _, kept in fitted for one in kept), few


def corrected(base: Fit, samples: Sequence[Sample], tiles: Sequence[tuple[int, int]], device: Device) -> Fit:
    """Return a fit with what its formula misses by learned from samples, and the ranges of their sizes."""
    formula = base.formula
    kind = FEATURES_OF[formula]
    bare = replace(base, correction=None)
    features = np.array([FEATURES[kind](sample.shape, tiles, device) for sample in samples])
    misses = np.array([math.log(one.seconds / seconds_of(bare, one.shape, device)) for one in samples])
    trees = grow(features, misses, GROWTH[formula])
    measures = [FORMULAS[formula].measures(sample.shape) for sample in samples]
    ranges = {key: (min(m[key] for m in measures), max(m[key] for m in measures)) for key in measures[0]}
    spread = statistics.median(sample.spread for sample in samples)
    return replace(base, ranges=ranges, spread=spread, held_out=(), correction=Correction(kind, tiles, trees))


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

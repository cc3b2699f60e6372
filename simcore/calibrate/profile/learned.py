"""What a formula misses by, learned from a calibration's own samples and judged on samples that were left out.

A library picks a kernel by shape and packs operands, which a formula of seven parameters does not follow. With some
hundred samples of different shapes trees do. They would meet the samples that they saw better than others, so the
residuals of such a fit are cross-validated: each is of trees that never saw the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simcore.calibrate.profile.boost import Growth, grow
from simcore.models.compute.correction import FEATURES, FEATURES_OF, Correction
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.profile import Fit, Sample

LEAST = 100
"""Samples of different shapes from which on trees are grown."""

GROWTH = Growth(100, 3, 0.15)
"""Small trees: they see hundreds of samples, not thousands."""

FOLDS = 5
"""Parts that the samples are cut into, each of which is left out once."""

SHAPES_OF = {"cpu": ((8, 16), (16, 64), (32, 32)), "cuda": ((256, 128), (128, 128), (64, 64), (32, 32))}
"""Tiles BM x BN by which products are described, by kind of device."""


def can_learn(fit: Fit, samples: Sequence[Sample]) -> bool:
    """Say whether the samples of a fit are enough to learn what its formula misses by; products alone have so many."""
    return fit.formula == "gemm" and len(samples) >= LEAST


def learned(fit: Fit, samples: Sequence[Sample], unseen: Sequence[Sample], device: Device) -> Fit:
    """Return a fit with a correction of its formula.

    Parameters
    ----------
    fit : Fit
        The formula's parameters.
    samples, unseen : sequence of Sample
        Those that it was fitted to, and those that are held out and stay so.
    device : Device
        Where they were measured.

    Returns
    -------
    Fit
        With cross-validated residuals of the samples, and those of the held-out ones.
    """
    residuals = np.zeros(len(samples))
    for fold in range(FOLDS):
        left_out = range(fold, len(samples), FOLDS)
        rest = [one for at, one in enumerate(samples) if at % FOLDS != fold]
        of_rest = corrected(fit, rest, device)
        residuals[list(left_out)] = _misses(of_rest, [samples[at] for at in left_out], device)
    whole = corrected(fit, samples, device)
    return replace(whole, residuals=_short(residuals.tolist()), held_out=_short(_misses(whole, unseen, device)))


def corrected(fit: Fit, samples: Sequence[Sample], device: Device) -> Fit:
    """Return a fit whose time is multiplied by what its formula misses by at samples."""
    bare, kind, tiles = replace(fit, correction=None), FEATURES_OF[fit.formula], SHAPES_OF[device.kind]
    features = np.array([FEATURES[kind](one.shape, tiles, device) for one in samples])
    misses = np.array([math.log(one.seconds / seconds_of(bare, one.shape, device)) for one in samples])
    return replace(fit, correction=Correction(kind, tiles, grow(features, misses, GROWTH)))


def _misses(fit: Fit, samples: Sequence[Sample], device: Device) -> list[float]:
    return [seconds_of(fit, one.shape, device) / one.seconds - 1 for one in samples]


def _short(residuals: Sequence[float]) -> tuple[float, ...]:
    """Return residuals of four digits, which is more than any measurement has."""
    return tuple(round(float(one), 4) for one in residuals)

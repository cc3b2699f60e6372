"""Where a calibration is kept while it runs: one profile file, written as it goes, that a later run carries on with."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from simcore.calibrate.measure.passes import merge, spread_between
from simcore.calibrate.profile.fit import fit_all
from simcore.errors import InputError
from simcore.errors import field as mark
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.outputs import is_there, write_atomic
from simcore.readers.profile_json import profile_text, read_document

EVERY = 5.0
"""Seconds between two writes [s]."""

SAME = ("device", "torch", "cuda", "driver")
"""Fields of a fingerprint that two runs must share for one to carry on with the other's samples."""


class Store:
    """A profile on its way into a file.

    Parameters
    ----------
    path : Path
        The file.
    profile : KernelProfile
        Device and fingerprint, without samples.
    """

    def __init__(self, path: Path, profile: KernelProfile) -> None:
        self.path, self.profile = path, profile
        self.samples: dict[str, Sample] = {}
        self.fits: tuple[Fit, ...] = ()
        self._parts: dict[str, list[Sample]] = {}
        self._written = time.monotonic()

    def resume(self) -> None:
        """Take over the samples that the file already has, and its fits until new ones are made.

        Raises
        ------
        InputError
            If it is no profile, was edited, or is of another device.
        """
        if not is_there(self.path):
            return
        earlier = KernelProfile.from_document(read_document(self.path))
        for field in SAME:
            found, here = earlier.fingerprint.get(field, ""), self.profile.fingerprint.get(field, "")
            if found != here:
                remedy = f"Write to another file, or add {mark('force')} to start anew."
                raise InputError(str(self.path), f"a profile with {field} '{found}'", f"'{here}'", remedy)
        self.samples = {sample.key: sample for sample in earlier.samples}
        self.fits = earlier.fits
        self.profile = replace(self.profile, elastic=earlier.elastic)
        self._parts = {sample.key: _split(sample) for sample in earlier.samples}

    def passes(self, key: str) -> int:
        """Return how often a case was measured."""
        return len(self._parts.get(key, ()))

    def add(self, sample: Sample) -> None:
        """Keep one pass of a case, and write the file if the last time is some seconds ago."""
        self._parts.setdefault(sample.key, []).append(sample)
        self.samples[sample.key] = merge(self._parts[sample.key])
        if time.monotonic() - self._written > EVERY:
            self.write(fitted=False)

    def drop(self, kernel: str, dtype: str) -> None:
        """Forget every sample of a kernel in a number format, and what was fitted to them."""
        self.fits = tuple(fit for fit in self.fits if (fit.kernel, fit.dtype) != (kernel, dtype))
        for key in [key for key, one in self.samples.items() if (one.kernel, one.dtype) == (kernel, dtype)]:
            del self.samples[key], self._parts[key]

    def write(self, *, fitted: bool = True) -> KernelProfile:
        """Write the file whole and return the profile; unless it is `fitted`, with the fits that it had before.

        Fits take seconds, so they are made once at the end: a profile that can be used stays so while more is measured.
        """
        samples = tuple(self.samples.values())
        if fitted:
            self.fits = fit_all(samples, self.profile.device)
        profile = replace(self.profile, samples=samples, fits=self.fits)
        write_atomic(self.path, profile_text(profile))
        self._written = time.monotonic()
        return profile


def _split(sample: Sample) -> list[Sample]:
    """Return the passes that a sample was merged of.

    A merged spread is the larger of that within the passes and that between them. The latter is known again from the
    medians; the former only where it was the larger, else it is NaN, which `merge` leaves out.
    """
    medians = sample.passes or (sample.seconds,)
    calls = max(1, sample.repeats // len(medians))
    within = sample.spread if len(medians) == 1 or sample.spread > spread_between(medians) else math.nan
    return [replace(sample, seconds=seconds, spread=within, repeats=calls, passes=()) for seconds in medians]

"""Noise: sparse kernels whose samples spread above the bound, be they fitted or points of a tile table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from simcore.models.compute.kernels import has_formula
from simcore.models.compute.profile import NOISY, Errors, KernelProfile, Sample, State
from simcore.models.compute.sparse.profiled import axis_of, sample_seconds
from simcore.models.compute.sparse.tiles import SparseKernel


@dataclass(frozen=True)
class MeasuredTiles:
    """The samples of a sparse kernel without a formula. Each sample is a point of its tile's table.

    Attributes
    ----------
    kernel, dtype : str
        What was measured: ``pit-k``, ``fp16``.
    samples : tuple of Sample
        All of them. Those that are held out fill no table.
    errors : Errors or None
        Of the tables on held-out samples; None where there are none.
    """

    kernel: str
    dtype: str
    samples: tuple[Sample, ...]
    errors: Errors | None

    @property
    def state(self) -> State:
        """Where their operands were."""
        return self.samples[0].state

    @property
    def spread(self) -> float:
        """Median relative spread of the samples."""
        return statistics.median(one.spread for one in self.samples)

    @property
    def noisy_samples(self) -> int:
        """How many samples spread more than `NOISY`. Each counts, since no other point of a table evens it out."""
        return sum(one.spread > NOISY for one in self.samples)

    @property
    def noisy(self) -> bool:
        """Whether any does."""
        return self.noisy_samples > 0

    @property
    def described(self) -> str:
        """How many samples there are, and how many of them are noisy."""
        noise = f", {self.noisy_samples} of them with a spread above {NOISY:.0%}" if self.noisy else ""
        return f"no formula, {len(self.samples)} samples in tables of tiles{noise}"


def measured_tiles(profile: KernelProfile) -> list[MeasuredTiles]:
    """Return the sparse kernels that have no formula on the device, in the order of the samples.

    On CUDA no sparse kernel has one.
    """
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in profile.samples:
        if axis_of(sample.kernel) and not has_formula(sample.kernel, profile.device):
            groups.setdefault((sample.kernel, sample.dtype), []).append(sample)
    return [MeasuredTiles(*key, tuple(samples), _errors(profile, samples)) for key, samples in groups.items()]


def noisy_kernels(profile: KernelProfile) -> set[tuple[str, str]]:
    """Return kernel and number format of all fits and tables that are noisy."""
    fits = {(fit.kernel, fit.dtype) for fit in profile.fits if fit.noisy}
    return fits | {(tiles.kernel, tiles.dtype) for tiles in measured_tiles(profile) if tiles.noisy}


def _errors(profile: KernelProfile, samples: Iterable[Sample]) -> Errors | None:
    unseen = [sample for sample in samples if sample.held_out]
    pairs = zip(unseen, sample_seconds(profile, unseen), strict=True)
    return Errors.of([predicted / one.seconds - 1 for one, predicted in pairs if predicted is not None])


def noise(profile: KernelProfile, dtype: str, kernels: Iterable[SparseKernel]) -> list[str]:
    """Say which of some kernels, and which of their indices, were measured with a spread above `NOISY`.

    Parameters
    ----------
    profile : KernelProfile
        Of the device.
    dtype : str
        Number format of the product.
    kernels : iterable of SparseKernel
        Those whose times are used.

    Returns
    -------
    list of str
        A note for each axis and for each index. `simcore.models.compute.predict` has those of dense kernels.
    """
    kernels = list(kernels)
    bound = f"with a spread above the bound of {NOISY:.0%}"
    notes: dict[str, None] = {}
    for axis in dict.fromkeys(kernel.axis for kernel in kernels):
        fit = profile.fit(f"pit-{axis}", dtype)
        index = profile.fit(f"index-{axis}", "bool", "warm") or profile.fit("index", "bool")
        for each in (fit, index):
            if each is not None and each.noisy:
                notes[f"{each.kernel} {each.dtype}: measured {bound}"] = None
        if fit is None:
            points = [one for one in profile.samples if (one.kernel, one.dtype) == (f"pit-{axis}", dtype)]
            noisy = sum(one.spread > NOISY for one in points)
            if noisy:
                notes[f"pit-{axis} {dtype}: {noisy} of {len(points)} samples measured {bound}"] = None
    return list(notes)

"""A profile from timed operators of models: kernels that were never timed alone, only in sums.

An operator's time is that of its kernels, see `simcore.models.compute.operator_time.Harness`. The kernels are fitted
together, in rounds: what an operator took beside its collectives is divided among its kernels as the last round
predicts them, each kernel is fitted to its parts, and the harness to what is left. A kernel that is alone in some
operators is so pinned down by them; kernels that always run together, as both gradients of a convolution, are told
apart by their shapes alone, and their sum is better known than each.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simcore.calibrate.profile.fit import fit_kernel, residuals
from simcore.calibrate.profile.published import (
    FITTED,
    HELD_OUT,
    LEAST,
    ORIGIN,
    STORED,
    STORED_OTHERS,
    corrected,
    thinned,
)
from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.convolution import CONVOLUTIONS, as_product
from simcore.models.compute.correction import FEATURES_OF
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULA_OF, seconds_of
from simcore.models.compute.operator_time import Harness, Link, OperatorTime
from simcore.models.compute.predict import sizes_known
from simcore.models.compute.profile import Errors, Fit, Sample
from simcore.models.compute.seconds import TILES
from simcore.models.network.collectives import traffic
from simcore.progress import tracked

ROUNDS = (False, False, True, True)
"""Rounds of a fit, and whether what formulas miss by is learned in each."""

LAUNCHED = 5e-6
"""What a kernel takes beside its work before anything is known of it [s]."""

WAITED = 1.15
"""An operator that takes up to so many times what the host takes tells of its kernels no more than a bound."""

SENT = 0.6
"""An operator whose collectives take a larger share of its time tells too little of its kernels."""

PART = 0.05
"""A kernel with a smaller share of an operator learns nothing from it."""

PART_BESIDE = {"copy": 0.25}
"""The same beside collectives: the time of copies that pack what is sent is not told apart from that of sending."""

HICCUP = 0.4
"""Miss, in a logarithm, from which on a time counts as disturbed in the last round: 49 % too long."""

LEAST_SHAPES = {"gemm": 100}
"""Different shapes that a kernel of many sizes takes at least beside `LEAST` operators; the last layer of a
convolutional network, of as many rows as images, tells nothing of other products."""

QUANTILES = 31
"""Values that are tried for what the host takes."""

Key = tuple[str, str]


@dataclass
class Known:
    """What is known of kernels and harness after a round.

    Attributes
    ----------
    device : Device
        What was timed.
    fits : dict
        By kernel and number format; what has none is predicted from peak and bandwidth.
    harness : Harness
        What the machine and the code around the kernels take.
    disturbed : int
        Times that the last round left out.
    """

    device: Device
    fits: dict[Key, Fit] = field(default_factory=dict)
    harness: Harness = field(default_factory=lambda: Harness({}, {}))
    disturbed: int = 0
    _seconds: dict[KernelCall, float] = field(default_factory=dict)

    def kernels(self, operator: OperatorTime) -> list[float]:
        """Return what each kernel of an operator takes [s]."""
        return [self._of(call) for call in operator.calls]

    def miss(self, operator: OperatorTime) -> float:
        """Return predicted / measured - 1 of an operator."""
        return self.harness.seconds(operator, self.kernels(operator)) / operator.seconds - 1

    def _of(self, call: KernelCall) -> float:
        if call not in self._seconds:
            self._seconds[call] = self._predicted(call)
        return self._seconds[call]

    def _predicted(self, call: KernelCall) -> float:
        fit = self.fits.get((call.kernel, call.dtype or ""))
        if fit is None:
            return LAUNCHED + _bound(call, self.device)
        return seconds_of(fit, sizes_known(fit, call.kernel, dict(call.shape)), self.device)


def fit_operators(
    operators: Sequence[OperatorTime], device: Device, left_out: str
) -> tuple[tuple[Fit, ...], tuple[Sample, ...], Known, tuple[str, ...]]:
    """Fit every kernel that timed operators tell enough of.

    A fit to four fifths of the combinations of model, size, micro-batch and tensor parallelism, drawn by a hash, is
    judged on the others, each operator by its longest kernel. The fits that are returned are of the same kind, to all.

    Parameters
    ----------
    operators : sequence of OperatorTime
        Of one device.
    device : Device
        Where they were timed.
    left_out : str
        Operator that no fit sees.

    Returns
    -------
    tuple of Fit, tuple of Sample, Known, tuple of str
        Fits with errors on held-out combinations, samples that a profile holds, all that was learned, and a line for
        what is left out.
    """
    rows = distinct(one for one in operators if one.op != left_out)
    judged = judge(known_from([one for one in rows if not is_held_out(one)], device), filter(is_held_out, rows))
    known = known_from(rows, device)
    fits, kept = [], []
    parts = _parts(rows, known, bounds=False)
    for key, fit in known.fits.items():
        samples = thinned(parts.get(key, []), STORED.get(fit.kernel, STORED_OTHERS))
        misses = tuple(round(miss, 4) for miss in residuals(fit, samples, device))
        fits.append(replace(fit, residuals=misses, judged=judged.get(key), origin=ORIGIN))
        kept += samples
    lines = [f"{left_out}: left out, as it holds warm-up effects"] if len(rows) < len(operators) else []
    lines += [f"no fit of {key[0]} {key[1]}: {why}"
              for key, each in _parts(rows, known, bounds=True).items() if (why := _too_few(key, each))]  # fmt: skip
    if known.disturbed:
        lines.append(f"{known.disturbed} of {len(rows)} times: over {math.expm1(HICCUP):.0%} off, taken as disturbed")
    return tuple(fits), tuple(kept), known, tuple(lines)


def known_from(rows: Sequence[OperatorTime], device: Device) -> Known:
    """Fit kernels and harness together, see `ROUNDS`."""
    known = Known(device, harness=_first_harness(rows))
    for number, learned in enumerate(ROUNDS, 1):
        used = rows
        if number == len(ROUNDS):
            used = [one for one in rows if abs(math.log1p(known.miss(one))) < HICCUP]
        groups = {key: samples for key, samples in _parts(used, known, bounds=True).items()
                  if FORMULA_OF[key[0]] in FEATURES_OF and not _too_few(key, samples)}  # fmt: skip
        what = f"fits, round {number} of {len(ROUNDS)}"
        fits = {key: _fitted(samples, device, learned) for key, samples in tracked(groups.items(), what)}
        known = Known(device, fits, known.harness, len(rows) - len(used))
        known.harness = fit_harness(used, known)
    return known


def judge(known: Known, unseen: Iterable[OperatorTime]) -> dict[Key, Errors]:
    """Return errors on operators that were not seen, by the kernel that takes longest in each."""
    misses: dict[Key, list[float]] = {}
    for one in unseen:
        if one.calls:
            kernels = known.kernels(one)
            longest = one.calls[kernels.index(max(kernels))]
            misses.setdefault((longest.kernel, longest.dtype or ""), []).append(known.miss(one))
    return {key: errors for key, each in misses.items() if (errors := Errors.of(each)) is not None}


def distinct(operators: Iterable[OperatorTime]) -> list[OperatorTime]:
    """Return operators without those whose times were copied: equal blocks, and cuts that change nothing."""
    first: dict[tuple[object, ...], OperatorTime] = {}
    for one in operators:
        first.setdefault((one.kind, one.run, one.calls, one.collectives, one.ranks, one.seconds), one)
    return list(first.values())


def is_held_out(operator: OperatorTime, salt: str = "") -> bool:
    """Say whether the combination that an operator was timed with is one of those that no judged fit sees."""
    drawn = hashlib.sha256((salt + operator.combination).encode()).hexdigest()[:8]
    return int(drawn, 16) / 2**32 < HELD_OUT


def _too_few(key: Key, samples: Sequence[Sample]) -> str:
    """Say why the samples of a kernel are too few for a fit; empty where they are not."""
    if len(samples) < LEAST:
        return f"{len(samples)} operators of the {LEAST} that a fit takes at least"
    shapes = {one.key for one in samples}
    least = LEAST_SHAPES.get(key[0], 1)
    return f"{len(shapes)} shapes of the {least} that a fit takes at least" if len(shapes) < least else ""


def _fitted(samples: Sequence[Sample], device: Device, learned: bool) -> Fit:
    base = fit_kernel(thinned(samples, FITTED), device)
    return corrected(base, samples, TILES[device.kind], device) if learned else base


def _parts(rows: Iterable[OperatorTime], known: Known, *, bounds: bool) -> dict[Key, list[Sample]]:
    """Divide what operators took among their kernels.

    Where the host set the time, the kernels took that at most: they keep what is predicted up to it, or, without
    `bounds`, are no sample.
    """
    parts: dict[Key, list[Sample]] = {}
    for one in rows:
        kernels, network = known.kernels(one), known.harness.network(one)
        total, left = math.fsum(kernels), one.seconds - network
        if not kernels or network > SENT * one.seconds:
            continue
        if left < WAITED * known.harness.host.get((one.kind, one.run), 0.0):
            if not bounds:
                continue
            left = min(left, total)
        for call, seconds in zip(one.calls, kernels, strict=True):
            least = PART if one.ranks == 1 else PART_BESIDE.get(call.kernel, PART)
            if seconds >= least * total:
                key = call.kernel, call.dtype or ""
                parts.setdefault(key, []).append(_part(one, call, left * seconds / total))
    return parts


def _part(one: OperatorTime, call: KernelCall, seconds: float) -> Sample:
    note = "" if len(one.calls) == 1 and one.ranks == 1 else f"part of {one.op} {one.run}"
    return Sample(call.kernel, call.dtype or "", dict(call.shape), seconds, note=note, state="warm")


def fit_harness(rows: Sequence[OperatorTime], known: Known) -> Harness:
    """Fit what host and collectives take, with the kernels as they are known."""
    host = {key: _host(each, known) for key, each in _grouped(rows, lambda one: (one.kind, one.run)).items()}
    sending = [one for one in rows if one.ranks > 1 and one.collectives]
    groups = _grouped(sending, lambda one: (one.model, one.ranks))
    bare = replace(known.harness, host=host)
    return Harness(host, {key: _link(each, known, bare) for key, each in groups.items()})


def _first_harness(rows: Sequence[OperatorTime]) -> Harness:
    """Return what the quickest operators of a kind take, and links of the device's own speed."""
    groups = _grouped(rows, lambda one: (one.kind, one.run))
    host = {key: float(np.quantile([one.seconds for one in each], 0.05)) for key, each in groups.items()}
    sending = _grouped([one for one in rows if one.ranks > 1], lambda one: (one.model, one.ranks))
    return Harness(host, {(model, ranks): Link(1e-4, 1.6e10 * ranks) for model, ranks in sending})


def _host(rows: Sequence[OperatorTime], known: Known) -> float:
    """Return the least time with which the operators of a kind are met best."""
    left = np.array([one.seconds - known.harness.network(one) for one in rows])
    kernels = np.array([math.fsum(known.kernels(one)) for one in rows])
    weights = 1 / np.array([one.seconds for one in rows])
    tried = [0.0, *(each for each in np.quantile(left, np.linspace(0, 0.6, QUANTILES)) if each > 0)]
    return float(min(tried, key=lambda host: float((np.abs(np.maximum(host, kernels) - left) * weights).sum())))


def _link(rows: Sequence[OperatorTime], known: Known, harness: Harness) -> Link:
    """Return start and bandwidth with which what the kernels leave is met best."""
    from scipy.optimize import least_squares

    alone = [harness.seconds(replace(one, ranks=1), known.kernels(one)) for one in rows]
    left = np.array([one.seconds - each for one, each in zip(rows, alone, strict=True)])
    sent = np.array([[1e-4 * len(one.collectives), 1e-11 * _sent(one)] for one in rows])
    weights = 1 / np.array([one.seconds for one in rows])

    def misses(point: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((sent @ point - left) * weights)

    solution = least_squares(misses, [1.0, 2.0], loss="soft_l1", f_scale=0.05, bounds=([0, 1e-3], [100, 1e4]))
    return Link(1e-4 * float(solution.x[0]), 1e11 / float(solution.x[1]))


_Group = TypeVar("_Group")


def _grouped(rows: Iterable[OperatorTime], key: Callable[[OperatorTime], _Group]) -> dict[_Group, list[OperatorTime]]:
    groups: dict[_Group, list[OperatorTime]] = {}
    for one in rows:
        groups.setdefault(key(one), []).append(one)
    return groups


def _sent(one: OperatorTime) -> float:
    return math.fsum(traffic(collective, size, (one.ranks,))[0] for collective, size in one.collectives)


def _bound(call: KernelCall, device: Device) -> float:
    """Return what peak and bandwidth give for a kernel that nothing is known of [s]."""
    shape = dict(call.shape)
    if "bytes" in shape:
        return shape["bytes"] / device.bandwidth
    if "rows" in shape:
        return 2 * shape["rows"] * shape["width"] / device.bandwidth
    product = as_product(shape, CONVOLUTIONS[call.kernel]) if call.kernel in CONVOLUTIONS else shape
    return 2 * math.prod(product[name] for name in ("m", "n", "k", "batch")) / device.peak(call.dtype or "")

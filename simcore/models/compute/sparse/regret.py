"""Regret: what the choice of a kernel by predicted time loses against the fastest kernel measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simcore.models.compute.profile import Sample
from simcore.models.compute.sparse.composed import positions_index

FAMILIES = ("pit", "moe", "sequence")
"""Families of kernels that compute the same: the part of their names before the dash."""


def selection_regret(samples: Sequence[tuple[Sample, float]]) -> dict[str, tuple[float, ...]]:
    """Return the regret of choosing by prediction, for each problem on which several kernels were measured.

    ``regret = t(argmin_k predicted_k) / min_k t_k - 1`` over the kernels k of a family. A problem is a shape without
    the tile.

    - `pit`: sparse products on every axis and tile, each with its index, and the dense product.
    - `moe`: experts. Routing is left out, as every kernel needs it.
    - `sequence`: padded sequences, and packed ones with their index.

    A kernel whose index was not measured on a problem cannot be chosen there.

    Parameters
    ----------
    samples : sequence of (Sample, float)
        Measurements and their predicted seconds [s].

    Returns
    -------
    dict of str to tuple of float
        By family, a number for each problem on which at least two kernels were measured.

    Examples
    --------
    >>> a, b = Sample("moe-loop", "fp32", {"tokens": 8}, 1.0), Sample("moe-padded", "fp32", {"tokens": 8}, 2.0)
    >>> selection_regret([(a, 1.5), (b, 1.0)])
    {'moe': (1.0,)}
    """
    times = {(one.kernel, _sizes(one.shape)): (predicted, one.seconds) for one, predicted in samples}
    dense = {(one.dtype, _sizes(one.shape)): pair for one, pair in _pairs(samples) if one.kernel == "gemm"}
    problems: dict[tuple[str, str, bool, _Sizes], list[tuple[float, float]]] = {}
    for sample, (predicted, measured) in _pairs(samples):
        family, _, way = sample.kernel.partition("-")
        if family not in FAMILIES:
            continue
        index = times.get(_index(sample)) if family == "pit" or way == "packed" else (0.0, 0.0)
        if index is None:  # without its index a sparse product cannot run
            continue
        sizes = tuple(item for item in _sizes(sample.shape) if not item[0].startswith("tile_"))
        pairs = problems.setdefault((family, sample.dtype, way == "n", sizes), [])
        pairs.append((predicted + index[0], measured + index[1]))
    regrets: dict[str, tuple[float, ...]] = {}
    for (family, dtype, _, sizes), pairs in problems.items():
        if family == "pit":
            product = (("batch", 1), *(item for item in sizes if item[0] in {"m", "n", "k"}))
            pairs += [dense[dtype, product]] if (dtype, product) in dense else []
        if len(pairs) > 1:
            regret = min(pairs)[1] / min(measured for _, measured in pairs) - 1
            regrets[family] = (*regrets.get(family, ()), regret)
    return regrets


_Sizes = tuple[tuple[str, float], ...]


def _index(sample: Sample) -> tuple[str, _Sizes]:
    """Return the kernel and the sizes of the index that a sparse product or a packed batch needs."""
    family, _, way = sample.kernel.partition("-")
    if family == "pit":
        return f"index-{way}", _sizes(sample.shape)
    positions = int(sample.shape["batch"] * sample.shape["longest"])
    return "index-sequence", _sizes(positions_index(positions, int(sample.shape["valid"])))


def _sizes(shape: Mapping[str, float]) -> _Sizes:
    return tuple(sorted(shape.items()))


def _pairs(samples: Sequence[tuple[Sample, float]]) -> list[tuple[Sample, tuple[float, float]]]:
    return [(sample, (predicted, sample.seconds)) for sample, predicted in samples]

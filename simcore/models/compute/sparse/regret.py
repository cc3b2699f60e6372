"""What choosing a kernel by its predicted time costs, where every candidate was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simcore.models.compute.profile import Sample
from simcore.models.compute.sparse.composed import positions_index

FAMILIES = ("pit", "moe", "sequence")
"""Kernels of which one is chosen: what stands before the dash in their names."""


def selection_regret(samples: Sequence[tuple[Sample, float]]) -> dict[str, tuple[float, ...]]:
    """Return the regret of choosing by prediction wherever several kernels of one family were measured on one problem.

    ``regret = t(argmin_k predicted_k) / min_k t_k - 1`` over the kernels k that compute the same: sparse products on
    every axis and tile (`pit`), each with its index, and dense; experts (`moe`), without the routing, which every way
    needs; sequences (`sequence`), packed ones with their index. A problem is a shape without the tile; a kernel whose
    index was not measured on it cannot be chosen.

    Parameters
    ----------
    samples : sequence of (Sample, float)
        Measurements and their predicted seconds [s].

    Returns
    -------
    dict of str to tuple of float
        By family, a number for each problem that two kernels or more were measured on.

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
    found: dict[str, tuple[float, ...]] = {}
    for (family, dtype, _, sizes), pairs in problems.items():
        if family == "pit":
            product = (("batch", 1), *(item for item in sizes if item[0] in {"m", "n", "k"}))
            pairs += [dense[dtype, product]] if (dtype, product) in dense else []
        if len(pairs) > 1:
            regret = min(pairs)[1] / min(measured for _, measured in pairs) - 1
            found[family] = (*found.get(family, ()), regret)
    return found


_Sizes = tuple[tuple[str, float], ...]


def _index(sample: Sample) -> tuple[str, _Sizes]:
    """Return kernel and sizes of the index that a sparse product or a packed batch needs."""
    family, _, way = sample.kernel.partition("-")
    if family == "pit":
        return f"index-{way}", _sizes(sample.shape)
    positions = int(sample.shape["batch"] * sample.shape["longest"])
    return "index-sequence", _sizes(positions_index(positions, int(sample.shape["valid"])))


def _sizes(shape: Mapping[str, float]) -> _Sizes:
    return tuple(sorted(shape.items()))


def _pairs(samples: Sequence[tuple[Sample, float]]) -> list[tuple[Sample, tuple[float, float]]]:
    return [(sample, (predicted, sample.seconds)) for sample, predicted in samples]

"""Kernels for scripts: profiles and their studies, predictions, and the choice of a sparse kernel.

Examples
--------
>>> from simcore.kernels import Product, RandomMask, predict, read_profile, select, tile_table
>>> profile = read_profile("cpu").value
>>> predict(profile, "gemm", "fp32", {"m": 512, "n": 512, "k": 512, "batch": 1}).basis
'on shapes of this size and nearby'
>>> product, mask = Product(1024, 1024, 1024), RandomMask(1024, 1024, 32, 1, 0.95)
>>> select(product, mask, tile_table(profile, product, mask)).best.name
'k-axis 32x1'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.compute.device import Device
    from simcore.models.compute.predict import Prediction, predict
    from simcore.models.compute.profile import Errors, Fit, KernelProfile, Sample
    from simcore.models.compute.sparse.masks import RandomMask, coverage
    from simcore.models.compute.sparse.prices import TileEntry, TileTable
    from simcore.models.compute.sparse.profiled import index_cost, tile_table
    from simcore.models.compute.sparse.regret import selection_regret
    from simcore.models.compute.sparse.selection import Candidate, Selection, select
    from simcore.models.compute.sparse.tiles import Product, SparseKernel, Work
    from simcore.models.training.dynamic import DynamicCase, dynamic_cases
    from simcore.models.training.dynamic_times import predict_dynamic
    from simcore.readers.profiles import read_profile
    from simcore.studies.calibrate import calibrate
    from simcore.studies.kernel import break_even, matmul
    from simcore.studies.profile import compare, derive, show, validate

__getattr__, __dir__ = attach(
    __name__,
    {
        "Candidate": "simcore.models.compute.sparse.selection",
        "Device": "simcore.models.compute.device",
        "DynamicCase": "simcore.models.training.dynamic",
        "Errors": "simcore.models.compute.profile",
        "Fit": "simcore.models.compute.profile",
        "KernelProfile": "simcore.models.compute.profile",
        "Prediction": "simcore.models.compute.predict",
        "Product": "simcore.models.compute.sparse.tiles",
        "RandomMask": "simcore.models.compute.sparse.masks",
        "Sample": "simcore.models.compute.profile",
        "Selection": "simcore.models.compute.sparse.selection",
        "SparseKernel": "simcore.models.compute.sparse.tiles",
        "TileEntry": "simcore.models.compute.sparse.prices",
        "TileTable": "simcore.models.compute.sparse.prices",
        "Work": "simcore.models.compute.sparse.tiles",
        "break_even": "simcore.studies.kernel",
        "calibrate": "simcore.studies.calibrate",
        "compare": "simcore.studies.profile",
        "coverage": "simcore.models.compute.sparse.masks",
        "derive": "simcore.studies.profile",
        "dynamic_cases": "simcore.models.training.dynamic",
        "index_cost": "simcore.models.compute.sparse.profiled",
        "matmul": "simcore.studies.kernel",
        "predict": "simcore.models.compute.predict",
        "predict_dynamic": "simcore.models.training.dynamic_times",
        "read_profile": "simcore.readers.profiles",
        "select": "simcore.models.compute.sparse.selection",
        "selection_regret": "simcore.models.compute.sparse.regret",
        "show": "simcore.studies.profile",
        "tile_table": "simcore.models.compute.sparse.profiled",
        "validate": "simcore.studies.profile",
    },
)

__all__ = [
    "Candidate",
    "Device",
    "DynamicCase",
    "Errors",
    "Fit",
    "KernelProfile",
    "Prediction",
    "Product",
    "RandomMask",
    "Sample",
    "Selection",
    "SparseKernel",
    "TileEntry",
    "TileTable",
    "Work",
    "break_even",
    "calibrate",
    "compare",
    "coverage",
    "derive",
    "dynamic_cases",
    "index_cost",
    "matmul",
    "predict",
    "predict_dynamic",
    "read_profile",
    "select",
    "selection_regret",
    "show",
    "tile_table",
    "validate",
]

"""Sparse matrix products after PIT (SOSP'23): the tiles that a mask takes, their cost, and the fastest kernel.

`masks` has the pattern of zeros and the micro-tiles that hold a non-zero. `tiles` counts the dense tiles of a kernel.
`prices`, `packed` and `composed` price kernels. `profiled` takes the prices from a kernel profile. `selection`
chooses the fastest kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.compute.sparse.composed import COMPOSED, composed_seconds
    from simcore.models.compute.sparse.masks import RandomMask, coverage, expected_tiles, packed_tiles
    from simcore.models.compute.sparse.noise import MeasuredTiles, measured_tiles
    from simcore.models.compute.sparse.prices import PricedEntry, TileCost, TileEntry, TileTable, fit_cost
    from simcore.models.compute.sparse.profiled import index_cost, sample_seconds, tile_table
    from simcore.models.compute.sparse.regret import selection_regret
    from simcore.models.compute.sparse.selection import Candidate, Selection, select
    from simcore.models.compute.sparse.tiles import Product, SparseKernel, Work

__getattr__, __dir__ = attach(
    __name__,
    {
        "COMPOSED": "simcore.models.compute.sparse.composed",
        "Candidate": "simcore.models.compute.sparse.selection",
        "MeasuredTiles": "simcore.models.compute.sparse.noise",
        "PricedEntry": "simcore.models.compute.sparse.prices",
        "Product": "simcore.models.compute.sparse.tiles",
        "RandomMask": "simcore.models.compute.sparse.masks",
        "Selection": "simcore.models.compute.sparse.selection",
        "SparseKernel": "simcore.models.compute.sparse.tiles",
        "TileCost": "simcore.models.compute.sparse.prices",
        "TileEntry": "simcore.models.compute.sparse.prices",
        "TileTable": "simcore.models.compute.sparse.prices",
        "Work": "simcore.models.compute.sparse.tiles",
        "composed_seconds": "simcore.models.compute.sparse.composed",
        "coverage": "simcore.models.compute.sparse.masks",
        "expected_tiles": "simcore.models.compute.sparse.masks",
        "fit_cost": "simcore.models.compute.sparse.prices",
        "index_cost": "simcore.models.compute.sparse.profiled",
        "measured_tiles": "simcore.models.compute.sparse.noise",
        "packed_tiles": "simcore.models.compute.sparse.masks",
        "tile_table": "simcore.models.compute.sparse.profiled",
        "sample_seconds": "simcore.models.compute.sparse.profiled",
        "select": "simcore.models.compute.sparse.selection",
        "selection_regret": "simcore.models.compute.sparse.regret",
    },
)

__all__ = [
    "COMPOSED",
    "Candidate",
    "MeasuredTiles",
    "PricedEntry",
    "Product",
    "RandomMask",
    "Selection",
    "SparseKernel",
    "TileCost",
    "TileEntry",
    "TileTable",
    "Work",
    "composed_seconds",
    "coverage",
    "expected_tiles",
    "fit_cost",
    "index_cost",
    "measured_tiles",
    "packed_tiles",
    "sample_seconds",
    "select",
    "selection_regret",
    "tile_table",
]

"""PIT's published numbers: covered sparsity, kernel picks, and a sweep of tiles on a V100."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from simcore.models.compute.sparse.masks import RandomMask, coverage
from simcore.models.compute.sparse.prices import TileEntry, TileTable, fit_cost
from simcore.models.compute.sparse.selection import select
from simcore.models.compute.sparse.tiles import Product, SparseKernel

SHAPE = Product(4096, 4096, 4096)


def rows(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def kernels(shared):
    return rows(shared / "data" / "pit" / "ground_truth_kernels.csv")


def test_coverage_against_simulated_masks(shared):
    found = rows(shared / "data" / "pit" / "cover_sim.csv")
    errors = [
        abs(
            1
            - coverage(
                (int(row["tile_h"]), int(row["tile_w"])),
                (int(row["src_h"]), int(row["src_w"])),
                float(row["sparsity_in"]),
            )
            - float(row["sparsity_covered"])
        )
        for row in found
    ]
    assert len(errors) == 288
    assert max(errors) <= 0.005


def published_table(kernels):
    """The tile table of PIT's search: micro-tiles of 4, 8, 16 and 32 rows, and the dense product's 10.22 ms."""
    points: dict[int, dict[float, float]] = {}
    for row in kernels:
        if row["figure"] == "tileDB" and row["gran_h"]:
            points.setdefault(int(row["gran_h"]), {})[float(row["sparsity"])] = float(row["latency_ms"]) * 1e-3
    entries = [
        # the tile's other sides are not in the published table, and the lookup by bins does not need them
        TileEntry(SparseKernel("k", height, 32, 64), tuple(sorted(found)), tuple(found[s] for s in sorted(found)))
        for height, found in points.items()
    ]
    return TileTable(SHAPE, 10.22e-3, tuple(entries), "published")


def test_kernel_picks(kernels):
    table = published_table(kernels)
    assert len(table.entries) == 4
    hits = 0
    searched = [row for row in kernels if row["figure"] == "search"]
    for row in searched:
        mask = RandomMask(4096, 4096, int(row["gran_h"]), int(row["gran_w"]), float(row["sparsity"]))
        best = select(SHAPE, mask, table, lookup="bins").best
        picked = "Dense" if best.kernel is None else str(best.kernel.micro)
        hits += picked == row["kernel"].removeprefix("selected:")
    assert len(searched) == 9
    assert hits >= 8  # the ninth lies on the edge of a bin, where the sampled mask fell on the other side


def test_sweep_over_tiles(kernels):
    """Slope and offset from the four points of 32x64 blocks; the eight others are held out."""
    points = []
    for row in kernels:
        if row["figure"] == "15":
            block = int(row["gran_h"]), int(row["gran_w"])
            tile = int(row["tile_m"]), int(row["tile_k"])
            points.append((block, tile, coverage(tile, block, float(row["sparsity"])), float(row["latency_ms"])))
    fitted = [point for point in points if point[0] == (32, 64)]
    cost = fit_cost([point[2] for point in fitted], [point[3] for point in fitted])
    assert cost.slope == pytest.approx(13.151, rel=0.005)
    assert cost.offset == pytest.approx(0.147, rel=0.01)
    held_out = [(tile, abs(cost.seconds(share) / ms - 1)) for block, tile, share, ms in points if block != (32, 64)]
    same_rows = [error for tile, error in held_out if tile[0] == 32]
    assert (len(held_out), len(same_rows)) == (8, 7)
    assert np.mean(same_rows) <= 0.05
    assert np.mean([error for _, error in held_out]) <= 0.10
    # one tile's cost does not carry over to another tile: the point with a 16x64 tile is missed by a third
    assert max(error for tile, error in held_out if tile == (16, 64)) > 0.25

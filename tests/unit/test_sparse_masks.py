"""Coverage, tile counts and the choice of a kernel, by hand and by property."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.compute.sparse.masks import (
    RandomMask,
    blocks_touched,
    coverage,
    expected_tiles,
    kept_chances,
    packed_tiles,
)
from simcore.models.compute.sparse.prices import TileEntry, TileTable, fit_cost
from simcore.models.compute.sparse.selection import select
from simcore.models.compute.sparse.tiles import Product, SparseKernel

SHAPE = Product(1024, 1024, 1024)
K32 = SparseKernel("k", 32, 32, 64)
ALL = [K32, SparseKernel("m", 32, 64, 64), SparseKernel("block", 32, 64, 64), SparseKernel("k", 16, 32, 64)]
K1 = SparseKernel("k", 32, 1, 1)
SIZES, SHARES = st.integers(1, 40), st.floats(0, 1)


def draw(mask, generator):
    blocks = -(-mask.rows // mask.height), -(-mask.columns // mask.width)
    some = generator.random(blocks) >= mask.sparsity
    return np.kron(some, np.ones((mask.height, mask.width), bool))[: mask.rows, : mask.columns].astype(bool)


def table(*kernels):
    entries = [TileEntry(k, (0.0, 0.5, 0.9), (10e-3, 5.5e-3, 1.9e-3)) for k in kernels]
    return TileTable(SHAPE, 8e-3, tuple(entries), "test")


@given(tile=SIZES, block=SIZES)
def test_blocks_touched_is_what_counting_gives(tile, block):
    counted = {}
    for start in range(0, tile * block, tile):
        touched = (start + tile - 1) // block - start // block + 1
        counted[touched] = counted.get(touched, 0) + 1 / block
    assert blocks_touched(tile, block) == pytest.approx(counted)


@given(tile=st.tuples(SIZES, SIZES), block=st.tuples(SIZES, SIZES), s=SHARES, t=SHARES)
def test_coverage_lies_between_the_density_and_one_and_falls_with_sparsity(tile, block, s, t):
    assert 1 - s - 1e-12 <= coverage(tile, block, s) <= 1
    assert coverage(tile, block, max(s, t)) <= coverage(tile, block, min(s, t)) + 1e-12


@given(length=st.integers(1, 5000), density=SHARES, pack=st.integers(1, 128))
def test_expected_tiles_are_between_the_bounds_of_rounding_up(length, density, pack):
    found = expected_tiles(length, density, pack)
    assert density * length / pack * (1 - 1e-6) - 1e-9 <= found <= density * length / pack + 1
    assert found <= -(-length // pack) * (1 + 1e-9)


@pytest.mark.parametrize("kernel", ALL, ids=lambda k: k.name)
@pytest.mark.parametrize("granularity", [(32, 1), (1, 64), (32, 64), (1, 1), (3, 5)])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95, 1.0])
def test_expected_work_is_the_mean_of_counted_work(kernel, granularity, sparsity):
    product, generator = Product(256, 384, 64), np.random.default_rng(0)
    mask = RandomMask(256, 384, *granularity, sparsity)
    expected = kernel.work(product, mask)
    counted = [kernel.work(product, draw(mask, generator)) for _ in range(20)]
    assert expected.all_tiles == counted[0].all_tiles
    spread = np.std([one.tiles for one in counted]) / 20**0.5
    assert abs(expected.tiles - np.mean([one.tiles for one in counted])) <= 4 * spread + 0.002 * expected.all_tiles
    assert expected.density == pytest.approx(np.mean([one.density for one in counted]), abs=0.05)


@pytest.mark.parametrize("kernel", [K1, SparseKernel("m", 1, 32, 1), *ALL], ids=lambda k: k.name)
@pytest.mark.parametrize(
    ("shape", "granularity", "sparsity"),
    [
        ((1024, 1024), (100, 100), 0.95),  # blocks wider than, but no multiple of, a micro-tile
        ((1024, 1024), (100, 100), 0.5),
        ((100, 100), (1, 64), 0.95),  # micro-tiles cut at the edges
        ((70, 300), (64, 64), 0.95),
        ((100, 130), (48, 5), 0.9),
        ((300, 70), (33, 40), 0.7),
        ((20, 50), (32, 64), 0.6),  # one block, larger than the matrix
    ],
)
def test_expected_work_is_that_of_simulated_masks_at_any_size(kernel, shape, granularity, sparsity):
    product, generator = Product(*shape, 64), np.random.default_rng(7)
    mask = RandomMask(*shape, *granularity, sparsity)
    expected = kernel.work(product, mask)
    counted = [kernel.work(product, draw(mask, generator)) for _ in range(100)]
    for name in ("tiles", "density", "groups"):
        values = [getattr(one, name) for one in counted]
        spread = np.std(values) / len(values) ** 0.5
        # two per cent on top, for what is rare enough to be missing from the sampled spread
        assert abs(getattr(expected, name) - np.mean(values)) <= 4 * spread + 0.02 * getattr(expected, name), name


@given(
    columns=st.integers(1, 12),
    micro=st.integers(1, 13),
    block=st.integers(1, 13),
    dead=st.sampled_from([0, 0.3, 0.9, 1]),
)
def test_the_number_of_kept_micro_tiles_is_what_listing_every_mask_gives(columns, micro, block, dead):
    blocks = -(-columns // block)
    listed = np.zeros(-(-columns // micro) + 1)
    for alive in itertools.product((False, True), repeat=blocks):
        row = np.repeat(alive, block)[:columns]
        kept = sum(row[start : start + micro].any() for start in range(0, columns, micro))
        listed[kept] += (1 - dead) ** sum(alive) * dead ** (blocks - sum(alive))
    assert kept_chances(columns, micro, block, dead) == pytest.approx(listed)


def test_the_n_axis_is_the_m_axis_of_the_transposed_product():
    mask = RandomMask(384, 256, 1, 1, 0.99)
    by_n = SparseKernel("n", 64, 32, 16).work(Product(128, 384, 256), mask)
    by_m = SparseKernel("m", 16, 32, 64).work(Product(256, 384, 128), mask.transposed)
    assert (by_n.tiles, by_n.all_tiles) == (by_m.tiles, by_m.all_tiles)


def test_full_and_empty_masks():
    for kernel in ALL:
        assert kernel.work(SHAPE, np.ones((1024, 1024), bool)).share == 1
        assert kernel.work(SHAPE, np.zeros((1024, 1024), bool)).tiles == 0
    assert packed_tiles(np.eye(4, dtype=bool), (2, 1), 4) == (2.0, 0.5)


def test_times_at_measured_points_and_at_another_shape():
    entry = table(K32).entries[0]
    whole = K32.work(SHAPE, RandomMask(1024, 1024, 32, 1, 0.5))
    assert entry.interpolated_seconds(whole, SHAPE, SHAPE) == pytest.approx(5.5e-3)
    double = Product(2048, 1024, 1024)
    work = K32.work(double, RandomMask(2048, 1024, 32, 1, 0.5))
    assert 2 * 5.5e-3 * 0.8 < entry.interpolated_seconds(work, double, SHAPE) <= 2 * 5.5e-3
    nothing = K32.work(SHAPE, np.zeros((1024, 1024), bool))
    assert 0 < entry.interpolated_seconds(nothing, SHAPE, SHAPE) < 1.9e-3


def test_the_index_can_tip_the_scales():
    mask = RandomMask(1024, 1024, 32, 1, 0.5)
    assert select(SHAPE, mask, table(K32)).best.kernel == K32
    found = select(SHAPE, mask, table(K32), index_cost=lambda kernel, product, work: (3e-3, 0.1))
    assert found.best.kernel is None
    assert found.explain()[0].startswith("Chosen: dense")
    assert found.candidates[1].total == pytest.approx(8.5e-3)


def test_the_explanation_names_every_candidate():
    sparse_b = SparseKernel("n", 64, 32, 32)
    found = select(SHAPE, RandomMask(1024, 1024, 32, 1, 0.9), table(*ALL, sparse_b))
    text = "\n".join(found.explain())
    assert all(kernel.name in text for kernel in (*ALL, sparse_b))
    assert "Chosen: k-axis" in text
    assert "which is for a sparse B" in text
    assert found.dense.seconds == 8e-3
    assert select(SHAPE, RandomMask(1024, 1024, 1, 32, 0.9), table(*ALL, sparse_b), sparse="b").best.kernel is None


def test_costs_are_not_below_zero():
    assert fit_cost([0.1, 1.0], [0.05, 1.0]).offset == 0
    assert fit_cost([0.1, 1.0], [1.0, 0.5]).slope == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomMask(4, 4, 1, 1, 1.5), "sparsity: found 1.5"),
        (lambda: RandomMask(0, 4, 1, 1, 0.5), "mask, rows: found 0"),
        (lambda: Product(4, 0, 4), "matmul, k: found 0"),
        (lambda: K32.work(SHAPE, RandomMask(4, 4, 1, 1, 0.5)), "found 4 x 4, expected 1024 x 1024"),
        (lambda: fit_cost([0.5, 0.5], [1, 1]), "two or more shares"),
        (lambda: TileEntry(K32, (0.5, 0.1), (1, 1)), "ascending"),
        (lambda: TileEntry(K32, (0.5,), (1, 1)), "2 times"),
        (lambda: TileEntry(K32, (0.5,), (0,)), "above zero"),
        (lambda: select(Product(4, 4, 4, "fp16"), np.ones((4, 4), bool), table(K32)), "dtype: found fp16"),
        (lambda: select(Product(4, 4, 4), np.ones((4, 4), bool), table(K32), lookup="bins"), "the table's shape"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()

"""PIT's products in plain torch against the masked dense product."""

from __future__ import annotations

import pytest
from simcore.errors import InputError

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.calibrate.kernels.pit import batched, index_of, k_axis, kept, m_axis, n_axis, row_block_index, whole_blocks  # noqa: E402
from simcore.calibrate.suites import moe, sequence  # noqa: E402 - these need torch

from tests.tensors import TOLERANCE, integers, one_thread, random_mask  # noqa: E402, F401 - a fixture

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
GRANULARITIES = [(32, 1), (1, 64), (32, 64), (1, 1), (8, 1)]
SPARSITIES = [0.0, 0.5, 0.9, 0.99, 1.0]
# one that tiles divide, one that none divides, one row; K keeps integer sums below 256, exact even in bf16
SHAPES = [(64, 64, 32), (37, 61, 19), (1, 50, 7)]


def multiply(axis, a, b, mask, block):
    index = row_block_index(mask.T if axis == "m" else mask, block)
    return {"k": k_axis, "m": m_axis, "n": n_axis}[axis](a, b, index, block)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("axis", ["k", "m", "n"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_to_the_masked_dense_product(axis, shape, dtype):
    m, k, n = shape
    for granularity in GRANULARITIES:
        for sparsity in SPARSITIES:
            for block in (1, 8, 32):
                mask = random_mask((k, n) if axis == "n" else (m, k), granularity, sparsity)
                a, b = integers((m, k), dtype, 1), integers((k, n), dtype, 2)
                a, b = (a, b * mask) if axis == "n" else (a * mask, b)
                assert torch.equal(multiply(axis, a, b, mask, block), a @ b)


def close(found, wanted, dtype):
    """Say whether a product is within the tolerance; one of nothing but zeros must be zero."""
    return (found.double() - wanted).norm() <= TOLERANCE[dtype] * wanted.norm()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("axis", ["k", "m", "n", "block"])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
def test_close_on_random_numbers(axis, dtype, granularity):
    """Over axes, granularities and sparsities, for sizes that blocks divide and that none divides, and one row."""
    generator = torch.Generator().manual_seed(3)
    for m, k, n in ((96, 96, 96), (70, 90, 33), (1, 50, 7)):
        for sparsity in SPARSITIES:
            mask = random_mask((k, n) if axis == "n" else (m, k), granularity, sparsity)
            a, b = torch.randn(m, k, generator=generator), torch.randn(k, n, generator=generator)
            a, b = (a, b * mask) if axis == "n" else (a * mask, b)
            a, b = a.to(dtype), b.to(dtype)
            if axis == "block":
                width = k // 2
                found = whole_blocks(a, b, row_block_index(kept(mask, 1, width), 16), 16, width)
            else:
                found = multiply(axis, a, b, mask, 16)
            assert close(found, a.double() @ b.double(), dtype), (m, k, n, sparsity)


def test_the_order_of_an_index_does_not_matter():
    mask = random_mask((64, 64), (32, 1), 0.5)
    a, b = integers((64, 64), torch.float32, 1) * mask, integers((64, 16), torch.float32, 2)
    shuffled = [
        one[torch.randperm(len(one), generator=torch.Generator().manual_seed(4))] for one in row_block_index(mask, 32)
    ]
    assert torch.equal(k_axis(a, b, shuffled, 32), a @ b)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("axis", ["b", "k", "m"])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
def test_batches(axis, dtype, granularity):
    """Empty, full and other matrices in one batch: equal on whole numbers, close on random ones."""
    generator = torch.Generator().manual_seed(6)
    sparsities = [1.0, 0.5, 1.0, 0.0, 0.9]
    mask = torch.stack([random_mask((20, 24), granularity, s, seed) for seed, s in enumerate(sparsities)])
    a, b = integers((5, 20, 24), dtype, 1) * mask, integers((5, 24, 9), dtype, 2)
    assert torch.equal(batched(a, b, mask, axis, 4), a @ b)
    assert torch.equal(batched(a * 0, b, mask & False, axis, 4), (a * 0) @ b)
    a, b = torch.randn(5, 20, 24, generator=generator) * mask, torch.randn(5, 24, 9, generator=generator)
    a, b = a.to(dtype), b.to(dtype)
    assert close(batched(a, b, mask, axis, 4), a.double() @ b.double(), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_whole_blocks(sparsity, dtype):
    mask = random_mask((37, 64), (8, 16), sparsity)
    a, b = integers((37, 64), dtype, 1) * mask, integers((64, 19), dtype, 2)
    index = row_block_index(kept(mask, 1, 16), 8)
    assert torch.equal(whole_blocks(a, b, index, 8, 16), a @ b)
    for width in (24, 100):  # blocks that the right edge cuts, and one that is wider than the matrix
        index = [each.flip(0) for each in index_of(mask, "block", 8, width)]
        assert torch.equal(whole_blocks(a, b, index, 8, width), a @ b)


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (8, 1), (32, 64), (1, 16), (100, 100)], ids=str)
def test_blocks_that_hold_something_are_those_of_a_loop(tile, lying):
    """Of masks in rows and in columns, also where a view begins within a word, and where edges cut blocks."""
    mask = random_mask((67, 90), (1, 1), 0.97)
    mask = mask.T.contiguous().T if lying else mask
    for each in (mask, mask[3:, :64], mask[:, 5:], mask[:0], mask[1:2].flatten()[3:].view(-1, 1)):
        found = kept(each, *tile)
        down, across = (range(0, size, step) for size, step in zip(each.shape, tile, strict=True))
        wanted = [[bool(each[i : i + tile[0], j : j + tile[1]].any()) for j in across] for i in down]
        assert found.tolist() == wanted


def test_blocks_are_counted_as_the_model_counts_them():
    from simcore.models.compute.sparse.tiles import Product, SparseKernel

    mask = random_mask((70, 90), (3, 2), 0.9)
    work = SparseKernel("k", 32, 16, 8).work(Product(70, 90, 8), mask.numpy())
    lengths = [len(one) for one in row_block_index(mask, 32)]
    assert work.tiles == sum(-(-length // 16) for length in lengths)
    assert work.density == pytest.approx(kept(mask, 32, 1).double().mean().item())


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match="m x k times k x n"):
        k_axis(torch.ones(2, 3), torch.ones(2, 3), [], 1)
    with pytest.raises(InputError, match="b, k or m"):
        batched(torch.ones(1, 2, 2), torch.ones(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), "n", 1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("way", list(moe.WAYS))
@pytest.mark.parametrize(("tokens", "experts"), [(40, 8), (1, 4), (0, 4), (33, 1)])
def test_experts(way, tokens, experts, dtype):
    x, weights = integers((tokens, 16), dtype, 1), integers((experts, 16, 24), dtype, 2)
    # a squared uniform draw leaves experts without a token, and one with many
    chosen = (torch.rand(tokens, generator=torch.Generator().manual_seed(5)) ** 2 * experts).long()
    order, ends = moe.route(chosen, experts)
    wanted = torch.einsum("ti,tio->to", x, weights[chosen])
    assert torch.equal(moe.WAYS[way](x, weights, order, ends), wanted)


def test_experts_without_a_grouped_product(monkeypatch):
    monkeypatch.setattr(moe, "grouped_product", lambda: None)
    x, weights = integers((5, 16), torch.float32, 1), integers((2, 16, 8), torch.float32, 2)
    order, ends = moe.route(torch.tensor([1, 0, 1, 1, 0]), 2)
    assert torch.equal(moe.by_group(x, weights, order, ends), moe.by_loop(x, weights, order, ends))


def test_grouped_products_need_multiples_of_16_bytes():
    if moe.grouped_product() is None:
        pytest.skip("this torch has no grouped product")
    order, ends = moe.route(torch.tensor([0]), 1)
    with pytest.raises(InputError, match="multiples of 4 features"):
        moe.by_group(torch.ones(1, 6), torch.ones(1, 6, 8), order, ends)


@pytest.mark.parametrize("lengths", [[5, 1, 0, 8], [0, 0], [8, 8], [3]])
def test_sequences(lengths):
    counts = torch.tensor(lengths)
    where = sequence.valid(counts, 8)
    assert where.sum(1).tolist() == lengths
    x, weight = (
        integers((len(lengths), 8, 6), torch.float32, 1) * where[:, :, None],
        integers((6, 10), torch.float32, 2),
    )
    positions = where.flatten().nonzero()[:, 0]
    assert torch.equal(sequence.packed_linear(x, weight, positions), sequence.padded_linear(x, weight))

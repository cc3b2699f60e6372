"""PIT's Triton kernels against the masked dense product: on a GPU, or on the CPU through Triton's interpreter."""

from __future__ import annotations

import pytest
from simcore.errors import InputError

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("triton", reason="triton is not installed")

from simcore.calibrate.kernels import pit_triton as kernels  # noqa: E402
from simcore.calibrate.kernels.pit import kept  # noqa: E402 - these need torch and triton

from tests import tensors  # noqa: E402
from tests.tensors import TOLERANCE, one_thread  # noqa: E402, F401 - a fixture

# without a GPU the interpreter runs the kernels; conftest.py asks for it before anything imports triton
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = list(TOLERANCE)
# divided by every tile, by none, one row
SHAPES = [(32, 64, 32), (37, 61, 19), (1, 50, 7)]
TILES = [(16, 16, 16), (32, 32, 16), (16, 64, 32)]
GRANULARITIES = [(32, 1), (1, 64), (32, 64), (1, 1)]


def random_mask(*arguments):
    return tensors.random_mask(*arguments).to(DEVICE)


def integers(*arguments):
    return tensors.integers(*arguments).to(DEVICE)


def multiply(axis, a, b, mask, tile):
    """Multiply by one kernel; on the n-axis the transposed product, so that the sparse matrix is A's transposed."""
    if axis == "n":
        return kernels.n_axis(b.T, a.T, kernels.build_index(mask.T, tile[1]), tile).T
    if axis == "m":
        return kernels.m_axis(a, b, kernels.build_index(mask.T, tile[1]), tile)
    whole = axis == "block"
    index = kernels.build_index(mask, tile[0], tile[1] if whole else 1)
    return kernels.k_axis(a, b, index, tile, whole=whole)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("axis", ["k", "m", "n", "block"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_to_the_masked_dense_product(axis, shape, dtype):
    m, k, n = shape
    for number, (granularity, sparsity) in enumerate(
        (granularity, sparsity) for granularity in GRANULARITIES for sparsity in (0.0, 0.8, 1.0)
    ):
        mask = random_mask((m, k), granularity, sparsity)
        a, b = integers((m, k), dtype, 1) * mask, integers((k, n), dtype, 2)
        assert torch.equal(multiply(axis, a, b, mask, TILES[number % len(TILES)]), a @ b)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("axis", ["k", "m", "n", "block"])
@pytest.mark.parametrize("granularity", [*GRANULARITIES, (8, 8)], ids=str)
def test_close_on_random_numbers(axis, dtype, granularity):
    """Over axes, granularities and sparsities, at several tiles, for sizes that tiles divide and that none divides."""
    generator = torch.Generator().manual_seed(3)
    for number, sparsity in enumerate((0.0, 0.5, 0.7, 0.9, 0.99, 1.0)):
        m, k, n = ((45, 70, 19), (32, 64, 32))[number % 2]
        mask = random_mask((m, k), granularity, sparsity)
        a, b = torch.randn(m, k, generator=generator).to(DEVICE), torch.randn(k, n, generator=generator).to(DEVICE)
        a, b = (a * mask).to(dtype), b.to(dtype)
        wanted = a.double() @ b.double()
        found = multiply(axis, a, b, mask, TILES[number % len(TILES)]).double()
        assert (found - wanted).norm() <= TOLERANCE[dtype] * wanted.norm(), sparsity


def test_columns_first_and_rows_first_are_the_same():
    mask = random_mask((40, 50), (16, 1), 0.5)
    a, b = integers((40, 50), torch.float32, 1) * mask, integers((50, 20), torch.float32, 2)
    index = kernels.build_index(mask, 16)
    assert torch.equal(kernels.k_axis(a.T.contiguous().T, b.T.contiguous().T, index, (16, 16, 16)), a @ b)


@pytest.mark.parametrize(("block", "width"), [(1, 1), (16, 1), (32, 4), (2, 64), (16, 256)])
@pytest.mark.parametrize("sparsity", [0.0, 0.8, 1.0])
def test_index_holds_each_kept_micro_tile_once(block, width, sparsity):
    mask = random_mask((67, 300), (3, 2), sparsity)
    index = kernels.build_index(mask, block, width)
    wanted = kept(mask, block, width)
    assert index.counts.tolist() == wanted.sum(1).tolist()
    for row, positions, count in zip(wanted, index.positions, index.counts.tolist(), strict=True):
        assert sorted(positions[:count].tolist()) == row.nonzero()[:, 0].tolist()


def test_tiles_are_powers_of_two():
    a = torch.ones(16, 16, device=DEVICE)
    index = kernels.build_index(a > 0, 16)
    with pytest.raises(InputError, match="width: found 3, expected a power of two"):
        kernels.build_index(a > 0, 16, 3)
    with pytest.raises(InputError, match="BK: found 24, expected a power of two of at least 16"):
        kernels.k_axis(a, a, index, (16, 24, 16))


@pytest.mark.parametrize("axis", ["k", "m", "n"])
def test_shapes_that_are_no_product_are_refused_before_a_kernel_reads_beyond_them(axis):
    run = {"k": kernels.k_axis, "m": kernels.m_axis, "n": kernels.n_axis}[axis]
    index = kernels.build_index(torch.ones(32, 32, dtype=torch.bool, device=DEVICE), 16)
    a, b = torch.ones(32, 32, device=DEVICE), torch.ones(16, 8, device=DEVICE)
    with pytest.raises(InputError, match="32 x 32 times 16 x 8, expected m x k times k x n"):
        run(a, b, index, (16, 16, 16))

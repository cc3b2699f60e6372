"""Masks and matrices for the tests of PIT's kernels; needs torch."""

from __future__ import annotations

import pytest
import torch

TOLERANCE = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
"""Largest error of a product over its norm, by type."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that wait for each other on a busy machine can take seconds for a product of 64 rows."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_mask(shape, granularity, sparsity, seed=0):
    """Return a mask whose blocks are False with a probability."""
    generator = torch.Generator().manual_seed(seed)
    blocks = [-(-size // step) for size, step in zip(shape, granularity, strict=True)]
    some = torch.rand(blocks, generator=generator) >= sparsity
    whole = some.repeat_interleave(granularity[0], 0).repeat_interleave(granularity[1], 1)
    return whole[: shape[0], : shape[1]].contiguous()


def integers(shape, dtype, seed):
    """Return whole numbers from -2 to 2: their sums are exact."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, shape, generator=generator).to(dtype)

"""PIT's sparse products in plain torch, on any device: gather micro-tiles, multiply densely, scatter.

The sparse matrix holds zeros wherever its mask is False; every function gives the product of this matrix. Results
differ from the dense product by the order of sums alone, so they are equal bit for bit where sums are exact. SRead is a
gather and SWrite a scatter of their own here; `simcore.calibrate.kernels.pit_triton` fuses SRead into the product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Index = list["Tensor"]
"""Positions of the kept micro-tiles along the PIT-axis, one tensor for each block of the other axis."""


def kept(mask: Tensor, height: int, width: int) -> Tensor:
    """Return which blocks of a mask hold a True; blocks at the lower and right edge may be cut.

    Parameters
    ----------
    mask : Tensor of bool, shape (rows, columns)
        Where a matrix is not zero.
    height, width : int
        Shape of a block [elements].

    Returns
    -------
    Tensor of bool, shape (ceil(rows / height), ceil(columns / width))
    """
    import torch.nn.functional as nn

    rows, columns = mask.shape
    down, across = -(-rows // height), -(-columns // width)
    if (down * height, across * width) != (rows, columns):
        mask = nn.pad(mask, (0, across * width - columns, 0, down * height - rows))
    if width > 1:
        mask = mask.reshape(down * height, across, width).any(2)
    return mask.reshape(down, height, across).any(1) if height > 1 else mask


def block_mask(
    shape: tuple[int, int], granularity: tuple[int, int], sparsity: float, device: str, seed: int = 0
) -> Tensor:
    """Return a mask with the exact share of zero blocks, rounded to whole blocks, at random places.

    Parameters
    ----------
    shape, granularity : tuple of (int, int)
        Rows and columns of the mask, and of its blocks [elements].
    sparsity : float
        Share of blocks that are False.
    device : str
        Where the mask is drawn and shall lie: a large one takes a GPU milliseconds and a CPU seconds.
    seed : int
        Of the places.
    """
    import torch

    down, across = (-(-size // step) for size, step in zip(shape, granularity, strict=True))
    generator = torch.Generator(device=device).manual_seed(seed)
    places = torch.randperm(down * across, generator=generator, device=device)
    some = torch.zeros(down * across, dtype=torch.bool, device=device)
    some[places[: round(down * across * (1 - sparsity))]] = True
    mask = some.view(down, across).repeat_interleave(granularity[0], 0)
    return mask.repeat_interleave(granularity[1], 1)[: shape[0], : shape[1]].contiguous()


def row_block_index(mask: Tensor, block: int) -> Index:
    """Return for each block of rows which columns hold a True: the k-axis index of a sparse A.

    Parameters
    ----------
    mask : Tensor of bool, shape (rows, columns)
        Where the matrix is not zero.
    block : int
        Rows in a block.
    """
    import torch

    touched = kept(mask, block, 1)
    columns = touched.nonzero()[:, 1]
    return list(torch.split(columns, touched.sum(1).tolist()))


def k_axis(a: Tensor, b: Tensor, index: Index, block: int) -> Tensor:
    """Multiply with k packed: for each row block, the columns of A that hold a non-zero and the same rows of B.

    Parameters
    ----------
    a : Tensor, shape (m, k)
        The sparse matrix.
    b : Tensor, shape (k, n)
        The dense one.
    index : list of Tensor
        From `row_block_index` of A's mask.
    block : int
        Rows in a block, those of the micro-tile.

    Returns
    -------
    Tensor, shape (m, n)
    """
    _check(a, b)
    out = a.new_zeros(a.shape[0], b.shape[1])
    for number, columns in enumerate(index):
        if len(columns):
            rows = slice(number * block, (number + 1) * block)
            out[rows] = a[rows].index_select(1, columns) @ b.index_select(0, columns)
    return out


def whole_blocks(a: Tensor, b: Tensor, index: Index, block: int, width: int) -> Tensor:
    """Multiply whole blocks that hold a non-zero, without packing: what native block-sparse kernels do.

    Parameters
    ----------
    a, b : Tensor
        See `k_axis`; k must be a multiple of `width`.
    index : list of Tensor
        From `row_block_index` of the mask of blocks: ``kept(mask, 1, width)``.
    block, width : int
        Rows and columns of a block.

    Returns
    -------
    Tensor, shape (m, n)
    """
    _check(a, b)
    if a.shape[1] % width:
        raise InputError("matmul, k", str(a.shape[1]), f"a multiple of the block's {width} columns")
    out = a.new_zeros(a.shape[0], b.shape[1])
    by_block = b.view(-1, width * b.shape[1])
    for number, blocks in enumerate(index):
        if len(blocks):
            rows = slice(number * block, (number + 1) * block)
            by_width = a[rows].reshape(-1, a.shape[1] // width, width)
            left = by_width.index_select(1, blocks).flatten(1)
            out[rows] = left @ by_block.index_select(0, blocks).view(-1, b.shape[1])
    return out


def m_axis(a: Tensor, b: Tensor, index: Index, block: int) -> Tensor:
    """Multiply with m packed: for each block of k, the rows of A that hold a non-zero there, added to their rows of C.

    Parameters
    ----------
    a : Tensor, shape (m, k)
        The sparse matrix.
    b : Tensor, shape (k, n)
        The dense one.
    index : list of Tensor
        From `row_block_index` of the transposed mask of A.
    block : int
        Columns in a block, those of the micro-tile.

    Returns
    -------
    Tensor, shape (m, n)
    """
    _check(a, b)
    out = _sums(a, b)
    for number, rows in enumerate(index):
        if len(rows):
            inner = slice(number * block, (number + 1) * block)
            part = a[:, inner].index_select(0, rows) @ b[inner]
            out.index_add_(0, rows, part.to(out.dtype))
    return out.to(a.dtype)


def n_axis(a: Tensor, b: Tensor, index: Index, block: int) -> Tensor:
    """Multiply with n packed: for each block of k, the columns of B that hold a non-zero, added to their columns of C.

    Parameters
    ----------
    a : Tensor, shape (m, k)
        The dense matrix.
    b : Tensor, shape (k, n)
        The sparse one.
    index : list of Tensor
        From `row_block_index` of B's mask.
    block : int
        Rows of B in a block, those of the micro-tile.

    Returns
    -------
    Tensor, shape (m, n)
    """
    _check(a, b)
    out = _sums(a, b)
    for number, columns in enumerate(index):
        if len(columns):
            inner = slice(number * block, (number + 1) * block)
            part = a[:, inner] @ b[inner].index_select(1, columns)
            out.index_add_(1, columns, part.to(out.dtype))
    return out.to(a.dtype)


def batched(a: Tensor, b: Tensor, mask: Tensor, axis: str, block: int) -> Tensor:
    """Multiply batches of matrices with one axis packed.

    Parameters
    ----------
    a : Tensor, shape (batch, m, k)
        Sparse matrices.
    b : Tensor, shape (batch, k, n)
        Dense ones.
    mask : Tensor of bool, shape (batch, m, k)
        Where A is not zero.
    axis : {'b', 'k', 'm'}
        What is packed: matrices that hold a non-zero, or the k- or m-axis of each.
    block : int
        Micro-tile's rows on the k-axis, its columns on the m-axis; not used on the batch axis.

    Returns
    -------
    Tensor, shape (batch, m, n)

    Raises
    ------
    InputError
        For another axis, or shapes that do not fit.
    """
    out = a.new_zeros(a.shape[0], a.shape[1], b.shape[2])
    if axis == "b":
        some = mask.flatten(1).any(1).nonzero()[:, 0]
        if len(some):
            out[some] = a.index_select(0, some) @ b.index_select(0, some)
        return out
    if axis not in {"k", "m"}:
        raise InputError("axis", f"'{axis}'", "b, k or m")
    multiply = k_axis if axis == "k" else m_axis
    for one, (left, right, where) in enumerate(zip(a, b, mask, strict=True)):
        out[one] = multiply(left, right, row_block_index(where if axis == "k" else where.T, block), block)
    return out


def _check(a: Tensor, b: Tensor) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        found = f"{' x '.join(map(str, a.shape))} times {' x '.join(map(str, b.shape))}"
        raise InputError("matmul", found, "m x k times k x n")


def _sums(a: Tensor, b: Tensor) -> Tensor:
    """Return zeros to add partial products to, in fp32 for shorter types so that sums round once."""
    import torch

    wide = torch.float32 if a.dtype in {torch.float16, torch.bfloat16} else a.dtype
    return a.new_zeros(a.shape[0], b.shape[1], dtype=wide)

"""PIT's sparse products in plain torch, on any device: gather micro-tiles, multiply densely, scatter.

The sparse matrix holds zeros wherever its mask is False; every function gives the product of this matrix. Results
differ from the dense product by the order of sums alone, so they are equal bit for bit where sums are exact. SRead is a
gather and SWrite a scatter of their own here; `simcore.calibrate.kernels.pit_triton` fuses SRead into the product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.errors import InputError
from simcore.models.compute.sparse.tiles import Axis

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
    if width > 1:
        mask = _any_rows(mask.T, width).T
    return _any_rows(mask, height) if height > 1 else mask


def _any_rows(mask: Tensor, height: int) -> Tensor:
    """Return which columns of each block of rows hold a True; the last block may be cut.

    ``any`` reduces byte by byte on a CPU. The largest byte is found many at a time down the columns of a matrix, and
    the largest word of eight of them along its rows. Both are above 0 where a byte is.
    """
    import torch
    import torch.nn.functional as nn

    rows, columns = mask.shape
    if mask.T.is_contiguous() and height % 8 == 0:  # along the rows of what lies in memory
        added = -rows % height
        lying = mask.T.view(torch.uint8)
        if added or lying.storage_offset() % 8:
            lying = nn.pad(lying, (0, added))
        words = lying.flatten().view(torch.int64).view(columns, lying.shape[1] // height, height // 8)
        return words.amax(2).ne(0).T
    whole = rows // height
    bytes_ = mask.view(torch.uint8)
    found = bytes_[: whole * height].reshape(whole, height, columns).amax(1)
    if whole * height < rows:
        found = torch.cat([found, bytes_[whole * height :].amax(0, keepdim=True)])
    return found.ne(0)


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

    touched = kept(mask, block, 1).contiguous()  # what lies transposed is listed many times more slowly
    columns = touched.nonzero()[:, 1]
    return list(torch.split(columns, touched.sum(1, dtype=torch.int32).tolist()))


def index_of(mask: Tensor, axis: Axis, high: int, wide: int) -> Index:
    """Return the index that a kernel needs, see `multiply`.

    Parameters
    ----------
    mask : Tensor of bool, shape (rows, columns)
        Where the sparse matrix is not zero.
    axis : {'k', 'm', 'n', 'block'}
        What is packed.
    high, wide : int
        Rows and columns of a micro-tile of A; on the n-axis `wide` are its rows in B [elements].

    Returns
    -------
    list of Tensor
        Kept micro-tiles of each row block on the k-axis and for whole blocks, of each block of k elsewhere.

    Examples
    --------
    >>> import torch
    >>> mask = torch.tensor([[True, False, False], [True, False, True]])
    >>> [each.tolist() for each in index_of(mask, "k", 1, 1)], [each.tolist() for each in index_of(mask, "m", 1, 3)]
    ([[0], [0, 2]], [[0, 1]])
    """
    if axis == "block":
        return row_block_index(kept(mask, 1, wide), high)
    return row_block_index(mask.T if axis == "m" else mask, high if axis == "k" else wide)


def multiply(a: Tensor, b: Tensor, index: Index, axis: Axis, high: int, wide: int) -> Tensor:
    """Multiply by the kernel that packs an axis.

    Parameters
    ----------
    a, b : Tensor, shape (m, k) and (k, n)
        The sparse matrix is `b` on the n-axis, and `a` elsewhere.
    index : list of Tensor
        From `index_of`.
    axis, high, wide
        As they were given there.

    Returns
    -------
    Tensor, shape (m, n)

    Examples
    --------
    >>> import torch
    >>> a = torch.tensor([[0.0, 2.0], [0.0, 0.0]])
    >>> multiply(a, torch.eye(2), index_of(a != 0, "m", 1, 2), "m", 1, 2)
    tensor([[0., 2.],
            [0., 0.]])
    """
    if axis == "block":
        return whole_blocks(a, b, index, high, wide)
    return {"k": k_axis, "m": m_axis, "n": n_axis}[axis](a, b, index, high if axis == "k" else wide)


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
    check_shapes(a, b)
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
        See `k_axis`. Blocks at the right edge of `a` may be cut; they are multiplied by themselves.
    index : list of Tensor
        From `row_block_index` of the mask of blocks: ``kept(mask, 1, width)``.
    block, width : int
        Rows and columns of a block.

    Returns
    -------
    Tensor, shape (m, n)
    """
    check_shapes(a, b)
    out = a.new_zeros(a.shape[0], b.shape[1])
    count = a.shape[1] // width
    edge = count * width
    by_block = b[:edge].reshape(count, width * b.shape[1])
    for number, blocks in enumerate(index):
        if not len(blocks):
            continue
        rows = slice(number * block, (number + 1) * block)
        whole = blocks if edge == a.shape[1] else blocks[blocks < count]
        if len(whole):
            by_width = a[rows, :edge].reshape(-1, count, width)
            left = by_width.index_select(1, whole).flatten(1)
            out[rows] = left @ by_block.index_select(0, whole).view(-1, b.shape[1])
        if len(whole) < len(blocks):
            out[rows] += a[rows, edge:] @ b[edge:]
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
    check_shapes(a, b)
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
        It lies column by column, as columns are what is added to: to add to them row by row reads a line of the cache
        for each element.
    """
    check_shapes(a, b)
    out = _sums(b.T, a.T)
    for number, columns in enumerate(index):
        if len(columns):
            inner = slice(number * block, (number + 1) * block)
            part = b[inner].index_select(1, columns).T @ a[:, inner].T
            out.index_add_(0, columns, part.to(out.dtype))
    return out.to(a.dtype).T


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
    kernel: tuple[Axis, int, int] = ("k", block, 1) if axis == "k" else ("m", 1, block)
    for one, (left, right, where) in enumerate(zip(a, b, mask, strict=True)):
        out[one] = multiply(left, right, index_of(where, *kernel), *kernel)
    return out


def check_shapes(a: Tensor, b: Tensor) -> None:
    """Refuse what is no product of two matrices: a kernel would read beyond them.

    Parameters
    ----------
    a, b : Tensor
        The factors, to be m x k and k x n.

    Raises
    ------
    InputError
        Naming both shapes.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        found = f"{' x '.join(map(str, a.shape))} times {' x '.join(map(str, b.shape))}"
        raise InputError("matmul", found, "m x k times k x n")


def _sums(a: Tensor, b: Tensor) -> Tensor:
    """Return zeros to add partial products to, in fp32 for shorter types so that sums round once."""
    import torch

    wide = torch.float32 if a.dtype in {torch.float16, torch.bfloat16} else a.dtype
    return a.new_zeros(a.shape[0], b.shape[1], dtype=wide)

"""PIT's kernels in Triton: micro-tiles are gathered while the dense tile is loaded, so SRead costs no pass of its own.

Importing this module needs torch and triton; with ``TRITON_INTERPRET=1`` in the environment before the first import
the kernels run on CPU tensors, slowly, for tests. Indices are built on the device and stay there: nothing waits for
the host. The sparse matrix is fastest stored along its micro-tiles: A column by column (``a.T.contiguous().T``) on the
k-axis and row by row on the m-axis, B column by column on the n-axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl

from simcore.calibrate.kernels.pit import check_shapes
from simcore.errors import InputError

SPAN = 128
"""Columns that one program of the index builder looks at, or those of one micro-tile if it is wider."""

STAGES = 3
"""Stages of the pipeline that loads tiles, where the GPU has one."""

FUSION = {"enable_fp_fusion": True}
"""Multiply and add in one instruction, as cuBLAS does; triton's default changes between versions, with a warning."""


@dataclass(frozen=True)
class DeviceIndex:
    """Kept micro-tiles of each block, in any order, on the device.

    Attributes
    ----------
    positions : Tensor of int32, shape (blocks, capacity)
        Positions along the PIT-axis; only the first `counts` of a row are meant.
    counts : Tensor of int32, shape (blocks,)
        How many.
    """

    positions: torch.Tensor
    counts: torch.Tensor


@triton.jit
def _index_kernel(
    mask, positions, counts, length, across, stride_along, stride_across, capacity,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr, COUNT: tl.constexpr,
):  # fmt: skip
    """OR each micro-tile of one block, then claim as many slots of the block's list as held something.

    Micro-tiles lie side by side, so the loads of a warp are neighbours whatever their width.
    """
    block = tl.program_id(0)
    start = tl.program_id(1) * COUNT
    slots = start + tl.arange(0, COUNT)
    high = block * BLOCK + tl.arange(0, BLOCK)
    at = start * WIDTH + tl.arange(0, COUNT * WIDTH)
    inside = (high[:, None] < across) & (at[None, :] < length)
    where = high[:, None].to(tl.int64) * stride_across + at[None, :].to(tl.int64) * stride_along
    some = tl.max(tl.load(mask + where, mask=inside, other=0).to(tl.int32), axis=0)
    non_zero = (tl.max(tl.reshape(some, (COUNT, WIDTH)), axis=1) > 0).to(tl.int32)
    total = tl.sum(non_zero, axis=0)
    base = tl.atomic_add(counts + block, total)
    slot = base + tl.cumsum(non_zero, axis=0) - 1
    tl.store(positions + block.to(tl.int64) * capacity + slot, slots, mask=non_zero > 0)


@triton.jit
def _k_kernel(
    a, b, c, positions, counts, m, n, k, am, ak, bk, bn, cm, cn, capacity,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, WHOLE: tl.constexpr,
    WIDEN: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One tile of C: BM rows share a list of columns of A (WHOLE: of blocks of BK columns)."""
    block = tl.program_id(0)
    rows = block * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    count = tl.load(counts + block)
    listed = positions + block.to(tl.int64) * capacity
    total = tl.zeros((BM, BN), dtype=tl.float32)
    steps = count if WHOLE else tl.cdiv(count, BK)
    for step in range(0, steps):
        if WHOLE:
            inner = tl.load(listed + step) * BK + tl.arange(0, BK)
            some = inner < k
        else:
            slots = step * BK + tl.arange(0, BK)
            some = slots < count
            inner = tl.load(listed + slots, mask=some, other=0)
        left = tl.load(
            a + rows[:, None].to(tl.int64) * am + inner[None, :].to(tl.int64) * ak,
            mask=(rows[:, None] < m) & some[None, :], other=0.0,
        )  # fmt: skip
        right = tl.load(
            b + inner[:, None].to(tl.int64) * bk + columns[None, :].to(tl.int64) * bn,
            mask=some[:, None] & (columns[None, :] < n), other=0.0,
        )  # fmt: skip
        if WIDEN:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(left, right, total, input_precision=PRECISION)
    where = c + rows[:, None].to(tl.int64) * cm + columns[None, :].to(tl.int64) * cn
    tl.store(where, total.to(c.dtype.element_ty), mask=(rows[:, None] < m) & (columns[None, :] < n))


@triton.jit
def _m_kernel(
    a, b, c, positions, counts, m, n, k, am, ak, bk, bn, cm, cn, capacity,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, STEP: tl.constexpr,
    WIDEN: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """BM listed rows of one block of k, added to their rows of C."""
    block = tl.program_id(2)
    count = tl.load(counts + block)
    start = tl.program_id(0) * BM
    if start < count:
        slots = start + tl.arange(0, BM)
        columns = tl.program_id(1) * BN + tl.arange(0, BN)
        rows = tl.load(positions + block.to(tl.int64) * capacity + slots, mask=slots < count, other=0)
        total = tl.zeros((BM, BN), dtype=tl.float32)
        for first in range(0, BK, STEP):
            inner = block * BK + first + tl.arange(0, STEP)
            left = tl.load(
                a + rows[:, None].to(tl.int64) * am + inner[None, :].to(tl.int64) * ak,
                mask=(slots[:, None] < count) & (inner[None, :] < k), other=0.0,
            )  # fmt: skip
            right = tl.load(
                b + inner[:, None].to(tl.int64) * bk + columns[None, :].to(tl.int64) * bn,
                mask=(inner[:, None] < k) & (columns[None, :] < n), other=0.0,
            )  # fmt: skip
            if WIDEN:
                left, right = left.to(tl.float32), right.to(tl.float32)
            total = tl.dot(left, right, total, input_precision=PRECISION)
        where = c + rows[:, None].to(tl.int64) * cm + columns[None, :].to(tl.int64) * cn
        tl.atomic_add(where, total, mask=(slots[:, None] < count) & (columns[None, :] < n))


def build_index(mask: torch.Tensor, block: int, width: int = 1) -> DeviceIndex:
    """List the micro-tiles of each block of rows that hold a True, in any order.

    One pass over the mask: a program ORs its micro-tiles and claims their slots with one atomic addition.

    Parameters
    ----------
    mask : Tensor of bool, shape (rows, columns)
        Where the matrix is not zero; transposed for the m-axis (any strides will do).
    block : int
        Rows in a block, a power of two.
    width : int, optional
        Columns of a micro-tile, a power of two; 1 on a PIT-axis, BK for blocks.
    """
    _power_of_two("block", block, 1)
    _power_of_two("width", width, 1)
    rows, columns = mask.shape
    blocks, capacity = triton.cdiv(rows, block), triton.cdiv(columns, width)
    positions = torch.empty(blocks, capacity, dtype=torch.int32, device=mask.device)
    counts = torch.zeros(blocks, dtype=torch.int32, device=mask.device)
    count = max(SPAN // width, 1)
    _index_kernel[(blocks, triton.cdiv(capacity, count))](
        mask.view(torch.uint8), positions, counts, columns, rows, mask.stride(1), mask.stride(0), capacity,
        BLOCK=block, WIDTH=width, COUNT=count, **FUSION,
    )  # fmt: skip
    return DeviceIndex(positions, counts)


def k_axis(
    a: torch.Tensor, b: torch.Tensor, index: DeviceIndex, tile: tuple[int, int, int], *, precision: str = "ieee",
    whole: bool = False,
) -> torch.Tensor:  # fmt: skip
    """Multiply with k packed, SRead fused into the loads.

    Parameters
    ----------
    a : Tensor, shape (m, k)
        The sparse matrix, zero where its mask is False.
    b : Tensor, shape (k, n)
        The dense one.
    index : DeviceIndex
        From `build_index` with ``block = tile[0]`` (and ``width = tile[1]`` for whole blocks).
    tile : tuple of (int, int, int)
        BM, BK and BN: powers of two of at least 16.
    precision : {'ieee', 'tf32'}
        How fp32 is multiplied.
    whole : bool
        Whether the index lists blocks of BK columns: the native block-sparse kernel, in the same tile.

    Returns
    -------
    Tensor, shape (m, n)
    """
    check_shapes(a, b)
    (m, k), n, (tile_m, tile_k, tile_n) = a.shape, b.shape[1], _checked(tile)
    c = torch.empty(m, n, dtype=a.dtype, device=a.device)
    _k_kernel[(triton.cdiv(m, tile_m), triton.cdiv(n, tile_n))](
        a, b, c, index.positions, index.counts, m, n, k, *a.stride(), *b.stride(), *c.stride(),
        index.positions.shape[1],
        BM=tile_m, BN=tile_n, BK=tile_k, WHOLE=whole, PRECISION=precision, **_launch(tile, a),
    )  # fmt: skip
    return c


def m_axis(
    a: torch.Tensor, b: torch.Tensor, index: DeviceIndex, tile: tuple[int, int, int], *, precision: str = "ieee"
) -> torch.Tensor:
    """Multiply with m packed: SRead fused into the loads, SWrite as atomic additions in fp32; see `k_axis`.

    `index` is from `build_index` of the transposed mask with ``block = tile[1]``.
    """
    check_shapes(a, b)
    (m, k), n, (tile_m, tile_k, tile_n) = a.shape, b.shape[1], _checked(tile)
    c = torch.zeros(m, n, dtype=torch.float32, device=a.device)
    _m_kernel[(triton.cdiv(m, tile_m), triton.cdiv(n, tile_n), triton.cdiv(k, tile_k))](
        a, b, c, index.positions, index.counts, m, n, k, *a.stride(), *b.stride(), *c.stride(),
        index.positions.shape[1],
        BM=tile_m, BN=tile_n, BK=tile_k, STEP=min(tile_k, 32), PRECISION=precision, **_launch(tile, a),
    )  # fmt: skip
    return c.to(a.dtype)


def n_axis(
    a: torch.Tensor, b: torch.Tensor, index: DeviceIndex, tile: tuple[int, int, int], *, precision: str = "ieee"
) -> torch.Tensor:
    """Multiply with n packed, B being the sparse matrix: the m-axis of the transposed product; see `m_axis`.

    `index` is from `build_index` of B's mask with ``block = tile[1]``.
    """
    check_shapes(a, b)
    tile_m, tile_k, tile_n = tile
    return m_axis(b.T, a.T, index, (tile_n, tile_k, tile_m), precision=precision).T


def _checked(tile: tuple[int, int, int]) -> tuple[int, int, int]:
    for name, side in zip(("BM", "BK", "BN"), tile, strict=True):
        _power_of_two(name, side, 16)
    return tile


def _power_of_two(name: str, value: int, least: int) -> None:
    if value < least or value & (value - 1):
        raise InputError(f"tile, {name}", str(value), f"a power of two of at least {least}")


def warps(tile: tuple[int, int, int]) -> int:
    """Return the warps of a program, by the size of its tile of C."""
    area = tile[0] * tile[2]
    return 2 if area <= 1024 else 4 if area <= 8192 else 8


def _launch(tile: tuple[int, int, int], a: torch.Tensor) -> dict[str, Any]:
    """Return the options of a launch; bf16 is widened in the interpreter alone, which multiplies it wrongly."""
    widen = a.dtype == torch.bfloat16 and a.device.type == "cpu"
    return {"WIDEN": widen, "num_warps": warps(tile), "num_stages": STAGES, **FUSION}

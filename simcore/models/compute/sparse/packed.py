"""The cost of sparse kernels made of library calls, which gather, multiply and scatter one group after another.

A group holds a non-zero. On the k-axis and for whole blocks it is a row block. On the m- and n-axis it is a block of k.
Kernels that gather while they load are priced by tiles instead, see `simcore.models.compute.sparse.prices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from simcore.models.compute.device import DTYPES, FRESH, Device
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.tiles import Axis, Product, SparseKernel, Work


def problem(axis: Axis, shape: Mapping[str, float], dtype: str = "fp32") -> tuple[SparseKernel, Product, RandomMask]:
    """Return the kernel, the product and the mask that a sample's shape describes.

    Parameters
    ----------
    axis : {'k', 'm', 'n', 'block'}
        What is packed.
    shape : mapping of str to float
        Of the product ``m``, ``n`` and ``k``, of the kernel ``tile_m``, ``tile_k`` and ``tile_n`` [elements]. Of the
        mask's blocks ``height`` and ``width`` [elements], and ``sparsity``.
    dtype : str
        Number format.
    """
    size = {name: int(value) for name, value in shape.items() if name != "sparsity"}
    product = Product(size["m"], size["k"], size["n"], dtype)
    rows, columns = (product.k, product.n) if axis == "n" else (product.m, product.k)
    mask = RandomMask(rows, columns, size["height"], size["width"], shape["sparsity"])
    return SparseKernel(axis, size["tile_m"], size["tile_k"], size["tile_n"]), product, mask


def shape_of(kernel: SparseKernel, product: Product, mask: RandomMask) -> dict[str, float]:
    """Return the shape of a sample, see `problem`."""
    return {
        "m": product.m, "n": product.n, "k": product.k, "tile_m": kernel.tile_m, "tile_k": kernel.tile_k,
        "tile_n": kernel.tile_n, "height": mask.height, "width": mask.width, "sparsity": mask.sparsity,
    }  # fmt: skip


@lru_cache(maxsize=4096)
def work_of(kernel: SparseKernel, product: Product, mask: RandomMask) -> Work:
    """Return a kernel's expected work. It is cached, since a fit asks for the same work many times."""
    return kernel.work(product, mask)


def packed_seconds(kernel: SparseKernel, product: Product, work: Work, p: Mapping[str, float]) -> float:
    """Return the time to gather, multiply and scatter group by group [s], without the index.

    ::

        t = t0 + e m n / clear + group G + row x + 2 F / rate + e (L / left + B / right + C / out + T / touched)

    e is bytes per element. G groups hold a non-zero. With c elements of the sparse matrix in kept micro-tiles, of which
    there are x, l elements in the lines of memory that hold them, u columns or rows that hold one at all (see
    `simcore.models.compute.sparse.tiles.Work`), and f the share of groups that hold a non-zero:

    ======  =====  =========  =====  =======  ===
    axis    F      L          B      C        T
    ======  =====  =========  =====  =======  ===
    k       c n    l          x n    f m n    u n
    block   c n    c          w x n  f m n    u n
    m       c n    c          f k n  x n      u n
    n       c m    f m k      l      x m      u m
    ======  =====  =========  =====  =======  ===

    F is multiplied, at `rate` [FLOP/s]. L, B and C are the elements of A, B and the output that move, at `left`,
    `right` and `out` [B/s]. Of T, rows of B on the k-axis and for whole blocks, else of the output, each is met a first
    time, at `touched` [B/s]. x rows are begun elsewhere in memory, at `row` [s] each. Blocks are w columns wide. A
    group's calls cost `group` [s]. The output is cleared at `stream` [B/s], and where it is as large as `FRESH`, at
    `fresh` [B/s].

    The formula is fitted to sparse products. The fit of a dense product would not do: it knows nothing of operands that
    were just gathered and are still in the cache.

    Examples
    --------
    >>> p = dict.fromkeys(("left", "right", "out", "touched", "stream", "fresh"), 1e30)
    >>> p |= {"t0": 0.0, "group": 0.0, "row": 0.0}
    >>> kernel, product = SparseKernel("k", 32, 1, 1), Product(64, 100, 50)
    >>> work = kernel.work(product, RandomMask(64, 100, 1, 1, 0.0))
    >>> round(packed_seconds(kernel, product, work, {**p, "rate": 1e9}) * 1e9 / product.flop, 6)
    1.0
    """
    e, axis, m, k, n = DTYPES[product.dtype], kernel.axis, product.m, product.k, product.n
    output = e * m * n
    cleared = p["t0"] + output / p["fresh" if output >= FRESH["cpu"] else "stream"]
    counts = index_counts(kernel, product, work)
    found, some = counts["found"], work.groups / counts["groups"]
    left, right, out = {
        "k": (work.lines, found * n, some * m * n),
        "block": (work.covered, min(kernel.tile_k, k) * found * n, some * m * n),
        "m": (work.covered, some * k * n, found * n),
        "n": (some * m * k, work.lines, found * m),
    }[axis]
    across = m if axis == "n" else n
    moved = left / p["left"] + right / p["right"] + out / p["out"] + work.touched * across / p["touched"]
    multiplied = 2 * work.covered * across
    return cleared + work.groups * p["group"] + found * p["row"] + multiplied / p["rate"] + e * moved


def packed_of(axis: Axis, shape: Mapping[str, float], p: Mapping[str, float], dtype: str, device: Device) -> float:
    """Return `packed_seconds` of a sample's shape [s]."""
    kernel, product, mask = problem(axis, shape, dtype)
    return packed_seconds(kernel, product, work_of(kernel, product, mask), p)


TOGETHER = 128
"""Columns of bytes that torch reduces many rows of at a time on a CPU; what is left of a row it takes one by one."""


def layout_seconds(kernel: SparseKernel, product: Product, work: Work, p: Mapping[str, float]) -> float:
    """Return the time to find a kernel's micro-tiles by library calls [s], see `simcore.calibrate.kernels.pit`.

    ::

        t = t0 + b / byte + r rest + pad padded + c result + x entry + G group

    On the k- and n-axis the mask is reduced along its columns, `TOGETHER` of them at a time: b of its bytes lie in
    such columns, and r in those that are left. On the m-axis and for whole blocks it is reduced along its rows, word by
    word: b is all of it. Where the width of a micro-tile does not divide a row, the mask is copied with its rows
    padded, `padded` [B]. c results are scanned: micro-tiles, and for whole blocks their rows. x micro-tiles are kept
    and listed, in G groups.

    Parameters
    ----------
    kernel, product, work
        What is multiplied.
    p : mapping of str to float
        ``t0`` [s], ``byte`` [B/s], and the seconds of each of the others.

    Examples
    --------
    >>> p = {"t0": 1e-5, "byte": 1e10, "rest": 1e-9, "pad": 1e-10, "result": 1e-9, "entry": 2e-9, "group": 1e-6}
    >>> kernel, product = SparseKernel("k", 32, 1, 1), Product(64, 130, 50)
    >>> work = kernel.work(product, RandomMask(64, 130, 1, 1, 0.0))
    >>> round(layout_seconds(kernel, product, work, p) * 1e6, 3)  # 10 + 0.819 + 0.128 + 0.26 + 0.52 + 2
    13.727
    """
    counts = index_counts(kernel, product, work)
    wide = kernel.micro[1]
    rows, columns = (product.k, product.n) if kernel.axis == "n" else (product.m, product.k)
    rest, padded, results = 0, 0, counts["micro"]
    if kernel.axis in {"m", "block"}:
        results, padded = rows * -(-columns // wide), rows * columns if columns % wide else 0
    else:
        rest = rows * (columns % TOGETHER)
    reduced = (rows * columns - rest) / p["byte"] + rest * p["rest"] + padded * p["pad"]
    return p["t0"] + reduced + results * p["result"] + counts["found"] * p["entry"] + counts["groups"] * p["group"]


def layout_of(axis: Axis, shape: Mapping[str, float], p: Mapping[str, float], dtype: str, device: Device) -> float:
    """Return `layout_seconds` of a sample's shape [s]."""
    kernel, product, mask = problem(axis, shape)
    return layout_seconds(kernel, product, work_of(kernel, product, mask), p)


def index_counts(kernel: SparseKernel, product: Product, work: Work) -> dict[str, float]:
    """Return what finding a kernel's micro-tiles takes in any layout: the shape of the kernel ``index``."""
    high, wide = kernel.micro
    rows, columns = (product.k, product.n) if kernel.axis == "n" else (product.m, product.k)
    across = -(-columns // wide)
    micro = -(-rows // high) * across
    groups = -(-product.m // kernel.tile_m) if kernel.axis in {"k", "block"} else -(-product.k // kernel.tile_k)
    return {
        "elements": rows * columns if wide > 1 else 0,
        "partial": rows * across if high > 1 else 0,
        "micro": micro,
        "found": micro * work.density,
        "groups": groups,
    }

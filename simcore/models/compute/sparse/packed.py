"""The cost of sparse kernels made of library calls, which gather, multiply and scatter one group after another.

A group holds a non-zero. On the k-axis and for whole blocks it is a row block. On the m- and n-axis it is a block of k.
Kernels that gather while they load are priced by tiles instead, see `simcore.models.compute.sparse.prices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from simcore.models.compute.device import DTYPES, Device
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

        t = t0 + e m n / stream + G (group + 2 M N K / rate + e (M K / left + K N / right + M N / out))

    G is the number of groups. A group multiplies M x K by K x N on average, where the axis names the packed size: K on
    the k-axis, M on the m-axis, N on the n-axis. e is bytes per element and `rate` is in [FLOP/s]. `left`, `right` and
    `out` [B/s] are the speeds at which bytes of the three operands move. `stream` [B/s] is the speed at which the whole
    output is cleared. `group` [s] is the cost of a group's calls. The time is linear in the packed size, so averages
    are exact.

    The formula is fitted to sparse products. The fit of a dense product would not do: it knows nothing of operands that
    were just gathered and are still in the cache.

    Examples
    --------
    >>> p = {"t0": 0.0, "group": 0.0, "rate": 1e9, "left": 1e30, "right": 1e30, "out": 1e30, "stream": 1e30}
    >>> kernel, product = SparseKernel("k", 32, 1, 1), Product(64, 100, 50)
    >>> work = kernel.work(product, RandomMask(64, 100, 1, 1, 0.0))
    >>> round(packed_seconds(kernel, product, work, p) * 1e9 / product.flop, 6)
    1.0
    """
    groups = work.groups
    if groups <= 0:
        return p["t0"] + DTYPES[product.dtype] * product.m * product.n / p["stream"]
    e, axis = DTYPES[product.dtype], kernel.axis
    length = {"k": product.k, "block": product.k, "m": product.m, "n": product.n}[axis]
    tile_m, tile_k = min(kernel.tile_m, product.m), min(kernel.tile_k, product.k)
    blocks = product.m / tile_m if axis in {"k", "block"} else product.k / tile_k  # one at the edge by its share
    packed = min(work.density * length * blocks / groups, length)
    m, n, k = {
        "k": (tile_m, product.n, packed),
        "block": (tile_m, product.n, packed),
        "m": (packed, product.n, tile_k),
        "n": (product.m, packed, tile_k),
    }[axis]
    moved = m * k / p["left"] + k * n / p["right"] + m * n / p["out"]
    each = p["group"] + 2 * m * n * k / p["rate"] + e * moved
    return p["t0"] + e * product.m * product.n / p["stream"] + groups * each


def packed_of(axis: Axis, shape: Mapping[str, float], p: Mapping[str, float], dtype: str, device: Device) -> float:
    """Return `packed_seconds` of a sample's shape [s]."""
    kernel, product, mask = problem(axis, shape, dtype)
    return packed_seconds(kernel, product, work_of(kernel, product, mask), p)


def layout_counts(axis: Axis, shape: Mapping[str, float]) -> dict[str, float]:
    """Return `index_counts` of a sample's shape."""
    kernel, product, mask = problem(axis, shape)
    return index_counts(kernel, product, work_of(kernel, product, mask))


def index_counts(kernel: SparseKernel, product: Product, work: Work) -> dict[str, float]:
    """Return what finding a kernel's micro-tiles takes: the shape of the kernel ``index`` and its like."""
    high, wide = kernel.micro
    rows, columns = (product.k, product.n) if kernel.axis == "n" else (product.m, product.k)
    across = -(-columns // wide)
    micro = -(-rows // high) * across
    return {
        "elements": rows * columns if wide > 1 else 0,
        "partial": rows * across if high > 1 else 0,
        "micro": micro,
        "found": micro * work.density,
    }

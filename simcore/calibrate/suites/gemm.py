"""Dense matrix products: squares, skinny ones, transformer shapes, sizes that no tile divides, and batches."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.formats import matrix_formats
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs

CPU_SIZES = (64, 128, 256, 512, 1024)
GPU_SIZES = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
HELD_OUT = {
    "cpu": ((96, 96, 96), (192, 320, 256), (384, 384, 384), (129, 512, 640), (320, 768, 768), (640, 640, 640),
            (511, 257, 900), (8, 768, 768), (200, 1000, 700), (1, 768, 768), (1, 4096, 256), (2, 1536, 768),
            (768, 1, 1536), (384, 64, 4096), (1024, 64, 2048), (2048, 1536, 48), (3000, 3000, 100)),
    "cuda": ((192, 192, 192), (384, 1536, 768), (768, 768, 768), (1000, 1000, 1000), (1537, 1537, 1537),
             (3072, 768, 3072), (1536, 6144, 1536), (3072, 3072, 3072), (4097, 1023, 2047), (6144, 6144, 6144),
             (200, 5120, 5120), (5000, 3000, 7000), (1, 5120, 5120), (2, 3072, 6144), (5120, 1, 5120),
             (6144, 96, 6144), (6144, 6144, 96)),
}  # fmt: skip
"""Shapes m, n, k that no fit sees; some of their sizes are fitted in other shapes."""

LONG = {
    "cpu": ((64, 4096, 4096), (4096, 64, 4096), (4096, 4608, 64), (64, 4096, 512), (4096, 64, 512), (2048, 2048, 64)),
    "cuda": ((64, 8192, 8192), (8192, 64, 8192), (8192, 8192, 64), (1, 4096, 4096), (4096, 1, 4096), (4, 4096, 4096)),
}
"""Fitted too: one short side each, so that long ones are in range within a fraction of a second, and what is bound by
reading a matrix or by writing the product is not read off squares. On the CPU one output is fresh memory in every
format (`simcore.models.compute.device.FRESH`) by a margin: at the very bound it depends on what ran before."""

SKINNY = ((1, 1024, 1024), (4, 1024, 1024), (1024, 1, 1024), (16, 1024, 1024), (32, 512, 2048), (1024, 64, 1024),
          (1024, 1024, 64), (129, 129, 513))  # fmt: skip
"""Fitted on every device; the first three are, or are nearly, products of a matrix and a vector."""

BATCHED = {
    "cpu": (((12, 128, 128, 64), False), ((12, 128, 64, 128), False), ((24, 64, 64, 64), False),
            ((4, 384, 384, 64), False), ((8, 256, 256, 64), True), ((8, 192, 64, 192), True)),
    "cuda": (((96, 128, 128, 64), False), ((96, 128, 64, 128), False), ((384, 64, 64, 64), False),
             ((64, 512, 512, 64), False), ((64, 512, 64, 512), False), ((32, 2048, 2048, 128), False),
             ((96, 384, 384, 64), True), ((96, 384, 64, 384), True), ((32, 1024, 1024, 128), True)),
}  # fmt: skip
"""Batch, m, n, k of attention's products, and whether they are held out."""


SCATTERED = {"cpu": (24, 2304), "cuda": (24, 9216)}
"""Least and largest side of products whose sides are drawn log-uniformly; a cube of each bounds what is in range."""

DRAWN = {False: 120, True: 240}
"""How many are drawn, quick and full, on every device and in every format."""

SEED = 13
"""Of the draw: the same shapes in every calibration."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the GEMM cases of a device.

    Parameters
    ----------
    kind : {'cpu', 'cuda'}
        Where they run.
    full : bool
        Whether to measure every size, or every other one.
    """
    for dtype in matrix_formats(kind):
        listed = [product(kind, dtype, *sizes) for sizes in dict.fromkeys([*_fitted(kind, full), *drawn(kind, full)])]
        listed += [product(kind, dtype, *sizes, held_out=held_out) for sizes, held_out in _batched(kind)]
        listed += [product(kind, dtype, *sizes, held_out=True) for sizes in HELD_OUT[kind]]
        yield from listed


def _batched(kind: str) -> Iterator[tuple[tuple[int, int, int, int], bool]]:
    """Yield m, n, k and batch of attention's products, and whether they are held out."""
    for (batch, m, n, k), held_out in BATCHED[kind]:
        yield (m, n, k, batch), held_out


def drawn(kind: str, full: bool) -> list[tuple[int, int, int]]:
    """Return products whose sides are drawn log-uniformly, so that sizes which nobody would choose are fitted too.

    The quick ones are the first of the full ones. Two cubes stand for the ends of the range.

    Examples
    --------
    >>> len(drawn("cpu", full=True)), drawn("cpu", full=True)[: len(drawn("cpu", full=False))] == drawn("cpu", False)
    (242, True)
    """
    low, high = SCATTERED[kind]
    chance = random.Random(SEED)
    sides = (
        [round(math.exp(chance.uniform(math.log(low), math.log(high)))) for _ in "mnk"] for _ in range(DRAWN[full])
    )
    return [(low, low, low), (high, high, high), *((m, n, k) for m, n, k in sides)]


def _fitted(kind: str, full: bool) -> list[tuple[int, int, int]]:
    sizes = CPU_SIZES if kind == "cpu" else GPU_SIZES
    largest = sizes[-1]
    shapes = [(size, size, size) for size in sizes]
    shapes += [(size, largest // 2, largest // 2) for size in sizes]
    shapes += [(largest // 2, largest // 2, size) for size in sizes[:-1]]
    shapes += [(size + 1, size + 1, size) for size in sizes[2:-1]]
    if full:
        shapes += [(size, largest // 4, largest) for size in sizes]
        shapes += [(largest, size, largest // 4) for size in sizes]
        shapes += [(size - 1, size - 1, size - 1) for size in sizes[2:]]
    return list(dict.fromkeys([*shapes, *SKINNY, *LONG[kind]]))


def product(kind: str, dtype: str, m: int, n: int, k: int, batch: int = 1, *, held_out: bool = False) -> Case:
    """Return the case of one product of m x k and k x n, `batch` times."""
    front = (batch,) if batch > 1 else ()

    def make_inputs(index: int) -> Inputs:
        seed = 2 * index
        return (
            random_tensor((*front, m, k), dtype, kind, seed),
            random_tensor((*front, k, n), dtype, kind, seed + 1),
        )

    def run(a: Any, b: Any) -> Any:
        return a @ b

    shape = {"m": m, "n": n, "k": k, "batch": batch}
    return Case("gemm", dtype, shape, make_inputs, run, check_product, held_out)


def check_product(output: Any, inputs: Inputs) -> float:
    """Return the relative error of some eight rows of a product against float64.

    The distance between them is odd, so that they lie at different rows of the tiles that kernels cut.
    """
    a, b = inputs
    step = a.shape[-2] // 8 | 1
    rows = slice(0, None, step)
    if a.dim() == 3:
        a, b, output = a[:1], b[:1], output[:1]
    return relative_error(output[..., rows, :], a[..., rows, :].double() @ b.double())

"""Sparse products for a profile: what the choice of a kernel is fitted on, and problems that no fit sees.

A problem is a shape, a granularity of zeros and a sparsity. On the CPU plain torch kernels run, which multiply at the
exact length of what is packed, so their tiles are one along that axis; on CUDA the fused Triton kernels run, at
several tiles, and the table of a tile is filled at its own micro-tile. The index is timed as a kernel of its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from simcore.calibrate.kernels import pit
from simcore.calibrate.measure.device import has_triton
from simcore.calibrate.measure.failures import require_kept
from simcore.calibrate.measure.formats import matrix_formats
from simcore.calibrate.measure.tensors import random_tensor
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.calibrate.suites.gemm import check_product, product
from simcore.errors import MissingExtraError
from simcore.models.compute.device import FRESH
from simcore.models.compute.sparse.tiles import Axis, SparseKernel

KERNELS = {
    "cpu": (
        SparseKernel("k", 32, 1, 1), SparseKernel("k", 128, 1, 1), SparseKernel("m", 1, 32, 1),
        SparseKernel("m", 1, 128, 1), SparseKernel("block", 32, 64, 1), SparseKernel("n", 1, 32, 1),
        SparseKernel("n", 1, 128, 1),
    ),
    "cuda": (
        SparseKernel("k", 32, 32, 64), SparseKernel("k", 32, 64, 128), SparseKernel("k", 64, 32, 64),
        SparseKernel("k", 128, 32, 64), SparseKernel("m", 32, 64, 64), SparseKernel("m", 64, 64, 128),
        SparseKernel("block", 32, 64, 64), SparseKernel("block", 32, 64, 128), SparseKernel("n", 64, 64, 32),
        SparseKernel("n", 128, 64, 64),
    ),
}  # fmt: skip
"""Kernels that are measured, by kind of device."""

GRANULARITIES = ((32, 1), (128, 1), (1, 64), (32, 64), (1, 1), (8, 8), (32, 128))
"""What the CPU's fits see, in turn."""

SIDES = (64, 4096)
"""Least and largest side of the CPU's problems."""

SPARSITIES = (0.3, 0.995)
"""The same of their sparsity."""

DRAWN = 19
"""How many are drawn for each kernel: sides log-uniformly, and so the share of blocks that are kept."""

MOST = 1024**3
"""Products m n k that are drawn at most: they take milliseconds, so that many fit into a calibration."""

LEAST_KEPT = 8
"""Blocks of a mask that a drawn problem keeps at least: of fewer their number says too little."""

SEED = 29
"""Of the draw: the same problems in every calibration."""

ENDS = (
    ((64, 64, 64), (1, 1), 0.3), ((4096, 64, 4096), (32, 1), 0.995), ((64, 4096, 4096), (8, 8), 0.98),
    ((4096, 4096, 64), (1, 64), 0.9), ((2304, 2304, 2304), (32, 128), 0.98),
)  # fmt: skip
"""Shapes m, n, k, granularities and sparsities at the ends of the range, fitted for one kernel of each axis."""

SHAPES = {"cuda": ((4096, 4096, 4096), (2048, 2048, 2048))}
"""Shapes m, n, k of a tile's table on CUDA."""

TABLE = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Sparsities of a tile's own micro-tile at which its table is filled on CUDA."""

UNSEEN_SHAPES = {
    "cpu": ((768, 640, 896), (384, 1024, 768), (896, 448, 640), (800, 1100, 2300), (150, 2500, 700),
            (2800, 120, 1900)),
    "cuda": ((3072, 3072, 3072), (1536, 6144, 1536), (3072, 768, 6144)),
}  # fmt: skip
UNSEEN_MASKS = (
    ((16, 1), 0.93), ((16, 1), 0.97), ((64, 1), 0.7), ((64, 1), 0.96), ((1, 32), 0.85), ((1, 128), 0.4),
    ((1, 128), 0.96), ((64, 64), 0.7), ((16, 32), 0.992), ((64, 128), 0.93),
)  # fmt: skip
"""Shapes, granularities and sparsities that no fit sees, not even one at a time: each mask at one shape."""


@dataclass(frozen=True)
class Problem:
    """A sparse product to measure.

    Attributes
    ----------
    m, n, k : int
        Shape of the product.
    height, width : int
        Granularity of the zeros [elements].
    sparsity : float
        Share of blocks that are zero.
    """

    m: int
    n: int
    k: int
    height: int
    width: int
    sparsity: float


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the sparse cases of a device, see `simcore.calibrate.suites.gemm.cases`.

    Raises
    ------
    MissingExtraError
        If the device is CUDA and triton is not installed.
    """
    if kind == "cuda":
        _require_triton()
    for dtype in dtypes(kind, full):
        for kernel in KERNELS[kind]:
            for number, problem in enumerate(fitted(kind, kernel)):
                yield multiplication(kind, dtype, kernel, problem)
                if dtype == "fp32" and (kind == "cpu" or number % 3 == 0):
                    yield index(kind, kernel, problem)
        for problem in held_out(kind):
            yield product(kind, dtype, problem.m, problem.n, problem.k, held_out=True)
            for kernel in KERNELS[kind]:
                yield multiplication(kind, dtype, kernel, problem, held_out=True)
                if dtype == "fp32":
                    yield index(kind, kernel, problem, held_out=True)


def dtypes(kind: str, full: bool) -> tuple[str, ...]:
    """Return the number formats that are measured."""
    if kind == "cpu":
        return ("fp32",)
    return ("fp32", "fp16", "tf32") if full and "tf32" in matrix_formats(kind) else ("fp32", "fp16")


def fitted(kind: str, kernel: SparseKernel) -> Iterator[Problem]:
    """Yield the problems that a kernel's cost is fitted on."""
    if kind == "cuda":
        yield from (Problem(*shape, *kernel.micro, sparsity) for shape in SHAPES[kind] for sparsity in TABLE)
        return
    yield from drawn(kernel.axis)
    if kernel == next(one for one in KERNELS[kind] if one.axis == kernel.axis):
        yield from (Problem(*shape, *granularity, sparsity) for shape, granularity, sparsity in ENDS)


def drawn(axis: Axis) -> list[Problem]:
    """Return random problems over the whole range, whose mask keeps some blocks.

    Examples
    --------
    >>> found = drawn("k")
    >>> len(found), max(one.m * one.n * one.k for one in found) <= MOST
    (19, True)
    """
    chance = random.Random(SEED)
    found: list[Problem] = []
    while len(found) < DRAWN:
        m, n, k = (round(log_uniform(chance, *SIDES)) for _ in "mnk")
        height, width = GRANULARITIES[len(found) % len(GRANULARITIES)]
        share = log_uniform(chance, 1 - SPARSITIES[1], 1 - SPARSITIES[0])
        rows, columns = (k, n) if axis == "n" else (m, k)
        kept = share * (rows / height) * (columns / width)
        near = 0.7 < 4 * m * n / FRESH["cpu"] < 1.5  # at the very bound it depends on what ran before
        if m * n * k <= MOST and kept >= LEAST_KEPT and not near:
            found.append(Problem(m, n, k, height, width, round(1 - share, 4)))
    return found


def log_uniform(chance: random.Random, low: float, high: float) -> float:
    """Return a number whose logarithm is spread evenly between those of two bounds.

    Parameters
    ----------
    chance : Random
        What draws.
    low, high : float
        Bounds, above 0.
    """
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def held_out(kind: str) -> Iterator[Problem]:
    """Yield the problems that no fit sees: each mask at one of the shapes."""
    shapes = UNSEEN_SHAPES[kind]
    for place, ((height, width), sparsity) in enumerate(UNSEEN_MASKS):
        yield Problem(*shapes[place % len(shapes)], height, width, sparsity)


def multiplication(kind: str, dtype: str, kernel: SparseKernel, problem: Problem, *, held_out: bool = False) -> Case:
    """Return the case of one kernel on one problem, its index given."""
    name, shape = f"pit-{kernel.axis}", _shape(problem, kernel)

    def make_inputs(number: int) -> Inputs:
        mask = mask_of(problem, kernel, kind, number)
        require_kept(mask, f"{name} {shape}")
        a = random_tensor((problem.m, problem.k), dtype, kind, 2 * number)
        b = random_tensor((problem.k, problem.n), dtype, kind, 2 * number + 1)
        a, b = (a, b * mask) if kernel.axis == "n" else (a * mask, b)
        return *stored(kind, kernel, a, b), build(kind, kernel, mask)

    def run(a: Any, b: Any, index: Any) -> Any:
        return multiply(kind, kernel, dtype, a, b, index)

    return Case(
        name, dtype, shape, make_inputs, run,
        lambda output, inputs: check_product(output, inputs[:2]), held_out,
    )  # fmt: skip


def index(kind: str, kernel: SparseKernel, problem: Problem, *, held_out: bool = False) -> Case:
    """Return the case of building the index that a kernel needs for a problem, of a mask just written on a CPU."""
    name, shape = f"index-{kernel.axis}", _shape(problem, kernel)

    def make_inputs(number: int) -> Inputs:
        mask = mask_of(problem, kernel, kind, number)
        require_kept(mask, f"{name} {shape}")
        return (mask,)

    def run(mask: Any) -> Any:
        return build(kind, kernel, mask)

    if kind == "cuda":
        return Case(name, "bool", shape, make_inputs, run, None, held_out)
    return Case(name, "bool", shape, make_inputs, run, None, held_out, "warm", written=True)


def mask_of(problem: Problem, kernel: SparseKernel, device: str, seed: int) -> Any:
    """Return a mask for a problem: of A, or of B on the n-axis."""
    shape = (problem.k, problem.n) if kernel.axis == "n" else (problem.m, problem.k)
    return pit.block_mask(shape, (problem.height, problem.width), problem.sparsity, device, seed)


def stored(kind: str, kernel: SparseKernel, a: Any, b: Any) -> tuple[Any, Any]:
    """Return both matrices in the layout that PIT keeps on a GPU: the sparse one contiguous along its micro-tile."""
    if kind == "cuda" and kernel.axis == "k":
        return a.T.contiguous().T, b
    if kind == "cuda" and kernel.axis == "n":
        return a, b.T.contiguous().T
    return a, b


def build(kind: str, kernel: SparseKernel, mask: Any) -> Any:
    """Return the index that a kernel needs, by Triton on CUDA."""
    axis, high, wide = kernel.axis, kernel.tile_m, kernel.tile_k
    if kind == "cuda":
        from simcore.calibrate.kernels.pit_triton import build_index

        if axis == "block":
            return build_index(mask, high, wide)
        return build_index(mask.T if axis == "m" else mask, high if axis == "k" else wide)
    return pit.index_of(mask, axis, high, wide)


def multiply(kind: str, kernel: SparseKernel, dtype: str, a: Any, b: Any, index: Any) -> Any:
    """Return the product by one kernel, fused on CUDA."""
    axis, high, wide = kernel.axis, kernel.tile_m, kernel.tile_k
    if kind == "cuda":
        from simcore.calibrate.kernels import pit_triton

        run = {"m": pit_triton.m_axis, "n": pit_triton.n_axis}.get(axis, pit_triton.k_axis)
        options = {"whole": True} if axis == "block" else {}
        precision = "tf32" if dtype == "tf32" else "ieee"
        return run(a, b, index, (high, wide, kernel.tile_n), precision=precision, **options)
    return pit.multiply(a, b, index, axis, high, wide)


def _shape(problem: Problem, kernel: SparseKernel) -> dict[str, float]:
    tile = {"tile_m": kernel.tile_m, "tile_k": kernel.tile_k, "tile_n": kernel.tile_n}
    return {**asdict(problem), **tile}


def _require_triton() -> None:
    if not has_triton():
        remedy = "pip install triton, or leave pit out of the suites"
        raise MissingExtraError(f"the suite pit needs triton on a CUDA device, which is not installed: {remedy}")

"""Memory-bound kernels: elementwise, normalisations, gather and scatter of rows, and the index of a sparse mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from simcore.calibrate.measure import Case, Inputs, random_tensor, relative_error, require_torch
from simcore.models.compute.device import DTYPES

WIDTH = 1024
"""Columns of the tensors that are normalised row by row."""

SIZES = {"cpu": (16, 48, 128, 256, 700, 1500, 4096), "cuda": (64, 180, 512, 1500, 4096, 16384, 65536)}
HELD_OUT = {"cpu": (32, 512, 2048), "cuda": (256, 2048, 32768)}
"""Rows of WIDTH elements, fitted and held out."""

GATHERED = {
    "cpu": (((256, 512), False), ((4096, 64), False), ((1024, 4096), False), ((4096, 2048), False),
            ((16384, 256), False), ((512, 8192), False), ((2048, 1024), True), ((8192, 512), True)),
    "cuda": (((1024, 512), False), ((65536, 32), False), ((16384, 1024), False), ((4096, 16384), False),
             ((65536, 256), False), ((16384, 8192), False), ((8192, 4096), True), ((32768, 512), True)),
}  # fmt: skip
"""Rows and their width [B], and whether they are held out."""

MASK = {"cpu": 1024, "cuda": 4096}
INDEXED = (
    ((1, 1), 0.9, False), ((1, 1), 0.99, False), ((16, 16), 0.9, False), ((32, 32), 0.5, False),
    ((32, 1), 0.5, False), ((32, 1), 0.95, False), ((1, 64), 0.95, False), ((1, 64), 0.5, False),
    ((32, 1), 0.9, True), ((1, 64), 0.99, True), ((32, 32), 0.95, True), ((1, 1), 0.95, True),
)  # fmt: skip
"""Micro-tile, sparsity, and whether it is held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the memory-bound cases of a device, see `simcore.calibrate.gemm.cases`; `full` adds larger masks."""
    dtypes = ["fp32", "bf16" if kind == "cpu" else "fp16"]
    for dtype in dtypes:
        for name, (tensors, run) in _operations().items():
            for rows in SIZES[kind]:
                yield _streaming(kind, dtype, name, rows, tensors, run)
            for rows in HELD_OUT[kind]:
                yield _streaming(kind, dtype, name, rows, tensors, run, held_out=True)
        for name in ("gather", "scatter"):
            for (rows, width), held_out in GATHERED[kind]:
                yield _rows(kind, dtype, name, rows, width // DTYPES[dtype], held_out)
    for side in (MASK[kind] // 2, MASK[kind], *([2 * MASK[kind]] if full else [])):
        for micro, sparsity, held_out in INDEXED:
            yield _index(kind, side, micro, sparsity, held_out)


def _operations() -> dict[str, tuple[int, Callable[..., Any]]]:
    """Tensors read and written by each kernel, and how it is run on two tensors of one shape (and row statistics)."""
    torch = require_torch()
    functional, aten = torch.nn.functional, torch.ops.aten

    def layer_norm_backward(x: Any, g: Any, mean: Any, rstd: Any) -> Any:
        wanted = [True, False, False]
        return aten.native_layer_norm_backward(g, x, [x.shape[-1]], mean, rstd, None, None, wanted)[0]

    return {
        "copy": (2, lambda x, g: x.clone()),
        "add": (3, lambda x, g: x + g),
        "gelu": (2, lambda x, g: functional.gelu(x)),
        "softmax": (2, lambda x, g: functional.softmax(x, -1)),
        "layer_norm": (2, lambda x, g: functional.layer_norm(x, (x.shape[-1],))),
        "gelu_backward": (3, lambda x, g: aten.gelu_backward(g, x)),
        "softmax_backward": (3, lambda x, g: aten._softmax_backward_data(g, x, -1, x.dtype)),
        "layer_norm_backward": (3, layer_norm_backward),
    }


def _streaming(
    kind: str, dtype: str, name: str, rows: int, tensors: int, run: Callable[..., Any], *, held_out: bool = False
) -> Case:
    def prepared(x: Any, g: Any) -> Inputs:
        if name != "layer_norm_backward":
            return x, g
        _, mean, rstd = require_torch().ops.aten.native_layer_norm(x, [WIDTH], None, None, 1e-5)
        return x, g, mean, rstd

    def make_inputs(index: int) -> Inputs:
        shape = (rows, WIDTH)
        return prepared(random_tensor(shape, dtype, kind, 2 * index), random_tensor(shape, dtype, kind, 2 * index + 1))

    def check(output: Any, inputs: Inputs) -> float:
        return relative_error(output, run(*prepared(inputs[0].double(), inputs[1].double())))

    moved = tensors * rows * WIDTH * DTYPES[dtype]
    return Case(name, dtype, {"bytes": moved}, make_inputs, run, check, held_out)


def _rows(kind: str, dtype: str, name: str, rows: int, width: int, held_out: bool) -> Case:
    torch = require_torch()

    def make_inputs(index: int) -> Inputs:
        generator = torch.Generator().manual_seed(index)
        chosen = torch.randperm(2 * rows, generator=generator)[:rows].to(kind)
        long, short = (2 * rows, width), (rows, width)
        size = long if name == "gather" else short
        target = random_tensor(long, dtype, kind, index + 100)
        return random_tensor(size, dtype, kind, index), chosen, target

    def run(x: Any, chosen: Any, target: Any) -> Any:
        return x.index_select(0, chosen) if name == "gather" else target.index_copy_(0, chosen, x)

    def check(output: Any, inputs: Inputs) -> float:
        x, chosen, _ = inputs
        found, wanted = (output, x[chosen]) if name == "gather" else (output[chosen], x)
        return 0.0 if torch.equal(found, wanted) else 1.0

    return Case(name, dtype, {"rows": rows, "width": width * DTYPES[dtype]}, make_inputs, run, check, held_out)


def _index(kind: str, side: int, micro: tuple[int, int], sparsity: float, held_out: bool) -> Case:
    """Return the case of an any-reduce over the micro-tiles of a mask and the list of those that hold something."""
    torch = require_torch()
    high, wide = micro
    grid = (side // high, side // wide)
    found = round(grid[0] * grid[1] * (1 - sparsity))

    def make_inputs(index: int) -> Inputs:
        generator = torch.Generator().manual_seed(index)
        kept = torch.zeros(grid[0] * grid[1], dtype=torch.bool)
        kept[torch.randperm(grid[0] * grid[1], generator=generator)[:found]] = True
        return (kept.reshape(grid).repeat_interleave(high, 0).repeat_interleave(wide, 1).to(kind),)

    def run(mask: Any) -> Any:
        rows = mask.view(side, grid[1], wide).any(dim=2) if wide > 1 else mask
        tiles = rows.view(grid[0], high, grid[1]).any(dim=1) if high > 1 else rows
        return tiles.nonzero()

    def check(output: Any, inputs: Inputs) -> float:
        return 0.0 if len(output) == found else 1.0

    elements, partial = side * side if wide > 1 else 0, side * grid[1] if high > 1 else 0
    shape = {"elements": elements, "partial": partial, "micro": grid[0] * grid[1], "found": found}
    return Case("index", "bool", shape, make_inputs, run, check, held_out, tolerance=0.0)

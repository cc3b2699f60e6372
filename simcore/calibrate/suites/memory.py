"""Memory-bound kernels: elementwise, normalisations, gather and scatter of rows, and the index of a sparse mask.

Activations of convolutional networks and the loss are measured at fewer sizes, on a CPU in fp32 alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simcore.calibrate.kernels.pit import block_mask, kept
from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.models.compute.device import DTYPES

WIDTH = 1024
"""Columns of the tensors that are normalised row by row."""

DROPPED = 0.1
"""Share of the elements that dropout drops."""

RATE = 1e-3
"""Learning rate of Adam's update."""

SIZES = {"cpu": (16, 48, 128, 256, 700, 1500, 4096), "cuda": (64, 180, 512, 1500, 4096, 16384, 65536)}
HELD_OUT = {"cpu": (32, 512, 2048), "cuda": (256, 2048, 32768)}
"""Rows of WIDTH elements, fitted and held out."""

FEW = {"cpu": (2, 16, 128, 256, 1500, 4096), "cuda": (2, 64, 512, 4096, 16384, 65536)}
FEW_HELD_OUT = {"cpu": (48, 700), "cuda": (256, 8192)}
"""The same for kernels that are much alike."""

MASKED = {"cpu": (4, 48, 256, 700, 1500), "cuda": (64, 512, 1500, 4096, 32768)}
MASKED_HELD_OUT = {"cpu": (128,), "cuda": (2048,)}
"""The same for kernels of masks, which is fewer still."""

GATHERED = {
    "cpu": (((256, 512), False), ((4096, 64), False), ((16384, 64), False), ((16384, 128), False), ((4096, 256), False),
            ((16384, 256), False), ((2048, 512), False), ((4096, 1024), False), ((4096, 2048), False),
            ((1024, 4096), False), ((512, 8192), False), ((8192, 128), True), ((2048, 1024), True),
            ((8192, 512), True), ((2048, 3072), True)),
    "cuda": (((1024, 512), False), ((65536, 32), False), ((65536, 64), False), ((16384, 1024), False),
             ((4096, 16384), False), ((65536, 256), False), ((16384, 8192), False), ((16384, 2048), False),
             ((32768, 128), True), ((8192, 4096), True), ((32768, 512), True)),
}  # fmt: skip
"""Rows and their width [B], and whether they are held out."""

UPDATED = (
    ((4, 16384), False), ((16, 1024), False), ((16, 65536), False), ((64, 4096), False), ((64, 65536), False),
    ((160, 1024), False), ((160, 16384), False), ((8, 1024), True), ((32, 16384), True), ((100, 8192), True),
)  # fmt: skip
"""Tensors that Adam updates and elements of each, and whether they are held out."""

HALVED = ((16, False), (256, False), (1500, False), (64, True), (700, True))
"""Rows of which a CPU's dropout drops a half, which its guesses of the next element miss most, and the same."""

MASK = {"cpu": 1024, "cuda": 4096}
INDEXED = (
    ((1, 1), 0.9, False), ((1, 1), 0.99, False), ((16, 16), 0.9, False), ((32, 32), 0.5, False),
    ((32, 1), 0.5, False), ((32, 1), 0.95, False), ((1, 64), 0.95, False), ((1, 64), 0.5, False),
    ((32, 1), 0.9, True), ((1, 64), 0.99, True), ((32, 32), 0.95, True), ((1, 1), 0.95, True),
)  # fmt: skip
"""Micro-tile, sparsity, and whether it is held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the memory-bound cases of a device, see `simcore.calibrate.suites.gemm.cases`; `full` adds larger masks."""
    dtypes = ["fp32", "bf16" if kind == "cpu" else "fp16"]
    for dtype in dtypes:
        for operation in operations():
            if operation.dtype in {None, dtype}:
                for rows in SIZES[kind]:
                    yield _streaming(kind, dtype, operation, rows)
                for rows in HELD_OUT[kind]:
                    yield _streaming(kind, dtype, operation, rows, held_out=True)
        for operation in [*_activations(), *losses()] if dtype == "fp32" or kind == "cuda" else []:
            for rows in FEW[kind]:
                yield _streaming(kind, dtype, operation, rows)
            for rows in FEW_HELD_OUT[kind]:
                yield _streaming(kind, dtype, operation, rows, held_out=True)
        for operation in masking() if dtype == "fp32" else []:
            for rows in MASKED[kind]:
                yield _streaming(kind, dtype, operation, rows)
            for rows in MASKED_HELD_OUT[kind]:
                yield _streaming(kind, dtype, operation, rows, held_out=True)
        for rows, held_out in HALVED if kind == "cpu" else ():
            yield _streaming(kind, dtype, dropped(50), rows, held_out=held_out)
        for size, held_out in UPDATED if dtype == "fp32" else ():
            yield streaming_case(kind, dtype, update(size[0]), size, 7 * 4 * math.prod(size), held_out=held_out)
        for name in ("gather", "scatter"):
            for (rows, width), held_out in GATHERED[kind]:
                yield _rows(kind, dtype, name, rows, width // DTYPES[dtype], held_out)
    for side in (MASK[kind] // 2, MASK[kind], *([2 * MASK[kind]] if full else [])):
        for micro, sparsity, held_out in INDEXED:
            yield _index(kind, side, micro, sparsity, held_out)


@dataclass(frozen=True)
class Operation:
    """A kernel whose time goes with its bytes.

    `tensors` are read and written whole, `extra` bytes per element beside them; `prepare` turns two random tensors of
    one shape into the inputs of `run`; `expected` gives the output in float64 where that is not `run` itself. `sizes`
    are those beside the bytes.
    """

    name: str
    tensors: int
    run: Callable[..., Any]
    prepare: Callable[[Any, Any], Inputs] = lambda x, g: (x, g)
    expected: Callable[..., Any] | None = None
    extra: int = 0
    dtype: str | None = None
    sizes: Mapping[str, float] = field(default_factory=dict)


def operations() -> list[Operation]:
    """Return kernels of transformers."""
    torch = require_torch()
    functional, aten = torch.nn.functional, torch.ops.aten

    def statistics(x: Any, g: Any) -> Inputs:
        _, mean, rstd = aten.native_layer_norm(x, [x.shape[-1]], None, None, 1e-5)
        return x, g, mean, rstd

    def layer_norm_backward(x: Any, g: Any, mean: Any, rstd: Any) -> Any:
        wanted = [True, False, False]
        return aten.native_layer_norm_backward(g, x, [x.shape[-1]], mean, rstd, None, None, wanted)[0]

    def kept_of(x: Any) -> Any:
        """Return what dropout hands to its gradient: factors on a CPU, on a GPU a byte per element."""
        return x > 0 if x.is_cuda else (x > 0).to(x.dtype) / (1 - DROPPED)

    def undropped(g: Any, mask: Any) -> Any:
        return aten.native_dropout_backward(g, mask, 1 / (1 - DROPPED)) if g.is_cuda else g * mask

    return [
        Operation("copy", 2, lambda x, g: x.clone()),
        Operation("add", 3, lambda x, g: x + g),
        Operation("gelu", 2, lambda x, g: functional.gelu(x)),
        Operation("softmax", 2, lambda x, g: functional.softmax(x, -1)),
        Operation("layer_norm", 2, lambda x, g: functional.layer_norm(x, (x.shape[-1],))),
        dropped(),
        Operation("gelu_backward", 3, lambda x, g: aten.gelu_backward(g, x)),
        Operation("softmax_backward", 3, lambda x, g: aten._softmax_backward_data(g, x, -1, x.dtype)),
        Operation("layer_norm_backward", 3, layer_norm_backward, statistics),
        Operation(
            "dropout_backward", 2, undropped, lambda x, g: (g, kept_of(x)), extra=1,
            expected=lambda g, mask, output: (g.double() * (mask != 0) / (1 - DROPPED), output),
        ),
        update(),
    ]  # fmt: skip


def dropped(percent: int = 0) -> Operation:
    """Return dropout of so many elements of a hundred, or of the usual share, which its samples do not name."""
    functional = require_torch().nn.functional
    rate = percent / 100 if percent else DROPPED
    return Operation(
        "dropout", 2, lambda x, g: functional.dropout(x, rate), extra=1,
        expected=lambda x, g, output: (x.double() * (output != 0) / (1 - rate), output),
        sizes={"percent": percent} if percent else {},
    )  # fmt: skip


def update(tensors: int = 0) -> Operation:
    """Return Adam's update of one tensor, or of so many, each a row of the random ones."""
    torch = require_torch()

    def prepare(x: Any, g: Any) -> Inputs:
        parameters = [row.clone().requires_grad_() for row in x] if tensors else [x.clone().requires_grad_()]
        for parameter, gradient in zip(parameters, g if tensors else [g], strict=True):
            parameter.grad = gradient
        return parameters, x, g, torch.optim.Adam(parameters, lr=RATE, fused=True)

    def run(parameters: Any, x: Any, g: Any, optimizer: Any) -> Any:
        optimizer.step()
        return parameters

    def expected(parameters: Any, x: Any, g: Any, optimizer: Any, output: Any) -> tuple[Any, Any]:
        """Return that the first step is as long as the learning rate, whatever the gradient."""
        return x.double() - RATE * g.double().sign(), torch.stack([one.detach() for one in output]).view_as(x)

    sizes = {"tensors": tensors} if tensors else {}
    return Operation("adam", 7, run, prepare, expected, dtype="fp32", sizes=sizes)


def _activations() -> list[Operation]:
    """Return the activations of convolutional networks, and the product of a gate."""
    torch = require_torch()
    aten = torch.ops.aten
    return [
        Operation("mul", 3, lambda x, g: x * g),
        Operation("relu", 2, lambda x, g: torch.relu(x)),
        Operation("tanh", 2, lambda x, g: torch.tanh(x)),
        Operation("sigmoid", 2, lambda x, g: torch.sigmoid(x)),
        Operation("silu", 2, lambda x, g: torch.nn.functional.silu(x)),
        Operation("relu_backward", 3, lambda x, g: aten.threshold_backward(g, x, 0)),
        Operation("tanh_backward", 3, lambda x, g: aten.tanh_backward(g, x)),
        Operation("sigmoid_backward", 3, lambda x, g: aten.sigmoid_backward(g, x)),
        Operation("silu_backward", 3, lambda x, g: aten.silu_backward(g, x)),
    ]


def masking() -> list[Operation]:
    """Return kernels of masks, which have runs as those of causal and of local attention do."""
    torch = require_torch()

    def mask(x: Any) -> Any:
        rows, columns = (torch.arange(size, device=x.device) for size in x.shape)
        return columns > rows[:, None] * 7 % len(columns)

    def added(x: Any, hidden: Any) -> Any:
        return torch.where(hidden, 0.0, -1.0)

    return [
        Operation("masked", 2, lambda x, kept: x * kept, lambda x, g: (x, mask(x)), extra=1),
        Operation("masked_fill", 2, lambda x, hidden: x.masked_fill_(hidden, 0.0), lambda x, g: (x, mask(x)), extra=1),
        Operation("where", 1, added, lambda x, g: (x, mask(x)), extra=1),
        Operation("compare", 1, lambda x, g: x != 0, lambda x, g: (x.relu(), g), extra=1),
    ]


def losses() -> list[Operation]:
    """Return cross entropy of rows of scores, and its gradient: of the loss, and of the softmax behind it."""
    torch = require_torch()
    functional, aten = torch.nn.functional, torch.ops.aten

    def answered(x: Any, g: Any) -> Inputs:
        return x, torch.arange(x.shape[0], device=x.device) * 7 % x.shape[1]

    def saved(x: Any, g: Any) -> Inputs:
        output = functional.log_softmax(x, -1)
        _, answers = answered(x, g)
        _, weight = aten.nll_loss_forward(output, answers, None, 1, -100)
        return output, answers, weight, x

    def backward(output: Any, answers: Any, weight: Any, x: Any) -> Any:
        g = aten.nll_loss_backward(torch.ones_like(weight), output, answers, None, 1, -100, weight)
        return aten._log_softmax_backward_data(g, output, -1, x.dtype)

    def expected(_: Any, answers: Any, weight: Any, x: Any, output: Any) -> tuple[Any, Any]:
        rows = torch.arange(len(answers), device=x.device)
        wanted = functional.softmax(x.double(), -1)
        wanted[rows, answers] -= 1
        return wanted / len(answers), output

    return [
        Operation(
            "cross_entropy", 2, functional.cross_entropy, answered,
            lambda x, answers, output: (functional.cross_entropy(x.double(), answers), output),
        ),
        Operation("cross_entropy_backward", 3, backward, saved, expected),
    ]  # fmt: skip


def _streaming(kind: str, dtype: str, operation: Operation, rows: int, *, held_out: bool = False) -> Case:
    moved = rows * WIDTH * (operation.tensors * DTYPES[dtype] + operation.extra)
    return streaming_case(kind, dtype, operation, (rows, WIDTH), moved, held_out=held_out)


def streaming_case(
    kind: str, dtype: str, operation: Operation, size: tuple[int, ...], moved: int, *, held_out: bool = False
) -> Case:
    """Return the case of a kernel whose time goes with its bytes.

    Parameters
    ----------
    kind, dtype, held_out
        See `simcore.calibrate.measure.timing.Case`.
    operation : Operation
        What runs.
    size : tuple of int
        Of both random tensors that its inputs are made of.
    moved : int
        Bytes that are read and written [B].
    """

    def make_inputs(index: int) -> Inputs:
        x, g = (random_tensor(size, dtype, kind, 2 * index + i) for i in (0, 1))
        return operation.prepare(x, g)

    def check(output: Any, inputs: Inputs) -> float:
        if operation.expected is not None:
            wanted, got = operation.expected(*inputs, output)
            return relative_error(got, wanted)
        x, g = inputs[:2]
        return relative_error(output, operation.run(*operation.prepare(x.double(), g.double())))

    shape = {"bytes": moved, **operation.sizes}
    return Case(operation.name, dtype, shape, make_inputs, operation.run, check, held_out)


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
        got, wanted = (output, x[chosen]) if name == "gather" else (output[chosen], x)
        return 0.0 if torch.equal(got, wanted) else 1.0

    return Case(name, dtype, {"rows": rows, "width": width * DTYPES[dtype]}, make_inputs, run, check, held_out)


def _index(kind: str, side: int, micro: tuple[int, int], sparsity: float, held_out: bool) -> Case:
    """Return the case of an any-reduce over the micro-tiles of a mask and the list of those that hold something."""
    high, wide = micro
    grid = (side // high, side // wide)
    positions = round(grid[0] * grid[1] * (1 - sparsity))

    def make_inputs(index: int) -> Inputs:
        return (block_mask((side, side), micro, sparsity, kind, index),)

    def run(mask: Any) -> Any:
        return kept(mask, high, wide).nonzero()

    def check(output: Any, inputs: Inputs) -> float:
        return 0.0 if len(output) == positions else 1.0

    elements, partial = side * side if wide > 1 else 0, side * grid[1] if high > 1 else 0
    shape = {"elements": elements, "partial": partial, "micro": grid[0] * grid[1], "found": positions}
    return Case("index", "bool", shape, make_inputs, run, check, held_out, tolerance=0.0)

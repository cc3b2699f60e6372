"""Kernels that move bytes, fused by Inductor: in C++ on a CPU, in Triton on a GPU. Without its compiler there are none.

They stand beside the eager kernels of the same group: bytes that are no longer moved, and their speed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from simcore.calibrate.measure import compiler
from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.calibrate.suites import memory
from simcore.models.compute.device import DTYPES

Widths = Sequence[tuple[int, bool]]
"""Hidden sizes, and whether they are held out."""


class Compiled:
    """A function that is compiled when it is called first, once for all shapes.

    Parameters
    ----------
    function : callable
        Of tensors.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.made: Callable[..., Any] | None = None

    def __call__(self, *inputs: Any) -> Any:
        """Return what the function returns."""
        if self.made is None:
            self.made = require_torch().compile(self.function, backend=compiler.INDUCTOR, dynamic=True)
        return self.made(*inputs)


def operations() -> list[memory.Operation]:
    """Return bias and GELU; bias, residual and norm; and the loss; each as one kernel."""
    torch = require_torch()
    functional = torch.nn.functional

    def bias_gelu(x: Any, bias: Any) -> Any:
        return functional.gelu(x + bias)

    def bias_norm(x: Any, residual: Any, bias: Any) -> Any:
        return functional.layer_norm(x + bias + residual, [x.shape[-1]])

    def with_bias(x: Any, g: Any) -> Inputs:
        return x, g[0]

    def with_residual(x: Any, g: Any) -> Inputs:
        return x, g, g[0]

    def answered(x: Any, g: Any) -> Inputs:
        return x, torch.arange(x.shape[0], device=x.device) * 7 % x.shape[1]

    def wanted(function: Callable[..., Any]) -> Callable[..., Any]:
        def expected(*given: Any) -> Any:
            *inputs, output = given
            return function(*(one.double() if one.is_floating_point() else one for one in inputs)), output

        return expected

    return [
        memory.Operation("fused_gelu", 2, Compiled(bias_gelu), with_bias, wanted(bias_gelu)),
        memory.Operation("fused_layer_norm", 3, Compiled(bias_norm), with_residual, wanted(bias_norm)),
        memory.Operation("fused_cross_entropy", 1, Compiled(functional.cross_entropy), answered,
                         wanted(functional.cross_entropy)),
    ]  # fmt: skip


def cases(kind: str, dtype: str, rows: Sequence[int], widths: Widths, vocabulary: int) -> Iterator[Case]:
    """Yield the fused forms of G3, G4 and G10.

    Parameters
    ----------
    kind, dtype
        See `simcore.calibrate.measure.timing.Case`.
    rows : sequence of int
        Tokens.
    widths : sequence of (int, bool)
        Hidden sizes, and whether they are held out.
    vocabulary : int
        Columns of the output layer.
    """
    if compiler.fuser(kind) != compiler.INDUCTOR:
        return
    gelu, norm, loss = operations()
    for (hidden, held_out), m in itertools.product(widths, rows):
        for operation, columns in ((gelu, 4 * hidden), (norm, hidden)):
            moved = m * columns * operation.tensors * DTYPES[dtype]
            yield memory.streaming_case(kind, dtype, operation, (m, columns), moved, held_out=held_out)
    for m, parts in itertools.product(rows, (1, 2, 4)):
        columns = vocabulary // parts
        moved = m * columns * loss.tensors * DTYPES[dtype]
        yield memory.streaming_case(kind, dtype, loss, (m, columns), moved, held_out=parts == 2)

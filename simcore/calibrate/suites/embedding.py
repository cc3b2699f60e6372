"""Bags of rows of a table, summed, as recommendation models look them up, and the gradient of the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.models.compute.device import DTYPES

BAG = 16
"""Rows of a bag."""

SIZES = {
    "cpu": ((256, 128), (4096, 64), (4096, 256), (16384, 128), (2048, 512), (4096, 1024), (1024, 4096), (16384, 512)),
    "cuda": ((1024, 128), (65536, 64), (65536, 256), (65536, 512), (16384, 512), (16384, 2048), (4096, 4096),
             (131072, 256)),
}  # fmt: skip
HELD_OUT = {"cpu": ((8192, 128), (2048, 1024), (8192, 256)), "cuda": ((32768, 128), (32768, 1024), (32768, 256))}
"""Rows that are looked up, and their width [B]; fitted and held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of bags, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for dtype in ("fp32",) if kind == "cpu" else ("fp32", "fp16"):
        for held_out, sizes in ((False, SIZES[kind]), (True, HELD_OUT[kind])):
            for rows, width in sizes:
                yield _forward(kind, dtype, rows, width // DTYPES[dtype], held_out)
                yield _backward(kind, dtype, rows, width // DTYPES[dtype], held_out)


def _forward(kind: str, dtype: str, rows: int, width: int, held_out: bool) -> Case:
    torch = require_torch()

    def make_inputs(index: int) -> Inputs:
        return random_tensor((2 * rows, width), dtype, kind, index), *_chosen(rows, kind, index)

    def run(table: Any, chosen: Any, starts: Any) -> Any:
        return torch.nn.functional.embedding_bag(chosen, table, starts, mode="sum")

    def check(output: Any, inputs: Inputs) -> float:
        table, chosen, _ = inputs
        return relative_error(output, table.double()[chosen].view(-1, BAG, width).sum(1))

    shape = {"rows": rows, "width": width * DTYPES[dtype]}
    return Case("embedding_bag", dtype, shape, make_inputs, run, check, held_out)


def _backward(kind: str, dtype: str, rows: int, width: int, held_out: bool) -> Case:
    """Return the case of adding the gradients of bags to rows of a table's gradient."""

    def make_inputs(index: int) -> Inputs:
        target = random_tensor((2 * rows, width), dtype, kind, index + 100)
        g = random_tensor((rows // BAG, width), dtype, kind, index)
        return g, _chosen(rows, kind, index)[0], target, target.clone()

    def run(g: Any, chosen: Any, target: Any, before: Any) -> Any:
        return target.index_add_(0, chosen, g.repeat_interleave(BAG, 0))

    def check(output: Any, inputs: Inputs) -> float:
        g, chosen, _, before = inputs
        wanted = before.double().index_add(0, chosen, g.double().repeat_interleave(BAG, 0))
        return relative_error(output, wanted)

    shape = {"rows": rows, "width": width * DTYPES[dtype]}
    return Case("embedding_bag_backward", dtype, shape, make_inputs, run, check, held_out)


def _chosen(rows: int, kind: str, seed: int) -> tuple[Any, Any]:
    """Return rows of a table of twice as many, and where each bag starts."""
    torch = require_torch()
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(2 * rows, generator=generator)[:rows]
    return chosen.to(kind), torch.arange(0, rows, BAG).to(kind)

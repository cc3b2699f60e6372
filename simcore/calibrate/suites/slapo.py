"""Kernels of small transformer layers, as schedules of training change them: groups G1 to G10 of microbenchmarks.

They are measured where they are named: the other suites measure the same kernels at sizes of their own. Sizes of a GPU
are those of Slapo's models (Chen et al., ASPLOS 2024), those of a CPU are small. Group G11, collectives, is measured
with ``--collectives``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor
from simcore.calibrate.measure.timing import Case
from simcore.calibrate.suites import attention, fused, gemm, launch, memory, step
from simcore.models.compute.device import DTYPES

ROWS = {"cpu": (128, 256, 512), "cuda": (512, 2048, 4096, 8192, 16384)}
"""Tokens of a micro-batch."""

WIDTHS = {"cpu": ((256, False), (384, False), (320, True)), "cuda": ((1024, False), (2048, False), (4096, False),
                                                                    (2560, True))}  # fmt: skip
"""Hidden sizes, and whether they are held out."""

VOCABULARY = {"cpu": 1024, "cuda": 50304}
"""Columns of the output layer."""

DEGREES = {"cpu": (1, 4), "cuda": (1, 2, 4, 8)}
"""Degrees of tensor parallelism, which cut columns or rows; one device computes what each of several would."""

HEADS = {"cpu": ((1, 4, 64), (2, 6, 64), (1, 4, 128)), "cuda": ((1, 16, 64), (4, 16, 128), (16, 16, 64))}
"""Sequences, heads and their width."""

TOKENS = {"cpu": (128, 256, 512), "cuda": (512, 1024, 2048, 4096)}
"""Tokens of a sequence."""

SWEEP = {"cpu": range(12, 27, 2), "cuda": range(12, 31, 2)}
"""Powers of two of the bytes of a copy or a sum [B]: 4 KiB to 64 MiB on a CPU, to 1 GiB on a GPU."""

PARAMETERS = {
    "cpu": ((10**4, False), (3 * 10**4, False), (10**5, False), (5 * 10**5, False), (10**6, False), (3 * 10**5, True)),
    "cuda": ((10**6, False), (3 * 10**6, False), (10**7, False), (5 * 10**7, False), (10**8, False),
             (3 * 10**7, True)),
}  # fmt: skip
"""Weights of one update, and whether it is held out."""

CHECKPOINTS = ((1, False), (4, False), (16, False), (8, True))
"""Layers of one unit that are recomputed, and whether they are held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of a device, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    known: set[str] = set()
    for dtype in ("fp32",) if kind == "cpu" else ("fp32", "fp16"):
        compiled = fused.cases(kind, dtype, ROWS[kind], WIDTHS[kind], VOCABULARY[kind])
        for case in itertools.chain(_products(kind, dtype), _attention(kind, dtype), _moves(kind, dtype), compiled):
            if case.key not in known:
                known.add(case.key)
                yield case
    yield from launch.cases(kind, full=full)  # G7
    yield from step.cases(kind, full=full)
    if kind == "cpu":
        yield from _checkpoints()


def _products(kind: str, dtype: str) -> Iterator[Case]:
    """Yield G1 and G5: products of a block, one for Q, K and V or three, and the two gradients of each."""
    for (h, held_out), m, t in itertools.product(WIDTHS[kind], ROWS[kind], DEGREES[kind]):
        columns = (3 * h // t, h // t, 4 * h // t, VOCABULARY[kind] // t)
        for n, k in (*((each, h) for each in columns), (h, h // t), (h, 4 * h // t)):
            for sizes in ((m, n, k), (m, k, n), (k, n, m)):
                yield gemm.product(kind, dtype, *sizes, held_out=held_out)


def _attention(kind: str, dtype: str) -> Iterator[Case]:
    """Yield G2: the products of eager attention and its softmax, and attention in one kernel, with their gradients."""
    softmax = [one for one in memory.operations() if one.name.startswith("softmax")]
    for (batch, heads, width), s in itertools.product(HEADS[kind], TOKENS[kind]):
        held_out = s == TOKENS[kind][1]
        for sizes in ((s, s, width), (s, width, s)):
            yield gemm.product(kind, dtype, *sizes, batch * heads, held_out=held_out)
        for kernel in ("attention", "attention_backward"):
            yield attention.case(kind, dtype, (batch, heads, s, s, width), kernel, held_out)
        for operation in softmax:
            yield _moving(kind, dtype, operation, (batch * heads * s, s), held_out)


def _moves(kind: str, dtype: str) -> Iterator[Case]:
    """Yield G3, G4, G6, G9 and G10: GELU, dropout, sums and norms of a block, a sweep of sizes, Adam, the loss."""
    by_name = {one.name: one for one in (*memory.operations(), *memory.losses())}
    wide = ("gelu", "gelu_backward")
    narrow = ("dropout", "dropout_backward", "add", "layer_norm", "layer_norm_backward")
    for (h, held_out), m in itertools.product(WIDTHS[kind], ROWS[kind]):
        for name, columns in (*((each, 4 * h) for each in wide), *((each, h) for each in narrow)):
            yield _moving(kind, dtype, by_name[name], (m, columns), held_out)
    for m, parts in itertools.product(ROWS[kind], (1, 2, 4)):
        for name in ("cross_entropy", "cross_entropy_backward"):
            yield _moving(kind, dtype, by_name[name], (m, VOCABULARY[kind] // parts), parts == 2)
    for name, power in itertools.product(("copy", "add"), SWEEP[kind]):
        rows = 2**power // (256 * DTYPES[dtype])
        yield _moving(kind, dtype, by_name[name], (rows, 256), power % 8 == 0)
    for count, held_out in PARAMETERS[kind] if dtype == "fp32" else ():
        yield _moving(kind, dtype, by_name["adam"], (count // 100, 100), held_out)


def _moving(kind: str, dtype: str, operation: memory.Operation, size: tuple[int, int], held_out: bool) -> Case:
    moved = size[0] * size[1] * (operation.tensors * DTYPES[dtype] + operation.extra)
    return memory.streaming_case(kind, dtype, operation, size, moved, held_out=held_out)


def _checkpoints() -> Iterator[Case]:
    """Yield G8: what it costs to recompute a layer, beside its kernels."""
    for layers, held_out in CHECKPOINTS:
        yield Case(
            "checkpoint", "fp32", {"nodes": layers}, lambda i: (random_tensor((1, 1), "fp32", "cpu", i),),
            _Recomputed(layers), None, held_out, state="warm", host=True,
        )  # fmt: skip


class _Recomputed:
    """Layers of one unit, each run forward, forward again and back."""

    def __init__(self, layers: int) -> None:
        nn = require_torch().nn
        self.layers = [nn.Linear(1, 1) for _ in range(layers)]

    def __call__(self, x: Any) -> Any:
        from torch.utils.checkpoint import checkpoint

        out = x.requires_grad_()
        for layer in self.layers:
            layer.zero_grad(set_to_none=True)
            out = checkpoint(layer, out, use_reentrant=False)
        out.backward()
        return out


GROUPS: Mapping[str, str] = {
    "G1": "gemm", "G2": "attention", "G3": "gelu", "G4": "layer_norm", "G5": "gemm", "G6": "copy", "G7": "launch",
    "G8": "checkpoint", "G9": "adam", "G10": "cross_entropy",
}  # fmt: skip
"""A kernel of each group."""

"""What it costs to start a kernel: one by one, and replayed as a CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor
from simcore.calibrate.measure.timing import Case, Inputs

NODES = ((1, False), (4, False), (16, False), (64, False), (8, True), (32, True))
"""Kernels in a row, and whether they are held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the launch cases of a device, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for nodes, held_out in NODES:
        yield Case(
            "launch", "fp32", {"nodes": nodes}, lambda i: _one(kind, i), _Chain(nodes), None, held_out,
            state="warm", host=True,
        )  # fmt: skip
    if kind == "cuda":
        for nodes, held_out in NODES:
            yield Case(
                "graph", "fp32", {"nodes": nodes}, lambda i: _one(kind, i), _Graph(nodes), None, held_out,
                state="warm", host=True,
            )  # fmt: skip


def _one(kind: str, index: int) -> Inputs:
    return (random_tensor((1,), "fp32", kind, index),)


class _Chain:
    """Kernels of one element, each launched by itself."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def __call__(self, x: Any) -> Any:
        for _ in range(self.nodes):
            x = x.neg_()
        return x


class _Graph:
    """The same kernels, captured once and replayed."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.graph: Any = None
        self.captured: Any = None  # replays write to it, so it must live as long as the graph

    def __call__(self, x: Any) -> Any:
        if self.graph is None:
            self.captured = x
            torch = require_torch()
            chain = _Chain(self.nodes)
            aside = torch.cuda.Stream()  # capture wants a stream on which the kernels were warmed up
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                chain(x)
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                chain(x)
        self.graph.replay()
        return self.captured

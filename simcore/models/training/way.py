"""The ways to run a model whose masks are known while it runs, and the operators that they add to a list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from simcore.models.training.operator_maker import sizes_of
from simcore.models.training.operators import Operation, Operator

BLOCKS = (32, 128)
"""Queries in a row block of packed attention, as in PIT's kernels of the CPU."""

INDEX = "index"
"""Last part of the path of what only finds positions."""


class Library(StrEnum):
    """What runs sparse operators in the way of a library; each has some of the statistics, and runs others densely."""

    GROUPED = "grouped"
    JAGGED = "jagged"
    CSR = "csr"
    BSR = "bsr"


class Way(StrEnum):
    """How sparse operators run."""

    DENSE = "dense"
    LIBRARY = "library"
    PIT = "pit"


@dataclass(frozen=True)
class Masked:
    """What a model's masks share, beside the statistics of its operators.

    Attributes
    ----------
    element : int
        Bytes per element [B].
    hidden : int
        Columns of a row, h.
    causal : bool
        Whether a query sees no later token.
    block : int
        Queries in a row block of packed attention; 0 where attention stays dense.
    backend : Library
        What the way of a library uses.
    """

    element: int
    hidden: int
    causal: bool = True
    block: int = BLOCKS[0]
    backend: Library = Library.JAGGED

    def uses(self, way: Way, *libraries: Library) -> bool:
        """Say whether a way is that of one of some libraries."""
        return way is Way.LIBRARY and self.backend in libraries


def of_mask(path: str, kernel: str, moved: float) -> Operator:
    """Return an operator that moves so many bytes of a mask [B], which has no gradient."""
    return Operator(kernel, (("bytes", max(1, math.ceil(moved))),), dtype="fp32", path=path, operation=Operation.INDEX)


def of_rows(path: str, kernel: str, rows: int, width: int) -> Operator:
    """Return a gather or scatter of rows of so many bytes [B]."""
    shape = (("rows", max(1, rows)), ("width", width))
    return Operator(kernel, shape, path=path, operation=Operation.ROUTE, output=float(rows * width))


def moving(path: str, kernel: str, moved: float) -> Operator:
    """Return an operator that moves so many bytes [B]."""
    return Operator(kernel, (("bytes", max(1, math.ceil(moved))),), path=path, operation=Operation.ROUTE,
                    output=moved / 2)  # fmt: skip


def of_product(path: str, operation: Operation, sizes: tuple[int, int, int], batch: int, element: int) -> Operator:
    """Return a batch of products of two activations, m x k by k x n."""
    m, n, k = sizes
    return Operator("gemm", sizes_of(m, n, k, batch), 2.0 * batch * m * n * k, path=path, operation=operation,
                    saved=float(element * batch * k * (m + n)), output=float(element * batch * m * n))  # fmt: skip

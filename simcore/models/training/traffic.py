"""Work and bytes of the kernel calls of a model: sums over its operator list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.convolution import CONVOLUTIONS, conv_elements
from simcore.models.training.operators import Operator, OperatorList
from simcore.models.training.passes import passes

PRODUCTS = frozenset({*CONVOLUTIONS, "gemm", "attention", "attention_backward"})
"""Kernels whose multiply-accumulates are counted as work."""


def flop_of(call: KernelCall) -> float:
    """Return the work of a product, twice its multiply-accumulates; 0 for other kernels [FLOP].

    Examples
    --------
    >>> flop_of(KernelCall("gemm", (("m", 2), ("n", 3), ("k", 4), ("batch", 1)), work=48.0))
    48.0
    """
    return call.work if call.kernel in PRODUCTS else 0.0


def moved_bytes(call: KernelCall, element: int) -> float:
    """Return the bytes that a call reads and writes at least, each operand once [B].

    Parameters
    ----------
    call : KernelCall
        The call.
    element : int
        Bytes per element of a product's operands [B].

    Examples
    --------
    >>> moved_bytes(KernelCall("gemm", (("m", 2), ("n", 3), ("k", 4), ("batch", 1))), element=4)
    104
    """
    sizes = dict(call.shape)
    if "bytes" in sizes:
        return sizes["bytes"]
    if call.kernel in CONVOLUTIONS:
        return element * conv_elements(sizes)
    if "nodes" in sizes:  # calls that move nothing
        return 0.0
    if "rows" in sizes:  # rows of a table, read and written
        return 2 * sizes["rows"] * sizes["width"]
    if "micro" in sizes:  # of an index, a byte for each that is looked at
        return sizes["elements"] + sizes["partial"] + sizes["micro"]
    if "queries" in sizes:  # queries and keys, and as much again: output and values
        return 2 * element * sizes["batch"] * sizes["heads"] * (sizes["queries"] + sizes["keys"]) * sizes["width"]
    if "runs" in sizes:  # of a conversion: all elements are read, and those stored written
        return element * (sizes["elements"] + sizes["stored"])
    m, n, k = sizes["m"], sizes["n"], sizes["k"]
    if "stored" in sizes:  # in place of the first matrix
        return element * sizes["batch"] * (sizes["stored"] + k * n + m * n)
    return element * sizes["batch"] * (m * k + k * n + m * n)


def forward_calls(listed: OperatorList) -> Iterator[tuple[KernelCall, int]]:
    """Yield the kernel calls of the forward pass, those of equal blocks once with their number."""
    for one, count in _counted(listed):
        yield from ((call, count) for call in passes(one).forward)


def all_calls(listed: OperatorList) -> Iterator[tuple[KernelCall, int]]:
    """Yield the kernel calls of all passes and of the update, those of equal blocks once with their number."""
    for one, count in _counted(listed):
        each = passes(one)
        yield from ((call, count) for call in (*each.forward, *each.input_gradient, *each.weight_gradient))


def totals(calls: Iterable[tuple[KernelCall, int]], element: int) -> tuple[float, float]:
    """Return the work [FLOP] and the bytes [B] of some calls.

    Examples
    --------
    >>> totals([(KernelCall("copy", (("bytes", 8),)), 3)], element=4)
    (0.0, 24.0)
    """
    listed = list(calls)
    work = math.fsum(count * flop_of(call) for call, count in listed)
    return work, math.fsum(count * moved_bytes(call, element) for call, count in listed)


def _counted(listed: OperatorList) -> Iterator[tuple[Operator, int]]:
    return ((one, section.count) for section in listed.sections for one in section.operators)

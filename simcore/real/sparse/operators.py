"""Operators of a module that can be sparse, caught while it runs: each is run by what a subclass says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from simcore.real.sparse.functions import Rows, routed, tokenwise

T = TypeVar("T")

_MATMULS = {
    torch.matmul, torch.bmm, torch.mm, Tensor.matmul, Tensor.__matmul__, Tensor.bmm, Tensor.mm,
}  # fmt: skip
_CAUGHT = {*_MATMULS, functional.linear, functional.scaled_dot_product_attention, tokenwise, routed}
LOOKED_FOR = (
    "zeros in what a linear layer or a matrix product reads (after ReLU, of padded rows, of pruned weights or of a "
    "softmax), a mask of booleans in scaled_dot_product_attention, and calls of simcore.real.sparse's tokenwise and "
    "routed"
)
"""What can be found."""


class Stopwatch:
    """Seconds of what is done beside the operators themselves: indices, and conversions to a library's layout.

    Parameters
    ----------
    device : str
        ``cpu``, whose thread's time is read, or ``cuda``, where events are.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._cuda = device.startswith("cuda")
        self._spent = 0.0
        self._events: list[tuple[Any, Any]] = []

    def of(self, build: Callable[[], T]) -> T:
        """Run something, and add its time."""
        if self._cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            built = build()
            end.record()
            self._events.append((start, end))
            return built
        started = time.thread_time()
        built = build()
        self._spent += time.thread_time() - started
        return built

    def read(self) -> float:
        """Return the seconds since the last reading [s]."""
        spent, self._spent = self._spent, 0.0
        if self._events:
            torch.cuda.synchronize()
            spent += sum(start.elapsed_time(end) for start, end in self._events) * 1e-3
            self._events = []
        return spent


class Operators(TorchFunctionMode):
    """Catches operators that can be sparse. This one runs each as it is, which is dense.

    A subclass overrides `linear`, `product`, `attention`, `tokenwise` or `routed`. Inside of them nothing is caught.

    Parameters
    ----------
    stopwatch : Stopwatch, optional
        What times indices and conversions.
    """

    def __init__(self, stopwatch: Stopwatch | None = None) -> None:
        super().__init__()
        self.stopwatch = stopwatch or Stopwatch()
        self._counts: dict[str, int] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one function of torch."""
        named = kwargs or {}
        if func not in _CAUGHT:  # most calls, so this is asked first
            return func(*args, **named)
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            return func(*args, **named)
        if func is functional.linear:
            return self.linear(*args, **named)
        if func in _MATMULS and not named:
            return self.product(*args)
        if func is functional.scaled_dot_product_attention:
            return self._attention(*args, **named)
        if func is tokenwise:
            return self.tokenwise(*args)
        return self.routed(*args) if func is routed else func(*args, **named)

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        """Attend under a mask of booleans as a subclass says, and in every other case as torch does."""
        plain = query.ndim == key.ndim == value.ndim == 4 and query.shape[:2] == key.shape[:2] == value.shape[:2]
        mask = None if attn_mask is None or attn_mask.dtype != torch.bool or not plain else _masks(attn_mask, query)
        if mask is None or dropout_p or is_causal or enable_gqa:
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        return self.attention(query, key, value, mask, query.shape[-1] ** -0.5 if scale is None else scale)

    def number(self, operator: str) -> tuple[str, int]:
        """Return which operator of its kind this is in the pass."""
        number = self._counts.get(operator, 0)
        self._counts[operator] = number + 1
        return operator, number

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``x weight^T + bias``."""
        return functional.linear(x, weight, bias)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``a b`` of matrices, or of batches of them."""
        return torch.matmul(a, b)

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        """Attend under a mask of shape (1 or batch, queries, keys)."""
        return functional.scaled_dot_product_attention(q, k, v, mask[:, None], scale=scale)

    def tokenwise(self, function: Rows, valid: Tensor, *rows: Tensor) -> Tensor:
        """Apply a function of rows; what it calls is caught too."""
        with self:
            made = function(*rows)
        return made.masked_fill(~valid[..., None], 0)

    def routed(self, x: Tensor, choice: Tensor, up: Tensor, down: Tensor) -> Tensor:
        """Send rows to experts."""
        return routed(x, choice, up, down)


def _masks(mask: Tensor, query: Tensor) -> Tensor | None:
    """Return a view of a mask as (1 or batch, queries, keys); None where heads have masks of their own."""
    while mask.ndim < 4:
        mask = mask[None]
    if mask.shape[1] != 1 or mask.shape[0] not in (1, query.shape[0]) or mask.shape[2] not in (1, query.shape[2]):
        return None
    return mask[:, 0].expand(-1, query.shape[2], -1)

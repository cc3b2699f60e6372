"""The feed-forward product of a mixture of experts, three ways: one expert after another, padded, and grouped.

Tokens are sorted by expert once (PIT's m-axis: the order of tokens does not matter), each expert multiplies its own,
and rows go back to where they came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.formats import experts_format
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.errors import InputError
from simcore.models.compute.sparse.composed import tokens_of

if TYPE_CHECKING:
    from torch import Tensor


def route(experts: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sort tokens by expert.

    Parameters
    ----------
    experts : Tensor of int, shape (tokens,)
        Expert of each token, 0 to count - 1.
    count : int
        Experts.

    Returns
    -------
    order : Tensor of int, shape (tokens,)
        Tokens, expert by expert.
    ends : Tensor of int32, shape (count,)
        Where each expert's tokens end in `order`.
    """
    import torch

    order = experts.argsort(stable=True)
    ends = torch.bincount(experts, minlength=count).cumsum(0).to(torch.int32)
    return order, ends


def by_loop(x: Tensor, weights: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Multiply expert by expert.

    Parameters
    ----------
    x : Tensor, shape (tokens, inner)
        Tokens.
    weights : Tensor, shape (experts, inner, outer)
        Weights.
    order, ends : Tensor
        From `route`.

    Returns
    -------
    Tensor, shape (tokens, outer)
    """
    out = x.new_zeros(x.shape[0], weights.shape[2])
    start = 0
    for expert, end in enumerate(ends.tolist()):
        if end > start:
            chosen = order[start:end]
            out[chosen] = x.index_select(0, chosen) @ weights[expert]
        start = end
    return out


def padded_by_expert(x: Tensor, order: Tensor, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pad every expert's tokens with zeros to the most tokens that one has.

    Parameters
    ----------
    x : Tensor, shape (tokens, inner)
        Tokens.
    order, ends : Tensor
        From `route`.

    Returns
    -------
    padded : Tensor, shape (experts, most, inner)
        Tokens of each expert, and zeros.
    expert, slot : Tensor of int, shape (tokens,)
        Where each token of `order` stands in it.
    """
    import torch

    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    counts = ends - starts
    longest = max(int(counts.max()), 1)
    expert = torch.repeat_interleave(torch.arange(len(ends), device=x.device), counts)
    slot = torch.arange(len(order), device=x.device) - starts[expert]
    padded = x.new_zeros(len(ends), longest, x.shape[1])
    padded[expert, slot] = x.index_select(0, order)
    return padded, expert, slot


def by_padding(x: Tensor, weights: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Multiply in one batch, every expert padded with zeros to the most tokens that one has; see `by_loop`."""
    padded, expert, slot = padded_by_expert(x, order, ends)
    out = x.new_zeros(x.shape[0], weights.shape[2])
    out[order] = (padded @ weights)[expert, slot]
    return out


def grouped_product() -> Any:
    """Return torch's grouped product, or None where this torch has none."""
    import torch

    return getattr(torch.nn.functional, "grouped_mm", None)


def by_group(x: Tensor, weights: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Multiply in one grouped product without padding; see `by_loop`, which stands in where torch has none.

    Raises
    ------
    InputError
        If inner or outer is no multiple of 16 bytes, which the grouped product needs.
    """
    product = grouped_product()
    if product is None:
        return by_loop(x, weights, order, ends)
    step = 16 // x.element_size()
    if x.shape[1] % step or weights.shape[2] % step:
        raise InputError("experts", f"{x.shape[1]} x {weights.shape[2]}", f"multiples of {step} features")
    out = x.new_zeros(x.shape[0], weights.shape[2])
    out[order] = product(x.index_select(0, order), weights, offs=ends)
    return out


WAYS = {"loop": by_loop, "padded": by_padding, "grouped": by_group}
"""All of them, by name."""

ROUTED = {
    "cpu": ((2048, 8, 512, 512, 0), (2048, 8, 512, 512, 1), (1024, 32, 512, 384, 0), (2048, 32, 384, 768, 0.5),
            (512, 16, 768, 512, 1)),
    "cuda": ((16384, 8, 1024, 4096, 0), (16384, 8, 1024, 4096, 1), (8192, 64, 1024, 1024, 0),
             (16384, 64, 768, 3072, 0.5), (4096, 128, 768, 3072, 1), (32768, 256, 768, 3072, 0)),
}  # fmt: skip
"""Tokens, experts, features in and out, and skew (see `tokens_of`): no fit sees any, times are predicted from parts."""

ROUTES = (((512, 8), False), ((2048, 8), False), ((2048, 64), False), ((8192, 32), False), ((1024, 32), True),
          ((4096, 16), True))  # fmt: skip
"""Tokens and experts to sort by, and whether they are held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the experts' cases of a device, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for (tokens, experts), held_out in ROUTES:
        yield _route_case(kind, tokens, experts, held_out)
    for sizes in ROUTED[kind]:
        for way in WAYS:
            if way != "grouped" or grouped_product() is not None:
                yield _product_case(kind, way, *sizes)


def _product_case(kind: str, way: str, tokens: int, experts: int, inner: int, outer: int, skew: float) -> Case:
    dtype = experts_format(kind)

    def make_inputs(number: int) -> Inputs:
        order, ends = route(_chosen(kind, tokens, experts, skew, number), experts)
        x = random_tensor((tokens, inner), dtype, kind, 2 * number)
        return x, random_tensor((experts, inner, outer), dtype, kind, 2 * number + 1), order, ends

    def check(output: Any, inputs: Inputs) -> float:
        x, weights, order, ends = inputs
        return relative_error(output, by_loop(x.double(), weights.double(), order, ends))

    shape = {"tokens": tokens, "experts": experts, "inner": inner, "outer": outer, "skew": skew}
    return Case(f"moe-{way}", dtype, shape, make_inputs, WAYS[way], check, held_out=True)


def _route_case(kind: str, tokens: int, experts: int, held_out: bool) -> Case:
    """Return the case of sorting tokens: what it takes is named as for any index, a scan and a list."""

    def make_inputs(number: int) -> Inputs:
        return (_chosen(kind, tokens, experts, 0.5, number),)

    shape = {"elements": 0, "partial": 0, "micro": tokens, "found": experts}
    return Case("index-experts", "bool", shape, make_inputs, lambda chosen: route(chosen, experts), None, held_out)


def _chosen(kind: str, tokens: int, experts: int, skew: float, seed: int) -> Any:
    """Return the expert of each token, in random order."""
    torch = require_torch()
    counts = torch.tensor(tokens_of(tokens, experts, skew))
    chosen = torch.repeat_interleave(torch.arange(experts), counts)
    return chosen[torch.randperm(tokens, generator=torch.Generator().manual_seed(seed))].to(kind)

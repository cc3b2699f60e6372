"""The feed-forward product of a mixture of experts, three ways: one expert after another, padded, and grouped.

Tokens are sorted by expert once (PIT's m-axis: the order of tokens does not matter), each expert multiplies its own,
and rows go back to where they came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcore.errors import InputError

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


def by_padding(x: Tensor, weights: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Multiply in one batch, every expert padded with zeros to the most tokens that one has; see `by_loop`."""
    import torch

    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    counts = ends - starts
    longest = max(int(counts.max()), 1)
    expert = torch.repeat_interleave(torch.arange(len(ends), device=x.device), counts)
    slot = torch.arange(len(order), device=x.device) - starts[expert]
    padded = x.new_zeros(len(ends), longest, x.shape[1])
    padded[expert, slot] = x.index_select(0, order)
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

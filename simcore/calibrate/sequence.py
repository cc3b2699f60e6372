"""Sequences of different lengths through a linear layer: padded to the longest, or packed without padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def valid(lengths: Tensor, longest: int) -> Tensor:
    """Return which positions hold a token.

    Parameters
    ----------
    lengths : Tensor of int, shape (batch,)
        Tokens of each sequence, 0 to `longest`.
    longest : int
        Positions.

    Returns
    -------
    Tensor of bool, shape (batch, longest)
    """
    import torch

    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def padded_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply every position, padding included.

    Parameters
    ----------
    x : Tensor, shape (batch, longest, inner)
        Zeros after each sequence's end.
    weight : Tensor, shape (inner, outer)
        Weights.

    Returns
    -------
    Tensor, shape (batch, longest, outer)
    """
    return x @ weight


def packed_linear(x: Tensor, weight: Tensor, positions: Tensor) -> Tensor:
    """Multiply only positions that hold a token (PIT's m-axis): gather, multiply, scatter.

    Parameters
    ----------
    x, weight : Tensor
        See `padded_linear`.
    positions : Tensor of int
        Flat positions that hold a token, from `valid`.

    Returns
    -------
    Tensor, shape (batch, longest, outer)
    """
    batch, longest, inner = x.shape
    out = x.new_zeros(batch * longest, weight.shape[1])
    out.index_copy_(0, positions, x.reshape(-1, inner).index_select(0, positions) @ weight)
    return out.view(batch, longest, -1)

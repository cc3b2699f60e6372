"""Attention under a mask that packs what is visible: blocks of queries read only keys that one of them sees."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from simcore.calibrate.kernels.pit import kept


class Visible(NamedTuple):
    """Queries of one block and the keys that they see.

    Attributes
    ----------
    mask : int
        Which mask it is of.
    queries, keys : Tensor of int
        Rows of Q, and of K and V.
    hidden : Tensor of float32 or None, shape (queries, keys)
        What is added to the scores of these pairs: 0, and minus infinity where one is masked; None where none is.
    """

    mask: int
    queries: Tensor
    keys: Tensor
    hidden: Tensor | None


def visible(mask: Tensor, block: int) -> list[Visible]:
    """Return what is not masked, block by block of queries; empty blocks are left out.

    Parameters
    ----------
    mask : Tensor of bool, shape (masks, queries, keys)
        Which keys each query sees.
    block : int
        Queries in a block.

    Examples
    --------
    >>> [one.keys.tolist() for one in visible(torch.eye(4, dtype=torch.bool)[None], 2)]
    [[0, 1], [2, 3]]
    """
    found = []
    for number, one in enumerate(mask):
        rows, columns = some(one), kept(one, block, 1)
        for start in range(0, len(one), block):
            queries = rows[start : start + block].nonzero()[:, 0] + start
            keys = columns[start // block].nonzero()[:, 0]
            if len(queries):
                pairs = one[start : start + block].index_select(0, queries - start)
                pairs = pairs.gather(1, keys.expand(len(queries), -1))
                every = bool(pairs.view(torch.uint8).amin())
                hidden = None if every else torch.where(pairs, 0.0, float("-inf"))
                found.append(Visible(number, queries, keys, hidden))
    return found


def some(mask: Tensor) -> Tensor:
    """Return where a mask holds a True along its last axis: the largest byte, as ``any`` takes a hundred times as long.

    Examples
    --------
    >>> some(torch.tensor([[False, True], [False, False]])).tolist()
    [True, False]
    """
    return mask.view(torch.uint8).amax(-1).ne(0) if mask.shape[-1] else mask.any(-1)


def attention(q: Tensor, k: Tensor, v: Tensor, seen: list[Visible], scale: float, shared: bool) -> Tensor:
    """Attend to visible keys alone, with gradients; a query that sees nothing takes nothing.

    Parameters
    ----------
    q, k, v : Tensor, shape (batch, heads, queries or keys, width)
        As of `torch.nn.functional.scaled_dot_product_attention`.
    seen : list of Visible
        From `visible`.
    scale : float
        What scores are multiplied with.
    shared : bool
        Whether one mask is for the whole batch; otherwise there is one for each sample.

    Returns
    -------
    Tensor, shape (batch, heads, queries, width)
    """
    made: Tensor = _Attention.apply(q, k, v, seen, scale, shared)  # type: ignore[no-untyped-call]
    return made


class _Attention(torch.autograd.Function):
    """softmax(Q K^T scale) V over the visible pairs; shorter types are computed in fp32, as torch's own does."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, seen: list[Visible], scale: float, shared: bool) -> Tensor:
        out = _zeros(q, v.shape[-1], v.dtype)
        weights = []
        for one in seen:
            batch = _batch(one, shared)
            scores = _rows(q, batch, one.queries) @ _rows(k, batch, one.keys).transpose(-2, -1) * scale
            if one.hidden is not None:
                scores += one.hidden
            weight = scores.softmax(-1)
            out[batch].index_copy_(2, one.queries, (weight @ _rows(v, batch, one.keys)).to(out.dtype))
            if any(ctx.needs_input_grad[:3]):
                weights.append(weight)
        ctx.save_for_backward(q, k, v, *weights)
        ctx.seen, ctx.scale, ctx.shared = seen, scale, shared
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *weights = ctx.saved_tensors
        (grad,) = grads
        to_q = _zeros(q, q.shape[-1], q.dtype)
        to_k, to_v = (_zeros(each, each.shape[-1], _wide(each)) for each in (k, v))
        for one, weight in zip(ctx.seen, weights, strict=True):
            batch = _batch(one, ctx.shared)
            above, queries = _rows(grad, batch, one.queries), _rows(q, batch, one.queries)
            keys, values = _rows(k, batch, one.keys), _rows(v, batch, one.keys)
            to_v[batch].index_add_(2, one.keys, weight.transpose(-2, -1) @ above)
            to_weight = above @ values.transpose(-2, -1)
            to_scores = weight * (to_weight - (to_weight * weight).sum(-1, keepdim=True)) * ctx.scale
            to_q[batch].index_copy_(2, one.queries, (to_scores @ keys).to(q.dtype))
            to_k[batch].index_add_(2, one.keys, to_scores.transpose(-2, -1) @ queries)
        return to_q, to_k.to(k.dtype), to_v.to(v.dtype), None, None, None


def _batch(one: Visible, shared: bool) -> slice:
    return slice(None) if shared else slice(one.mask, one.mask + 1)


def _rows(x: Tensor, batch: slice, at: Tensor) -> Tensor:
    """Return some queries or keys of all heads, which are gathered as one row where they lie side by side."""
    rows = x[batch].permute(2, 0, 1, 3).index_select(0, at).permute(1, 2, 0, 3)
    return rows.to(_wide(x))


def _zeros(x: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """Return zeros of the shape of x with another width, in which the heads of a position lie side by side."""
    batch, heads, positions, _ = x.shape
    return x.new_zeros(batch, positions, heads, width, dtype=dtype).transpose(1, 2)


def _wide(x: Tensor) -> torch.dtype:
    return torch.float32 if x.dtype in {torch.float16, torch.bfloat16} else x.dtype

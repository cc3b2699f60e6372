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
    hidden : Tensor of bool or None, shape (queries, keys)
        Which of these pairs are masked; None where none is.
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
        rows, columns = one.any(1), kept(one, block, 1)
        for start in range(0, len(one), block):
            queries = rows[start : start + block].nonzero()[:, 0] + start
            keys = columns[start // block].nonzero()[:, 0]
            if len(queries):
                hidden = ~one[start : start + block].index_select(0, queries - start).index_select(1, keys)
                found.append(Visible(number, queries, keys, hidden if bool(hidden.any()) else None))
    return found


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
        out = v.new_zeros(*q.shape[:-1], v.shape[-1])
        weights = []
        for one in seen:
            batch = _batch(one, shared)
            scores = _rows(q, batch, one.queries) @ _rows(k, batch, one.keys).transpose(-2, -1) * scale
            if one.hidden is not None:
                scores.masked_fill_(one.hidden, float("-inf"))
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
        to_q = torch.zeros_like(q)
        to_k, to_v = (torch.zeros_like(each, dtype=_wide(each)) for each in (k, v))
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
    return x[batch].index_select(2, at).to(_wide(x))


def _wide(x: Tensor) -> torch.dtype:
    return torch.float32 if x.dtype in {torch.float16, torch.bfloat16} else x.dtype

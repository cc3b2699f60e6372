"""Attention under a mask that packs what is visible: blocks of queries read only keys that one of them sees."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
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
    """softmax(Q K^T scale) V over the visible pairs; shorter types are computed in fp32, as torch's own does.

    Rows are gathered by position: all heads, and all samples that share a mask, lie side by side in one row.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, seen: list[Visible], scale: float, shared: bool) -> Tensor:
        out = _zeros(q, v.shape[-1], v.dtype, shared)
        weights = []
        for number, blocks in groupby(seen, attrgetter("mask")):
            queries, keys, values, made = (_by_position(each, number, shared) for each in (q, k, v, out))
            queries, keys, values = _wide(queries) * scale, _wide(keys), _wide(values)
            for one in blocks:
                of_heads = queries.index_select(0, one.queries).transpose(0, 1)
                seen_keys = keys.index_select(0, one.keys).permute(1, 2, 0)
                if one.hidden is None:
                    weight = torch.bmm(of_heads, seen_keys).softmax(-1)
                else:
                    weight = torch.baddbmm(one.hidden.to(of_heads.dtype), of_heads, seen_keys).softmax(-1)
                context = torch.bmm(weight, values.index_select(0, one.keys).transpose(0, 1))
                made.index_copy_(0, one.queries, context.transpose(0, 1).to(made.dtype))
                if any(ctx.needs_input_grad[:3]):
                    weights.append(weight)
        ctx.save_for_backward(q, k, v, *weights)
        ctx.seen, ctx.scale, ctx.shared = seen, scale, shared
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *weights = ctx.saved_tensors
        found = [_zeros(each, each.shape[-1], _wide_type(each), ctx.shared) for each in (q, k, v)]
        left = iter(weights)
        for number, blocks in groupby(ctx.seen, attrgetter("mask")):
            given = (_by_position(each, number, ctx.shared) for each in (*grads, q, k, v))
            above, queries, keys, values = (_wide(each) for each in given)
            queries = queries * ctx.scale
            to_q, to_k, to_v = (_by_position(each, number, ctx.shared) for each in found)
            for one, weight in zip(blocks, left, strict=False):
                of_heads = above.index_select(0, one.queries).transpose(0, 1)
                to_v.index_add_(0, one.keys, torch.bmm(weight.transpose(1, 2), of_heads).transpose(0, 1))
                to_weight = torch.bmm(of_heads, values.index_select(0, one.keys).permute(1, 2, 0))
                to_scores = torch.ops.aten._softmax_backward_data(to_weight, weight, -1, weight.dtype)
                made = torch.bmm(to_scores, keys.index_select(0, one.keys).transpose(0, 1))
                to_q.index_copy_(0, one.queries, made.transpose(0, 1))
                asked = queries.index_select(0, one.queries).transpose(0, 1)
                to_k.index_add_(0, one.keys, torch.bmm(to_scores.transpose(1, 2), asked).transpose(0, 1))
        found[0] *= ctx.scale
        return *(each.to(of.dtype) for each, of in zip(found, (q, k, v), strict=True)), None, None, None


def _by_position(x: Tensor, number: int, shared: bool) -> Tensor:
    """Return rows of all heads of a sample, or of all samples where one mask is for all: positions x heads x width."""
    rows = x.permute(2, 0, 1, 3)
    return rows.flatten(1, 2) if shared else rows[:, number]


def _zeros(x: Tensor, width: int, dtype: torch.dtype, shared: bool) -> Tensor:
    """Return zeros of the shape of x with another width, of which `_by_position` gives a view."""
    batch, heads, positions, _ = x.shape
    if shared:
        return x.new_zeros(positions, batch, heads, width, dtype=dtype).permute(1, 2, 0, 3)
    return x.new_zeros(batch, positions, heads, width, dtype=dtype).transpose(1, 2)


def _wide(x: Tensor) -> Tensor:
    """Return numbers of the type in which sums are taken."""
    return x.to(_wide_type(x))


def _wide_type(x: Tensor) -> torch.dtype:
    return torch.float32 if x.dtype in {torch.float16, torch.bfloat16} else x.dtype

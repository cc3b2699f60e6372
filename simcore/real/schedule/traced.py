"""Attention found in a traced module, and put into one call; importing this module needs torch.

A user's module has its own forward pass. It is traced with `torch.fx`, and what computes softmax(Q K^T) V in it becomes
one call. Slapo's matcher knows one order of operators; this one follows what each operator reads.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from simcore.models.training.schedule import NotApplicable

PRODUCTS: tuple[Any, ...] = (torch.matmul, torch.bmm, operator.matmul, "matmul", "bmm")
SOFTMAXES: tuple[Any, ...] = (torch.softmax, functional.softmax, "softmax")
FACTORS: tuple[Any, ...] = (operator.mul, torch.mul, "mul")
SUMS: tuple[Any, ...] = (operator.add, torch.add, "add")
QUOTIENTS: tuple[Any, ...] = (operator.truediv, torch.div, "div")


@dataclass(frozen=True)
class Found:
    """The core of attention in a graph.

    Attributes
    ----------
    context : fx.Node
        Its last operator.
    query, key, value : fx.Node
        What it reads; the key as the product reads it, columns and rows exchanged.
    scale : float
        What scores are multiplied with.
    mask : fx.Node or None
        What is added to scaled scores.
    """

    context: fx.Node
    query: fx.Node
    key: fx.Node
    value: fx.Node
    scale: float
    mask: fx.Node | None = None


def with_sdpa(module: nn.Module) -> nn.Module:
    """Return a module of a user's own that computes the core of its attention in one call.

    Raises
    ------
    NotApplicable
        If it cannot be traced, or computes no softmax between two products.
    """
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:  # whatever the module's code raises when its inputs are no tensors
        raise NotApplicable(f"{type(module).__name__} cannot be traced: {str(error).splitlines()[0]}") from None
    found = [one for node in traced.graph.nodes if (one := _core(node, traced)) is not None]
    if not found:
        raise NotApplicable(f"{type(module).__name__} has no softmax of scores between two products")
    for one in found:
        _replace(traced.graph, one)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced


def _replace(graph: fx.Graph, one: Found) -> None:
    with graph.inserting_after(one.context):
        rows = graph.call_method("transpose", (one.key, -2, -1))
    with graph.inserting_after(rows):
        call: Callable[..., Any] = functional.scaled_dot_product_attention
        more: dict[str, Any] = {"scale": one.scale, **({} if one.mask is None else {"attn_mask": one.mask})}
        made = graph.call_function(call, (one.query, rows, one.value), more)
    one.context.replace_all_uses_with(made)


def _core(node: fx.Node, traced: fx.GraphModule) -> Found | None:
    """Return the core whose last operator a node is: a product with a softmax of a scaled product."""
    if not _is(node, PRODUCTS):
        return None
    weights = _through_dropout(node.args[0], traced)
    if weights is None or not _is_softmax(weights, traced):
        return None
    scale, (scores, mask) = 1.0, _unmasked(weights.args[0])
    while isinstance(scores, fx.Node) and _is(scores, (*FACTORS, *QUOTIENTS)) and _number(scores.args[1]):
        factor = float(scores.args[1])  # type: ignore[arg-type]  # a number
        scale *= factor if _is(scores, FACTORS) else 1 / factor
        scores = scores.args[0]
    if not isinstance(scores, fx.Node) or not _is(scores, PRODUCTS):
        return None
    query, key, value = scores.args[0], scores.args[1], node.args[1]
    if not all(isinstance(one, fx.Node) for one in (query, key, value)):
        return None
    return Found(node, query, key, value, scale, mask)  # type: ignore[arg-type]  # nodes


def _unmasked(scores: Any) -> tuple[Any, fx.Node | None]:
    """Return scores without the mask that is added to them, and the mask."""
    if isinstance(scores, fx.Node) and _is(scores, SUMS) and isinstance(scores.args[1], fx.Node):
        return scores.args[0], scores.args[1]
    return scores, None


def _through_dropout(given: Any, traced: fx.GraphModule) -> fx.Node | None:
    """Return what a dropout of nothing reads, or the node itself."""
    if not isinstance(given, fx.Node):
        return None
    module = _module(given, traced)
    if isinstance(module, nn.Identity) or (isinstance(module, nn.Dropout) and module.p == 0):
        return given.args[0] if isinstance(given.args[0], fx.Node) else None
    return given


def _is_softmax(node: fx.Node, traced: fx.GraphModule) -> bool:
    """Say whether a node is a softmax over the keys."""
    module = _module(node, traced)
    if isinstance(module, nn.Softmax):
        return bool(module.dim == -1)
    dimension = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    return _is(node, SOFTMAXES) and bool(dimension == -1)


def _module(node: fx.Node, traced: fx.GraphModule) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _is(node: fx.Node, targets: tuple[Any, ...]) -> bool:
    return node.op in {"call_function", "call_method"} and node.target in targets


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value != 0

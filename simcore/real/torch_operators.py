"""What operators of torch are among the operators of a model: kernels, sizes, work, parameters and what they save.

Each function takes the records of a walk through a graph and a node of it. Names are those of ``torch.ops.aten``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from simcore.models.training.captured import Size
from simcore.models.training.operators import Operation
from simcore.real.records import NOTHING, Records, elements, is_float, name_of, plus, shape_of, size_of, tensors

VIEWS = frozenset({
    "view", "transpose", "permute", "t", "numpy_T", "squeeze", "unsqueeze", "expand", "expand_as", "flatten",
    "unflatten", "detach", "alias", "view_as", "movedim", "swapaxes", "_unsafe_view", "ravel", "getitem", "lift_fresh",
    "as_strided", "unfold", "broadcast_to", "broadcast_tensors", "atleast_1d", "diagonal", "real", "view_as_real",
})  # fmt: skip
"""Views, which take no time. The sum that the gradient of an expansion takes is left out."""

PARTS = frozenset({"select", "slice", "narrow", "split", "split_with_sizes", "chunk", "unbind", "tensor_split"})
"""Views of a part, whose gradients are copied into that of the whole."""

IGNORED = frozenset({
    "_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_size", "sym_constrain_range", "item",
    "_local_scalar_dense", "add_scalar", "mul_scalar",
})  # fmt: skip
"""Checks and numbers, which are no kernels of a step."""

COPIES = frozenset({
    "clone", "contiguous", "to", "_to_copy", "cat", "stack", "concat", "roll", "flip", "repeat", "repeat_interleave",
    "pad", "constant_pad_nd", "pixel_shuffle", "pixel_unshuffle", "upsample_nearest2d", "upsample_bilinear2d",
    "channel_shuffle", "index_select", "index", "gather", "reshape", "type_as", "float", "half", "copy", "im2col",
    "tile", "masked_select", "meshgrid", "hstack", "vstack",
})  # fmt: skip
"""What moves bytes and computes nothing."""

ACTIVATIONS: Mapping[str, tuple[str, bool]] = {
    "relu": ("relu", True), "sigmoid": ("sigmoid", True), "tanh": ("tanh", True), "gelu": ("gelu", False),
    "silu": ("silu", False), "leaky_relu": ("relu", False), "hardswish": ("silu", False), "relu6": ("relu", False),
    "hardtanh": ("relu", False), "elu": ("silu", False), "mish": ("silu", False), "softplus": ("silu", False),
    "hardsigmoid": ("sigmoid", False), "selu": ("silu", False),
}  # fmt: skip
"""Activations: the kernel that moves as much, and whether the gradient follows from the output."""

ELEMENTWISE = frozenset({
    "exp", "log", "sqrt", "rsqrt", "neg", "abs", "pow", "square", "reciprocal", "cos", "sin", "erf", "clamp",
    "clamp_min", "clamp_max", "rsub", "where", "masked_fill", "tril", "triu", "log1p", "expm1", "logsigmoid",
    "floor", "round", "sign", "cumsum", "bitwise_not", "logical_not", "eq", "ne", "lt", "le", "gt", "ge", "logical_and",
    "logical_or", "bitwise_and", "bitwise_or", "floor_divide", "remainder", "fill", "isnan", "sgn", "softsign",
    "nan_to_num", "scatter", "one_hot", "polar", "outer",
})  # fmt: skip
"""Functions of each element, which move as many bytes as a copy."""

CREATED = frozenset({
    "arange", "zeros", "ones", "full", "empty", "zeros_like", "ones_like", "full_like", "empty_like", "rand",
    "rand_like", "randn", "randn_like", "bernoulli", "scalar_tensor", "lift_fresh_copy", "new_zeros", "new_ones",
    "new_full", "new_empty", "eye", "linspace", "tril_indices", "triu_indices",
})  # fmt: skip
"""Tensors that are made of nothing, which are written once."""

REDUCTIONS = frozenset({
    "mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "norm", "linalg_vector_norm",
    "logsumexp", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "all", "any", "prod",
    "topk", "var_mean",
})  # fmt: skip
"""What reads more than it writes."""

LOSSES = frozenset({
    "cross_entropy_loss", "nll_loss", "nll_loss_nd", "mse_loss", "binary_cross_entropy", "kl_div", "l1_loss",
    "binary_cross_entropy_with_logits", "smooth_l1_loss", "huber_loss",
})  # fmt: skip
"""Losses, of as many bytes as cross entropy."""


def linear(records: Records, node: Any) -> None:
    """Take a product of rows with a matrix of weights."""
    x, weight, *rest = node.args
    bias = rest[0] if rest else None
    _product(records, node, x, weight, bias, columns=shape_of(weight)[0], depth=shape_of(weight)[1])


def addmm(records: Records, node: Any) -> None:
    """Take a product to which rows or a bias are added."""
    bias, x, weight = node.args[:3]
    _product(records, node, x, weight, bias, columns=shape_of(weight)[-1], depth=shape_of(weight)[-2])


def matmul(records: Records, node: Any) -> None:
    """Take a product of two tensors, of as many matrices as both have in common."""
    x, other = node.args[:2]
    _product(records, node, x, other, None, columns=shape_of(other)[-1] if len(shape_of(other)) > 1 else 1,
             depth=shape_of(x)[-1])  # fmt: skip


def _product(
    records: Records, node: Any, x: Any, other: Any, bias: Any, *, columns: int, depth: int
) -> None:  # fmt: skip
    whole = elements(node)
    batch = math.prod(shape_of(other)[:-2]) if len(shape_of(other)) > 2 else 1
    weights = records.parameter(other) is not None
    inputs = [one for one in (x, other, bias) if one is not None]
    saved = records.save(*([x] if records.gradient(other) else []), *([other] if records.gradient(x) else []))
    _gemm(records, node, inputs, (whole // columns // batch, columns, depth, batch), saved, weights=weights)


def _gemm(
    records: Records, node: Any, inputs: list[Any], sizes: tuple[int, int, int, int], saved: Size, *, weights: bool
) -> None:
    m, n, k, batch = sizes
    own = [one for one in inputs if records.parameter(one) is not None]
    matrices, vectors = [one for one in own if len(shape_of(one)) > 1], [one for one in own if len(shape_of(one)) == 1]
    both = sum(map(records.gradient, inputs[:2])) == 2
    operation = Operation.LINEAR if weights else Operation.CONTEXT if both else Operation.ROUTE
    records.add(
        node, "gemm", operation, {"m": m, "n": n, "k": k, "batch": batch}, inputs, work=2.0 * m * n * k * batch,
        weights=records.own(*matrices), vectors=records.own(*vectors), saved=saved,
    )  # fmt: skip


def einsum(records: Records, node: Any) -> None:
    """Take a product of two tensors that is written with letters."""
    text, given = str(node.args[0]).replace(" ", ""), tensors(node.args[1:])
    left, _, out = text.partition("->")
    names = left.split(",")
    if len(given) != 2 or len(names) != 2 or "." in text or not out:
        unknown(records, node)
        return
    size = {letter: count for word, one in zip(names, given, strict=True)
            for letter, count in zip(word, shape_of(one), strict=True)}  # fmt: skip
    x, y, z = set(names[0]), set(names[1]), set(out)
    m, n, k, batch = (math.prod(size[letter] for letter in each)
                      for each in (x - y, y - x, (x & y) - z, x & y & z))  # fmt: skip
    weights = any(records.parameter(one) is not None for one in given)
    saved = records.save(*(one for one, other in (given, given[::-1]) if records.gradient(other)))
    _gemm(records, node, given, (m, n, k, batch), saved, weights=weights)


def convolution(records: Records, node: Any) -> None:
    """Take a convolution; one whose kernel, stride or padding is not square is the product that it is."""
    x, weight, *rest = node.args
    named = dict(zip(("bias", "stride", "padding", "dilation", "groups"), rest, strict=False)) | node.kwargs
    bias, groups = named.get("bias"), int(named.get("groups", 1) or 1)
    of_one, out = math.prod(shape_of(weight)[1:]), shape_of(node)
    whole, (height, width) = elements(node), (shape_of(x)[-2], shape_of(x)[-1])
    inputs = [one for one in (x, weight, bias) if one is not None]
    saved = records.save(x) if records.gradient(weight) else NOTHING
    stride, padding = _alike(named.get("stride", 1)), _alike(named.get("padding", 0))
    plain = len(out) == 4 and stride and padding is not None and _alike(named.get("dilation", 1)) == 1
    if not plain:
        columns = shape_of(weight)[0] // groups
        sizes = (whole // columns // groups, columns, of_one, groups)
        _gemm(records, node, inputs, sizes, saved, weights=True)
        return
    assert stride is not None
    assert padding is not None
    kernel_h, kernel_w = shape_of(weight)[2:]
    sizes_of = (shape_of(x)[0], shape_of(x)[1], out[1], height, width, kernel_h, kernel_w, stride, padding, groups)
    records.add(
        node, "conv", Operation.CONV, dict(zip(_CONVOLUTION, map(float, sizes_of), strict=True)),
        inputs, work=2.0 * whole * of_one, weights=records.own(weight), vectors=records.own(bias), saved=saved,
    )  # fmt: skip


_CONVOLUTION = (
    "batch", "in_channels", "out_channels", "height", "width", "kernel_h", "kernel_w", "stride", "padding", "groups",
)  # fmt: skip


def _alike(value: Any) -> int | None:
    """Return a size that is the same in all dimensions; None where it is not."""
    each = list(value) if isinstance(value, list | tuple) else [value]
    return int(each[0]) if all(isinstance(one, int) for one in each) and len(set(each)) == 1 else None


def attention(records: Records, node: Any) -> None:
    """Take attention in one kernel, which keeps Q, K, V and a sum of exponentials for each query (fp32)."""
    q, k, v = node.args[:3]
    *batch, heads, queries, width = shape_of(q)
    keys, products = shape_of(k)[-2], math.prod(batch)
    statistics = Size(4 * products * heads * queries)
    records.add(
        node, "attention", Operation.ATTENTION,
        {"batch": products, "heads": heads, "queries": queries, "keys": keys, "width": width}, [q, k, v],
        work=2.0 * products * heads * queries * keys * (width + shape_of(v)[-1]),
        saved=plus(records.save(q, k, v, node), statistics),
    )  # fmt: skip


def embedding(records: Records, node: Any) -> None:
    """Take rows of a table."""
    table, rows = node.args[:2]
    width = Size(element=shape_of(table)[-1])
    records.add(node, "gather", Operation.LOOKUP, {"rows": Size(elements(rows)), "width": width}, [table],
                weights=records.own(table), saved=size_of(rows))  # fmt: skip


def norm(records: Records, node: Any) -> None:
    """Take a norm: of rows as wide as its scale, or of the map of each channel."""
    x, kernel = node.args[0], "batch_norm" if name_of(node) in {"batch_norm", "instance_norm"} else "layer_norm"
    given = tensors(node.args)
    own = [one for one in given[1:] if records.parameter(one) is not None]
    channels = shape_of(x)[1] * shape_of(x)[0] if kernel == "batch_norm" else 0
    rows = [one for one in node.args[1:2] if isinstance(one, list | tuple)]
    width = elements(x) // channels if channels else math.prod(rows[0]) if rows else shape_of(x)[-1]
    if name_of(node) == "group_norm":
        width = elements(x) // (shape_of(x)[0] * int(node.args[1]))
    records.add(node, kernel, Operation.NORM, {"bytes": _moved(x, node), "width": Size(max(1, width))}, [x, *own],
                work=float(elements(x)), vectors=records.own(*own), saved=records.save(x))  # fmt: skip


def softmax(records: Records, node: Any) -> None:
    """Take a softmax, or its logarithm, whose gradient follows from its output."""
    x = node.args[0]
    axis = int(node.args[1]) if len(node.args) > 1 and isinstance(node.args[1], int) else -1
    shape = {"bytes": _moved(x, node), "width": Size(shape_of(x)[axis])}
    records.add(node, "softmax", Operation.ELEMENTWISE, shape, [x], saved=_saved(records, node, x))


def _saved(records: Records, node: Any, x: Any) -> Size:
    return records.save(node) if records.gradient(x) else NOTHING


def dropout(records: Records, node: Any) -> None:
    """Take dropout, whose mask of a byte per element is saved; where nothing is dropped it is a view."""
    x, rate, training = (*node.args, 0.5, True)[:3]
    if not training or not rate:
        records.view(node, x)
        return
    mask = Size(elements(x))
    shape = {"bytes": plus(_moved(x, node), mask), "percent": Size(round(100 * rate))}
    records.add(node, "dropout", Operation.DROPOUT, shape, [x], saved=mask)


def activation(records: Records, node: Any) -> None:
    """Take an activation."""
    x, (kernel, of_output) = node.args[0], ACTIVATIONS[name_of(node).rstrip("_")]
    saved = records.save(node if of_output else x) if records.gradient(x) else NOTHING
    records.add(node, kernel, Operation.ELEMENTWISE, {"bytes": _moved(x, node)}, [x], saved=saved)


def pooled(records: Records, node: Any) -> None:
    """Take a maximum of windows, whose input and places are saved, or another reduction."""
    x, largest = node.args[0], name_of(node).startswith("max_pool")
    saved = plus(records.save(x), Size(8 * elements(node))) if largest and records.gradient(x) else NOTHING
    kernel = "max_pool" if largest else "avg_pool"
    records.add(node, kernel, Operation.POOL, {"bytes": _moved(x, node)}, [x], saved=saved)


def total(records: Records, node: Any) -> None:
    """Take a sum of two tensors, or of one with what all rows share."""
    given = tensors(node.args)
    own = [one for one in given if records.parameter(one) is not None]
    both = len(given) == 2 and all(map(records.gradient, given)) and not own
    moved = plus(*map(size_of, given), size_of(node)) if not own else _moved(given[0], node)
    records.add(node, "add", Operation.RESIDUAL if both else Operation.SUM, {"bytes": moved}, given,
                weights=records.own(*own))  # fmt: skip


def product(records: Records, node: Any) -> None:
    """Take a product or a quotient, element by element."""
    given = tensors(node.args)
    both = len(given) == 2 and all(map(records.gradient, given))
    own = [one for one in given if records.parameter(one) is not None]
    if len(given) == 1:
        records.add(node, "mul", Operation.ROUTE, {"bytes": _moved(given[0], node)}, given)
        return
    saved = records.save(*(one for one, other in (given, given[::-1]) if records.gradient(other)))
    moved = plus(*map(size_of, given), size_of(node))
    operation = Operation.GATE if both and not own else Operation.ELEMENTWISE
    records.add(node, "mul", operation, {"bytes": moved}, given, weights=records.own(*own), saved=saved)


def copied(records: Records, node: Any) -> None:
    """Take a copy; a reshape of what lies in order, and a conversion to the same format, are views."""
    x = tensors(node.args)[0]
    same = name_of(node) in {"reshape", "contiguous", "to", "_to_copy", "float", "type_as"}
    value, given = node.meta["val"], x.meta["val"]
    if same and given.is_contiguous() and value.dtype == given.dtype:
        records.view(node, x)
        return
    records.add(node, "copy", Operation.ROUTE, {"bytes": _all(node)}, tensors(node.args))


def part(records: Records, node: Any) -> None:
    """Take a part of a tensor, a view, whose gradient is copied into that of the whole."""
    x = node.args[0]
    if records.gradient(x) and is_float(node):
        records.viewed(node, Size(element=2 * elements(node)))
    records.view(node, x)


def elementwise(records: Records, node: Any) -> None:
    """Take a function of each element that moves as many bytes as a copy."""
    given = tensors(node.args)
    saved = records.save(*(one for one in given[:1] if records.gradient(one)))
    own = [one for one in given if records.parameter(one) is not None]
    records.add(node, "copy", Operation.ELEMENTWISE, {"bytes": _all(node)}, given, weights=records.own(*own),
                saved=saved)  # fmt: skip


def created(records: Records, node: Any) -> None:
    """Take a tensor that is made of nothing."""
    if elements(node) > 1:
        records.add(node, "copy", Operation.SUM, {"bytes": size_of(node)}, [])


def loss(records: Records, node: Any) -> None:
    """Take a loss, which reads and writes as much as what it is given."""
    x = node.args[0]
    records.add(node, "cross_entropy", Operation.ELEMENTWISE, {"bytes": plus(size_of(x), size_of(x))}, [x],
                saved=records.save(x))  # fmt: skip


def unknown(records: Records, node: Any) -> None:
    """Take an operator that is not understood, as the bytes that it reads and writes."""
    records.unknown[name_of(node)] += 1
    if tensors(node.args):
        elementwise(records, node)


def _moved(x: Any, node: Any) -> Size:
    return plus(size_of(x), size_of(node))


def _all(node: Any) -> Size:
    return plus(*map(size_of, tensors(node.args)), size_of(node))


HANDLERS: Mapping[str, Callable[[Records, Any], None]] = {
    "linear": linear, "addmm": addmm, "baddbmm": addmm, **dict.fromkeys(("matmul", "mm", "bmm"), matmul),
    "einsum": einsum, **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    "scaled_dot_product_attention": attention, "embedding": embedding,
    **dict.fromkeys(("layer_norm", "batch_norm", "group_norm", "rms_norm", "instance_norm"), norm),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), softmax),
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "feature_dropout", "alpha_dropout"), dropout),
    **dict.fromkeys(ACTIVATIONS, activation), **dict.fromkeys(("max_pool1d", "max_pool2d"), pooled),
    **dict.fromkeys(REDUCTIONS, pooled), **dict.fromkeys(("add", "sub"), total),
    **dict.fromkeys(("mul", "div", "maximum", "minimum", "multiply", "divide", "lerp"), product),
    **dict.fromkeys(COPIES, copied), **dict.fromkeys(PARTS, part), **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(CREATED, created), **dict.fromkeys(LOSSES, loss),
}  # fmt: skip
"""What takes each operator; views and what is ignored apart."""


def take(records: Records, node: Any) -> None:
    """Take one operator of a graph."""
    name = name_of(node)
    plain = name if name in HANDLERS or name in VIEWS else name.removesuffix("_")
    given, value = tensors(node.args), node.meta.get("val")
    if plain in IGNORED or not (tensors([node]) or isinstance(value, list | tuple)):
        return
    if all(elements(one) <= 1 and not records.gradient(one) for one in (*given, node)):
        return  # counters, such as that of a norm's batches
    if plain in VIEWS:
        records.view(node, given[0] if given else node.args[0])
        return
    HANDLERS.get(plain, unknown)(records, node)

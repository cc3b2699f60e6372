"""Other kernels for attention: one for all of its core, and one product for Q, K and V."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from simcore.models.training.operator_maker import fused_core
from simcore.models.training.operators import Operation, Operator
from simcore.models.training.parallel.costs import in_core
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value

ATTENTION = ("block.*.attention", "block.*.cross_attention", "encoder.block.*.attention")
"""Where attention is."""


class Sdpa(Primitive):
    """Replaces the core of attention by `torch.nn.functional.scaled_dot_product_attention`."""

    name = "sdpa"
    summary = "attention is one kernel, which writes no scores"
    paths = ATTENTION

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return attention with its core in one kernel; what the core sends stays."""
        core = [one for one in operators if in_core(one)]
        if any(one.operation is Operation.ATTENTION for one in core):
            raise NotApplicable("attention is one kernel already")
        if not any(one.operation is Operation.SCORES for one in core):
            raise NotApplicable("there are no scores, from which attention starts")
        fused = fused_core(core, setting.layout.micro_batch)
        first = operators.index(core[0])
        rest = [one for one in operators[first:] if one not in core]
        return [*operators[:first], fused, *rest]


class FuseQkv(Primitive):
    """Replaces the products that make Q, K and V of the same activations by one, whose columns are theirs."""

    name = "fuse_qkv"
    summary = "Q, K and V are made by one product"
    paths = ("block.*.attention", "encoder.block.*.attention")

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return attention with one product in place of three."""
        three = [one for one in operators if one.path.rpartition(".")[2] in {"query", "key", "value"}]
        if len(three) < 3:
            raise NotApplicable("Q, K and V are not made by three products")
        if len({(one.size("m"), one.size("k")) for one in three}) > 1:
            raise NotApplicable("Q, K and V are not made of the same activations")
        return [joined(three), *(one for one in operators if one not in three)]


def joined(products: Sequence[Operator]) -> Operator:
    """Return one product of the same rows whose columns are those of several."""
    first = products[0]
    columns = sum(one.size("n") for one in products)
    shape = tuple((name, columns if name == "n" else size) for name, size in first.shape)
    return replace(
        first, path=first.path.rpartition(".")[0] + ".query_key_value", shape=shape,
        work=math.fsum(one.work for one in products), weights=math.fsum(one.weights for one in products),
        vectors=math.fsum(one.vectors for one in products), saved=math.fsum(one.saved for one in products),
        output=math.fsum(one.output for one in products),
    )  # fmt: skip

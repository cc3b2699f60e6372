"""Kernels that move bytes, several in one: what lies between them is neither written nor read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from simcore.models.training.architecture import Transformer
from simcore.models.training.functions import Activation
from simcore.models.training.operators import Operation, Operator
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value

_MOVES = {
    Operation.SUM, Operation.ELEMENTWISE, Operation.GATE, Operation.DROPOUT, Operation.RESIDUAL, Operation.NORM,
}  # fmt: skip
"""Operations on one element, or on one row, at a time."""

BLOCKS = ("block.*", "encoder.block.*")
FEED_FORWARD = ("block.*.feed_forward", "encoder.block.*.feed_forward")


class Decompose(Primitive):
    """Separates the bias of products with weights, so that it can be fused with what follows; one kernel more."""

    name = "decompose"
    summary = "products add no bias, a kernel of its own does"
    paths = BLOCKS

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return products, each with its bias behind it."""
        made = [each for one in operators for each in decomposed(one)]
        if len(made) == len(operators):
            raise NotApplicable("no product here adds a bias")
        return made


class Fuse(Primitive):
    """Fuses each run of kernels that move bytes into one, as Inductor does."""

    name = "fuse"
    summary = "kernels in a row that move bytes are one"
    paths = BLOCKS

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return the operators with every run of such kernels in one."""
        made = list(_fused(operators))
        if len(made) == len(operators):
            raise NotApplicable("no two kernels in a row here move bytes alone")
        return made


class FuseBiasActivation(Primitive):
    """Fuses the bias of the first product of a feed-forward network with the activation behind it, and its gate."""

    name = "fuse_bias_activation"
    summary = "bias, activation and gate of the feed-forward network are one kernel"
    paths = FEED_FORWARD

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return the feed-forward network with one kernel between its products."""
        at = [number for number, one in enumerate(operators) if one.path.endswith(".activation")]
        if not at:
            raise NotApplicable("there is no activation here")
        made = list(operators)
        for number in reversed(at):
            end = number + (2 if _is_gate(operators, number + 1) else 1)
            before = decomposed(operators[number - 1])
            if len(before) == 1 and end == number + 1:
                raise NotApplicable("the product before the activation adds no bias")
            made[number - 1 : end] = [before[0], merged([*before[1:], *operators[number:end]])]
        return made


class FuseBiasGelu(FuseBiasActivation):
    """The same where the activation is GELU."""

    name = "fuse_bias_gelu"
    summary = "bias and GELU of the feed-forward network are one kernel"

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return the feed-forward network with one kernel between its products."""
        if not isinstance(setting.model, Transformer):
            raise NotApplicable(f"{setting.model.name} has no feed-forward network")
        activation = setting.model.kinds.activation
        if activation is not Activation.GELU:
            raise NotApplicable(f"the activation of {setting.model.name} is {activation.value}: fuse_bias_activation")
        return super().operators(operators, setting, value)


class FuseBiasDropoutNorm(Primitive):
    """Fuses the bias of a product that ends attention or feed-forward network with dropout, residual and norm."""

    name = "fuse_bias_dropout_norm"
    summary = "bias, dropout, residual and norm at the end of a sublayer are one kernel"
    paths = BLOCKS

    def operators(self, operators: Sequence[Operator], setting: Setting, value: Value) -> Sequence[Operator]:
        """Return a block whose sublayers end with one kernel each."""
        made: list[Operator] = []
        ends = [number for number, one in enumerate(operators) if one.operation is Operation.RESIDUAL]
        start = 0
        for residual in ends:
            first = residual
            while first > start and operators[first - 1].operation is Operation.DROPOUT:
                first -= 1
            last = residual + 1
            while last < len(operators) and operators[last].operation is Operation.NORM:
                last += 1
            bias: Sequence[Operator] = ()
            made += operators[start:first]
            if made and made[-1].operation is Operation.LINEAR:
                made[-1:], bias = decomposed(made[-1])[:1], decomposed(made[-1])[1:]
            made.append(merged([*bias, *operators[first:last]]))
            start = last
        if len(made) + len(operators) - start >= len(operators):
            raise NotApplicable("no sublayer ends here with dropout, residual and norm")
        return [*made, *operators[start:]]


def _is_gate(operators: Sequence[Operator], number: int) -> bool:
    return number < len(operators) and operators[number].operation is Operation.GATE


def decomposed(one: Operator) -> tuple[Operator, ...]:
    """Return a product without its bias, and what adds that; any other operator as it is."""
    if one.operation is not Operation.LINEAR or not one.vectors:
        return (one,)
    # what is sent after the product sums it over GPUs, and the bias is added once, to the sum
    added = Operator(
        "add", (("bytes", math.ceil(2 * one.output + one.vectors)),), path=f"{one.path}_bias",
        operation=Operation.SUM, weights=one.vectors, output=one.output,
    )  # fmt: skip
    return replace(one, vectors=0.0), added


def _fused(operators: Sequence[Operator]) -> Iterator[Operator]:
    """Yield operators, with every run of those that move bytes in one."""
    run: list[Operator] = []
    for one in operators:
        alone = one.before_forward or one.before_backward or one.after_forward or one.after_input_gradient
        if one.operation in _MOVES and not alone:
            run.append(one)
            continue
        yield from [merged(run)] if run else []
        run = []
        yield one
    yield from [merged(run)] if run else []


def merged(run: Sequence[Operator]) -> Operator:
    """Return one kernel for a run of them.

    What one hands to the next is neither written nor read. A norm needs its input for its gradient, so that is written.
    An activation that keeps its input is computed again from it before a gate, so what it makes is not kept.

    Examples
    --------
    >>> dropout = Operator("dropout", (("bytes", 5),), path="a.dropout", operation=Operation.DROPOUT, output=2.0)
    >>> residual = Operator("add", (("bytes", 6),), path="a.residual", operation=Operation.RESIDUAL, output=2.0)
    >>> norm = Operator("layer_norm", (("bytes", 4), ("width", 1)), path="a.norm", operation=Operation.NORM, saved=2.0)
    >>> merged([dropout, residual, norm]).shape
    (('bytes', 9),)
    """
    if len(run) == 1:
        return run[0]
    moved, saved = float(sum(one.size("bytes") for one in run)), math.fsum(one.saved for one in run)
    for before, after in pairwise(run):
        moved -= 2 * before.output
        if after.operation is Operation.NORM:
            moved += after.saved
        elif after.operation is Operation.GATE and before.saved:
            saved -= before.output
    last = run[-1]
    kernel, operation = _kind(run)
    return Operator(
        kernel, (("bytes", math.ceil(moved)),), path=_path(run), operation=operation, saved=saved, output=last.output,
        weights=math.fsum(one.weights for one in run), vectors=math.fsum(one.vectors for one in run),
    )  # fmt: skip


def _kind(run: Sequence[Operator]) -> tuple[str, Operation]:
    """Return the kernel whose speed a fused one has, and the operation whose backward pass moves as much."""
    operations = {one.operation for one in run}
    if operations <= {Operation.SUM, Operation.ELEMENTWISE}:
        activations = [one.kernel for one in run if one.operation is Operation.ELEMENTWISE]
        return next(iter(activations), "gelu"), Operation.ELEMENTWISE
    return ("gelu", Operation.GATED) if Operation.GATE in operations else ("dropout", Operation.DROPOUT)


def _path(run: Sequence[Operator]) -> str:
    """Return a path for all of them: ``feed_forward.up_bias+activation``."""
    module = run[0].path.rpartition(".")[0]
    return f"{module}." + "+".join(one.path.rpartition(".")[2] for one in run)

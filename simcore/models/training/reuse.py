"""Where the operands of a step's kernels are: how many bytes the step touches between two uses of each.

What an operator hands on is used at once. What it keeps for its backward pass waits until the operators after it have
gone forward and back. Weights and gradients wait for a step. `placed` writes both distances into an operator list, and
`reused` tells them of each operand of a kernel call; `simcore.models.compute.compute_model` turns them into a time.
"""

from __future__ import annotations

import math
from dataclasses import replace

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.convolution import CONVOLUTIONS
from simcore.models.training.operators import Operation, Operator, OperatorList, Reuse, Section
from simcore.models.training.passes import passes
from simcore.models.training.traffic import PRODUCTS, moved_bytes
from simcore.models.training.workload import Pass

OF_ADAM = 4
"""Arrays that a step with Adam touches of every weight: itself, its gradient and two moments."""

_ONE_OF_THREE = {Operation.ELEMENTWISE, Operation.NORM, Operation.GATE}
"""Operations whose backward pass reads one operand of the forward pass, reads a gradient and writes another."""


def placed(listed: OperatorList, element: int, *, training: bool = True) -> OperatorList:
    """Return an operator list that knows how many bytes lie between two uses of what each operator touches.

    No distance is longer than all that a step touches. Equal blocks, which are held once, have that of the middle one.

    Parameters
    ----------
    listed : OperatorList
        The operators, the update among them.
    element : int
        Bytes per element [B].
    training : bool
        Whether gradients are computed and weights updated; otherwise a pass touches each weight once.

    Examples
    --------
    >>> copy = Operator("copy", (("bytes", 8),), path="one")
    >>> [one.reuse.since_forward for one in placed(OperatorList((Section("", (copy, copy)),)), element=4)]
    [0.0, 0.0]
    >>> wide = Operator("gemm", (("m", 2), ("n", 4), ("k", 4), ("batch", 1)), operation=Operation.LINEAR, weights=64.0)
    >>> [one.reuse.since_forward for one in placed(OperatorList((Section("", (wide, wide)),)), element=4)]
    [384.0, 0.0]
    """
    touched = (OF_ADAM if training else 1) * listed.parameters + listed.saved
    after = 0.0
    sections: list[Section] = []
    for section in reversed(listed.sections):
        moved = [_moved(one, element) for one in section.operators]
        middle = after + (section.count - 1) / 2 * math.fsum(moved)
        operators = []
        for at, one in enumerate(section.operators):
            distance = min(middle + math.fsum(moved[at + 1 :]), touched)
            operators.append(replace(one, reuse=Reuse(element, distance, touched)))
        sections.append(replace(section, operators=tuple(operators)))
        after += section.count * math.fsum(moved)
    return OperatorList(tuple(reversed(sections)))


def reused(one: Operator, direction: Pass, call: KernelCall) -> KernelCall:
    """Return a call that knows its operands: bytes of each, and bytes that were touched since it was.

    Of an operator that is not `placed` it is the call as it was.

    Parameters
    ----------
    one : Operator
        What the call belongs to.
    direction : Pass
        In which pass.
    call : KernelCall
        One of `passes`.
    """
    if one.reuse is None:
        return call
    call = replace(call, kept=_kept(one, direction, call))
    moved = moved_bytes(call, one.reuse.element)
    if one.kernel in PRODUCTS and call.kernel not in PRODUCTS:  # the sum of a bias reads a gradient that just came
        return replace(call, operands=((moved, 0.0),))
    old = [(min(size, moved), far) for size, far in _waited(one, one.reuse, direction, moved) if size > 0]
    fresh = moved - math.fsum(size for size, _ in old)
    return replace(call, operands=(*old, (max(fresh, 0.0), 0.0)))


def _kept(one: Operator, direction: Pass, call: KernelCall) -> float:
    """Return what a call writes for a later pass [B]: saved activations, or a gradient that the update reads."""
    each = passes(one)
    if direction is Pass.FORWARD and call == each.forward[0]:
        return one.saved
    if direction is Pass.WEIGHT_GRADIENT and one.operation is not Operation.UPDATE and call == each.weight_gradient[0]:
        return one.parameters
    return 0.0


def _waited(one: Operator, reuse: Reuse, direction: Pass, moved: float) -> list[tuple[float, float]]:
    """Return the operands of a call that were not handed on by the call before: bytes and distance of each."""
    step, forward = reuse.since_step, reuse.since_forward
    if one.operation is Operation.UPDATE or (one.operation is Operation.LOOKUP and direction is Pass.WEIGHT_GRADIENT):
        return [(moved, step)]
    if one.operation is Operation.LOOKUP:
        return [(moved / 2, step)]  # rows are read from the table and handed on
    if one.operation in {Operation.LINEAR, Operation.CONV}:
        if direction is Pass.FORWARD:
            return [(one.weights, step)]
        if direction is Pass.INPUT_GRADIENT:
            return [(one.weights, forward)]
        return [(one.weights, step), (_input_bytes(one, reuse.element), forward)]
    if one.operation is Operation.MASK:
        return [(moved / 2, step)] if direction is Pass.FORWARD else [(moved / 9, forward)]
    if direction is Pass.FORWARD:
        return []
    if one.operation is Operation.STORED:  # the dense matrix, and what the gradient of the other one is written to
        dense = reuse.element * one.size("k") * one.size("n")
        return [(one.weights, step), (dense, forward)] if direction is Pass.WEIGHT_GRADIENT else []
    if one.operation in _ONE_OF_THREE:
        return [(moved / 3, forward)]
    if one.operation in {Operation.SCORES, Operation.CONTEXT}:
        return [(_input_bytes(one, reuse.element), forward)]
    return []


def _input_bytes(one: Operator, element: int) -> float:
    """Return the bytes of the first operand of a product or a convolution."""
    names = ("batch", "in_channels", "height", "width") if one.kernel in CONVOLUTIONS else ("batch", "m", "k")
    sizes = dict(one.shape)
    return element * math.prod(sizes.get(name, 1) for name in names)


def _moved(one: Operator, element: int) -> float:
    """Return the bytes that an operator touches going forward and back; the update comes after all of them."""
    if one.operation is Operation.UPDATE:
        return 0.0
    each = passes(one)
    return math.fsum(
        moved_bytes(call, element) for call in (*each.forward, *each.input_gradient, *each.weight_gradient)
    )

"""All collectives that one GPU of a layout issues in an iteration: between operators, of weights and of gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.architecture import Transformer
from simcore.models.training.operators import Communication, Operation, Operator, OperatorList, Section
from simcore.models.training.parallel.layout import Layout, Recompute, Splitter
from simcore.models.training.parallel.sharding import cut_along_sequence, is_core, sharded_operators
from simcore.models.training.workload import Pass


@dataclass(frozen=True)
class Issued:
    """Equal collectives of an iteration.

    Attributes
    ----------
    part : Pass
        When they run.
    path : str
        The operator that needs them, without the number of its block, or whose weights they carry.
    sent : Communication
        One of them.
    count : int
        How many.
    once : bool
        Whether an iteration has as many; otherwise each of its micro-batches has.
    """

    part: Pass
    path: str
    sent: Communication
    count: int = 1
    once: bool = False


_WEIGHTS = 3
"""Stage of ZeRO that shards weights too."""


def collectives_of(model: Transformer, sequence: int, layout: Layout) -> tuple[Issued, ...]:
    """Return what a GPU issues for a whole model; a pipeline's stages share it, and send each other messages beside it.

    A layout with ZeRO 3 gathers the weights of each block before its forward pass and again before its backward pass,
    and scatters the sums of its gradients. What stands around the blocks is gathered once and stays until the end, as
    FSDP2 keeps its root. ZeRO 1 and 2 scatter the sums of gradients and gather weights once an iteration, and without
    ZeRO gradients are all-reduced, all in buckets.

    Parameters
    ----------
    model : Transformer
        The sizes.
    sequence : int
        Tokens of a whole sequence.
    layout : Layout
        How the iteration is spread.

    Raises
    ------
    InputError
        As `simcore.models.training.transformer.transformer_operators`.

    References
    ----------
    Zhao et al., PyTorch FSDP, VLDB 2023. Rajbhandari et al., ZeRO, SC 2020.

    Examples
    --------
    >>> gpt = Transformer("gpt", hidden=64, blocks=2, heads=8, vocabulary=100)
    >>> layout = Layout(dp=4, zero=3)
    >>> [(one.part.value, one.sent.collective.value, one.count) for one in collectives_of(gpt, 128, layout)][2:]
    [('forward', 'all-gather', 2), ('input gradient', 'all-gather', 2), ('weight gradient', 'reduce-scatter', 2)]
    """
    listed = sharded_operators(model, sequence, layout)
    between = (
        issued
        for section in listed.sections
        for one in section.operators
        for issued in _of_operator(section, one, _run_again(section, one, model, layout))
    )
    return (*between, *_of_whole_weights(listed, model, layout), *_of_replicas(listed, layout))


def _of_operator(section: Section, one: Operator, again: int) -> Iterator[Issued]:
    """Yield what an operator of each repetition sends, going forward, forward again in some of them, and backward."""
    forward = (*one.before_forward, *([one.after_forward] if one.after_forward else ()))
    backward = (*one.before_backward, *([one.after_input_gradient] if one.after_input_gradient else ()))
    parts = (Pass.FORWARD, forward, section.count), (Pass.RECOMPUTE, forward, again)
    for part, needed, count in (*parts, (Pass.INPUT_GRADIENT, backward, section.count)):
        yield from (Issued(part, _path(section, one), sent, count) for sent in needed if count)


def _run_again(section: Section, one: Operator, model: Transformer, layout: Layout) -> int:
    """Return how many repetitions of an operator run forward again: the first blocks of each model chunk.

    Of what selective recomputation repeats, the core of attention, only context parallelism sends anything.
    """
    selective = layout.recompute is Recompute.SELECTIVE and is_core(one, layout.fused_attention)
    if not section.path or not (selective or layout.recompute is Recompute.FULL):
        return 0
    start, found = 0, 0
    encoder = model.encoder if section.path.startswith("encoder.") else None
    for blocks in layout.chunk_layers((encoder or model).blocks):
        end = start + (blocks if layout.recompute_layers is None else min(blocks, layout.recompute_layers))
        found += max(0, min(end, section.start + section.count) - max(start, section.start))
        start += blocks
    return found


def _of_whole_weights(listed: OperatorList, model: Transformer, layout: Layout) -> Iterator[Issued]:
    """Yield sums over tensor parallelism of gradients of weights that every GPU has, and applies to a part.

    Megatron-LM sums all of them at once. DTensor sums them one by one, before FSDP2 scatters them or in the update.
    """
    owned = [
        (section, one, size)
        for section in listed.sections
        for one in section.operators
        if layout.tp > 1 and (size := _summed(one, layout))
    ]
    if layout.splitter is Splitter.DTENSOR:
        for section, one, size in owned:
            parts = 2 if one.operation is Operation.NORM and model.biases.norms else 1
            sent = Communication(Collective.ALL_REDUCE, size / parts)
            count, once = parts * section.count, layout.zero < _WEIGHTS
            yield Issued(Pass.WEIGHT_GRADIENT, _path(section, one), sent, count, once)
    elif owned:
        size = math.fsum(section.count * size for section, _, size in owned)
        sent = Communication(Collective.ALL_REDUCE, _gradients(size, layout))
        yield Issued(Pass.WEIGHT_GRADIENT, "whole weights", sent, once=True)


def _path(section: Section, one: Operator) -> str:
    return f"{section.path}.{one.path}" if section.path else one.path


def _summed(one: Operator, layout: Layout) -> float:
    """Return the weights of an operator whose gradients differ over tensor parallelism and must be summed [B]."""
    if one.path.endswith("qk_norm"):
        return one.parameters  # it sees some of the heads
    if not layout.sequence_parallel:
        return 0.0
    megatron = layout.splitter is Splitter.MEGATRON
    if cut_along_sequence(one):
        # Megatron-LM adds positions before it cuts the sequence
        return 0.0 if megatron and one.operation is Operation.SUM else one.parameters
    scattered = one.after_forward is not None and one.after_forward.collective is Collective.REDUCE_SCATTER
    return one.vectors if megatron and scattered and one.operation is Operation.LINEAR else 0.0


def _of_replicas(listed: OperatorList, layout: Layout) -> Iterator[Issued]:
    """Yield what GPUs that hold the same weights send each other; those of experts are held by fewer."""
    for axis, group in ((Axis.DATA, layout.replicas), (Axis.EXPERT_DATA, layout.replicas // layout.ep)):
        units = [
            _Unit(section.path, section.count, math.fsum(_owned(one, axis, layout) for one in section.operators))
            for section in listed.sections
        ]
        alone = _Unit("", 1, math.fsum(unit.weights for unit in units if not unit.path))
        held = [unit for unit in (alone, *(unit for unit in units if unit.path)) if unit.weights]
        if group > 1 and held:
            shared = _sharded if layout.zero == _WEIGHTS else _in_buckets
            yield from shared(held, axis, group, layout)


@dataclass(frozen=True)
class _Unit:
    """Weights that are sent at once: of one of `count` blocks, or of all that stands around them [B]."""

    path: str
    count: int
    weights: float


def _owned(one: Operator, axis: Axis, layout: Layout) -> float:
    """Return the weights of an operator that an axis sums the gradients of [B]."""
    expert = layout.ep > 1 and one.path.startswith("feed_forward.experts")
    return one.parameters if expert is (axis is Axis.EXPERT_DATA) else 0.0


def _sharded(units: list[_Unit], axis: Axis, group: int, layout: Layout) -> Iterator[Issued]:
    """Of ZeRO 3: weights are gathered, unit by unit, and sums of gradients scattered."""
    for unit in units:
        path = unit.path or "around the blocks"
        shard = Communication(Collective.ALL_GATHER, unit.weights / group, axis)
        yield Issued(Pass.FORWARD, path, shard, unit.count)
        if unit.path:  # the rest stays until the backward pass ends
            yield Issued(Pass.INPUT_GRADIENT, path, shard, unit.count)
        scattered = Communication(Collective.REDUCE_SCATTER, _gradients(unit.weights, layout), axis)
        yield Issued(Pass.WEIGHT_GRADIENT, path, scattered, unit.count)


def _in_buckets(units: list[_Unit], axis: Axis, group: int, layout: Layout) -> Iterator[Issued]:
    """Of less: gradients are summed once an iteration, in equal buckets; ZeRO gathers weights for the next one."""
    weights = math.fsum(unit.count * unit.weights for unit in units)
    gradients = _gradients(weights, layout)
    buckets = max(1, math.ceil(gradients / layout.bucket))
    summed = Collective.REDUCE_SCATTER if layout.zero else Collective.ALL_REDUCE
    sent = Communication(summed, gradients / buckets, axis)
    yield Issued(Pass.WEIGHT_GRADIENT, "gradients", sent, buckets, once=True)
    if layout.zero:
        shard = Communication(Collective.ALL_GATHER, weights / buckets / group, axis)
        yield Issued(Pass.FORWARD, "weights", shard, buckets, once=True)


def _gradients(weights: float, layout: Layout) -> float:
    """Return the gradients of so many bytes of weights, as they are summed [B]."""
    return weights / layout.number_format.element * layout.number_format.gradient

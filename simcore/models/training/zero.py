"""ZeRO-3: the program of an iteration whose parameters are sharded over the data-parallel group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.program import Issue, Loop, Step, Wait, Writer, backward_order, blocking
from simcore.models.training.workload import Layer, Pass, Phase, Workload, group_of

_SUMS = (Collective.ALL_REDUCE, Collective.REDUCE_SCATTER)
"""What a weight gradient is summed with."""


def zero3(workload: Workload, loop: Loop, *, recompute: bool = True, compute_scale: float = 1.0) -> tuple[Step, ...]:
    """Write the program of one iteration with ZeRO-3.

    Parameters, gradients and optimiser state are sharded over the data-parallel group. A layer's parameters are
    gathered before its forward pass and again before it is met going back, where a block that is recomputed keeps them
    until its backward pass; its gradient is reduce-scattered. The gathering of the next layer starts before a layer
    computes, except with the loop ``NoOverlap``. With Psi bytes of parameters, an NPU of a group of d sends
    3 Psi (d - 1) / d, where plain data parallelism sends 2 Psi (d - 1) / d.

    Parameters
    ----------
    workload, loop, recompute, compute_scale
        As in `iteration`.

    Raises
    ------
    InputError
        If a layer does not say how large its parameters are, and the gradients of several layers are fused; also for
        gradients that are summed in another group, or otherwise than by an all-reduce or a reduce-scatter.

    References
    ----------
    Rajbhandari et al., ZeRO: Memory Optimizations Toward Training Trillion Parameter Models, SC 2020, section 7.
    """
    sizes = _parameters(workload)
    writer = Writer(_scattered(workload), loop, compute_scale)
    layers = range(len(workload.layers))
    met = [(layer, Pass.FORWARD) for layer in layers]
    held: set[int] = set()
    for layer, again in backward_order(workload, layers, recompute=recompute):
        met.append((layer, Pass.RECOMPUTE if again else Pass.INPUT_GRADIENT))
    # who needs a gathering of its own: a layer going back has its parameters still if its block ran forward again
    needs: list[Issue | None] = []
    for layer, part in met:
        gather = None
        if part is not Pass.INPUT_GRADIENT or layer not in held:
            shard = Phase(0.0, Collective.ALL_GATHER, sizes[layer] / workload.dp, Axis.DATA)
            gather = writer.issue(shard, layer, part, urgent=True)
        if part is Pass.RECOMPUTE:
            held.add(layer)
        needs.append(gather)
    return tuple(_gathered(writer, met, needs, prefetch=loop is not Loop.NO_OVERLAP))


def _gathered(
    writer: Writer, met: Sequence[tuple[int, Pass]], needs: Sequence[Issue | None], *, prefetch: bool
) -> Iterator[Step]:
    """Write passes with the gathering that each needs, started one gathering ahead where there is prefetching."""
    coming = iter([issue for issue in needs if issue is not None])
    ahead: Issue | None = next(coming, None) if prefetch else None
    if ahead is not None:
        yield ahead
    for (layer, part), need in zip(met, needs, strict=True):
        if need is not None and not prefetch:
            yield from blocking(need)
        elif need is not None:
            yield Wait(need.key)
            ahead = next(coming, None)
            if ahead is not None:
                yield ahead
        yield from writer.backward(layer) if part is Pass.INPUT_GRADIENT else writer.forward(layer, part)
    yield from writer.end()


def _parameters(workload: Workload) -> list[float]:
    """Return the bytes of each layer's parameters.

    A layer file does not say them: there a layer is taken to have as many as its gradient. An output layer that shares
    the embedding's table owns none, and is taken to find it gathered.
    """
    gradients = [layer.weight_gradient.size for layer in workload.layers]
    known = [layer.parameters for layer in workload.layers]
    fused = sum(size > 0 for size in gradients) == 1 and len(gradients) > 1
    if fused and any(size is None for size in known):
        raise InputError(
            f"{field('zero')} 3",
            f"workload '{workload.name}', whose weight gradients are fused into one layer",
            "each layer's own weight gradient, which tells the size of its parameters",
            "Write each layer's gradient in its own line.",
        )
    return [gradient if size is None else size for size, gradient in zip(known, gradients, strict=True)]


def _scattered(workload: Workload) -> Workload:
    """Replace the all-reduce of each weight gradient by a reduce-scatter."""

    def scattered(layer: Layer) -> Layer:
        weight = layer.weight_gradient
        if weight.collective is None:
            return layer
        if weight.group not in {None, Axis.DATA} or weight.collective not in _SUMS:
            raise InputError(
                f"{field('zero')} 3",
                f"layer '{layer.name}', whose weight-gradient collective is an {weight.collective.value} in the "
                f"{group_of(weight, Pass.WEIGHT_GRADIENT).value} group",
                "an all-reduce or a reduce-scatter in the data-parallel group, in whose place parameters are gathered",
                f"Leave {field('zero')} out: a text that gathers its parameters is of ZeRO already.",
            )
        return replace(layer, weight_gradient=replace(weight, collective=Collective.REDUCE_SCATTER))

    return replace(workload, layers=tuple(map(scattered, workload.layers)))

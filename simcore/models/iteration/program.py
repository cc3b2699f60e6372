"""A training iteration as a program: compute, start a collective, wait for a collective, in the order of one NPU.

The program says what waits for what and knows no network; `simcore.models.iteration.execute` runs it on one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from simcore.errors import InputError
from simcore.models.workload import Collective, Layer, Phase, Workload


class Loop(StrEnum):
    """What the collectives of an iteration wait for.

    ``NO_OVERLAP`` waits for each collective before it goes on. ``OVERLAP`` lets a layer's weight gradient, compute and
    collective, run beside its input-gradient collective, and waits for both. ``SIMULATE`` is the loop of ASTRA-sim's
    transformers: a layer waits for its input-gradient collective only, weight-gradient collectives run on until the end
    of the iteration.
    """

    NO_OVERLAP = "NoOverlap"
    OVERLAP = "Overlap"
    SIMULATE = "simulate"


class Axis(StrEnum):
    """The group that a collective runs in."""

    TENSOR = "tensor-parallel"
    DATA = "data-parallel"


class Pass(StrEnum):
    """Part of an iteration."""

    FORWARD = "forward"
    RECOMPUTE = "recompute"
    INPUT_GRADIENT = "input gradient"
    WEIGHT_GRADIENT = "weight gradient"


@dataclass(frozen=True)
class Compute:
    """Compute for a while.

    Attributes
    ----------
    seconds : float
        How long [s].
    layer : int
        Index of the layer, from 0.
    part : Pass
        Where in the iteration.
    """

    seconds: float
    layer: int
    part: Pass


@dataclass(frozen=True)
class Issue:
    """Start a collective and go on.

    Attributes
    ----------
    key : int
        What `Wait` calls it.
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    axis : Axis
        The group it runs in.
    urgent : bool
        Whether it goes ahead of what is queued (last in, first out), because something waits for it soon.
    layer : int
        Index of the layer, from 0.
    part : Pass
        Where in the iteration.
    """

    key: int
    collective: Collective
    size: float
    axis: Axis
    urgent: bool
    layer: int
    part: Pass


@dataclass(frozen=True)
class Wait:
    """Wait until a collective has ended.

    Attributes
    ----------
    key : int
        Of its `Issue`.
    """

    key: int


Step = Compute | Issue | Wait


class Writer:
    """Writes the steps of layers one after the other and numbers their collectives.

    Parameters
    ----------
    workload : Workload
        The layers.
    loop : Loop
        What waits for what.
    compute_scale, size_scale : float
        Factors on all compute, and on the bytes of activations.
    """

    def __init__(self, workload: Workload, loop: Loop, compute_scale: float = 1.0, size_scale: float = 1.0) -> None:
        self.workload, self.loop = workload, loop
        self._compute_scale, self._size_scale = compute_scale, size_scale
        self._keys = count()
        self.pending: list[int] = []

    def compute(self, seconds: float, layer: int, part: Pass) -> Iterator[Step]:
        """Compute, unless it takes no time."""
        if seconds > 0:
            yield Compute(seconds * self._compute_scale, layer, part)

    def issue(self, phase: Phase, axis: Axis, layer: int, part: Pass, *, urgent: bool) -> Issue | None:
        """Return the start of a phase's collective; None where there is nothing to send."""
        if phase.collective is None or phase.size == 0:
            return None
        size = phase.size * (self._size_scale if axis is Axis.TENSOR else 1.0)
        return Issue(next(self._keys), phase.collective, size, axis, urgent, layer, part)

    def forward(self, layer: int, part: Pass = Pass.FORWARD) -> Iterator[Step]:
        """Write a layer's forward pass: compute, then its collective, which the next layer needs."""
        phase = self.workload.layers[layer].forward
        yield from self.compute(phase.compute, layer, part)
        yield from _blocking(self.issue(phase, Axis.TENSOR, layer, part, urgent=True))

    def backward(self, layer: int, *, summed: bool = True) -> Iterator[Step]:
        """Write a layer's backward pass.

        Parameters
        ----------
        layer : int
            Index of the layer.
        summed : bool
            Whether its weight gradient is summed over the data-parallel group now; with micro-batches only the last
            one does so.
        """
        one: Layer = self.workload.layers[layer]
        given, weight = one.input_gradient, one.weight_gradient
        inputs = self.issue(given, Axis.TENSOR, layer, Pass.INPUT_GRADIENT, urgent=True)
        weights = self.issue(weight, Axis.DATA, layer, Pass.WEIGHT_GRADIENT, urgent=False) if summed else None
        yield from self.compute(given.compute, layer, Pass.INPUT_GRADIENT)
        if self.loop is Loop.NO_OVERLAP:
            yield from _blocking(inputs)
            yield from self.compute(weight.compute, layer, Pass.WEIGHT_GRADIENT)
            yield from _blocking(weights)
            return
        if inputs is not None:
            yield inputs
        yield from self.compute(weight.compute, layer, Pass.WEIGHT_GRADIENT)
        if weights is not None:
            yield weights
        if inputs is not None:
            yield Wait(inputs.key)
        if weights is None:
            return
        if self.loop is Loop.OVERLAP:
            yield Wait(weights.key)
        else:
            self.pending.append(weights.key)

    def end(self) -> Iterator[Step]:
        """Wait for all that is still on its way."""
        while self.pending:
            yield Wait(self.pending.pop(0))


def _blocking(issue: Issue | None) -> Iterator[Step]:
    if issue is not None:
        yield issue
        yield Wait(issue.key)


def blocks(workload: Workload, layers: Sequence[int]) -> list[range]:
    """Return the blocks between checkpoints, cut to a range of consecutive layers.

    Examples
    --------
    >>> from simcore.models.workload import Phase
    >>> idle = Layer("idle", Phase(0.0), Phase(0.0), Phase(0.0))
    >>> blocks(Workload("toy", (idle,) * 6, 1, 1, checkpoints=(0, 3)), range(6))
    [range(0, 3), range(3, 6)]
    """
    starts = sorted({layers[0], *(start for start in workload.checkpoints if start in layers)})
    return [range(a, b) for a, b in zip(starts, [*starts[1:], layers[-1] + 1], strict=True)]


def backward_order(workload: Workload, layers: Sequence[int], *, recompute: bool) -> Iterator[tuple[int, bool]]:
    """Yield layers as the backward pass meets them, and whether each runs forward again (True) or backward.

    Before it goes back through a block, its forward pass runs again, but for the last layer, whose input that yields.
    """
    for block in reversed(blocks(workload, layers)):
        if recompute:
            yield from ((layer, True) for layer in block[:-1])
        yield from ((layer, False) for layer in reversed(block))


def iteration(
    workload: Workload, loop: Loop, *, recompute: bool = True, compute_scale: float = 1.0
) -> tuple[Step, ...]:
    """Write the program of one training iteration.

    Parameters
    ----------
    workload : Workload
        Layers and checkpoints.
    loop : Loop
        What waits for what.
    recompute : bool
        Whether activations are recomputed block by block before the backward pass.
    compute_scale : float
        Factor on all compute.

    Returns
    -------
    tuple of Step
        In the order in which an NPU takes them.

    References
    ----------
    The loop ``HYBRID_TRANSFORMER_FWD_IN_BCKWD`` of ASTRA-sim 1.0.

    Examples
    --------
    >>> reduce = Phase(1.0, Collective.ALL_REDUCE, 8.0)
    >>> toy = Workload("toy", (Layer("mlp", Phase(1.0), reduce, reduce),), tp=2, dp=2)
    >>> [type(step).__name__ for step in iteration(toy, Loop.SIMULATE)]
    ['Compute', 'Compute', 'Issue', 'Compute', 'Issue', 'Wait', 'Wait']
    """
    writer = Writer(workload, loop, compute_scale)
    layers = range(len(workload.layers))
    steps: list[Step] = [step for layer in layers for step in writer.forward(layer)]
    for layer, again in backward_order(workload, layers, recompute=recompute):
        steps += writer.forward(layer, Pass.RECOMPUTE) if again else writer.backward(layer)
    return (*steps, *writer.end())


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
        As in `iteration`. The gradient of each layer must be summed by that layer.

    Raises
    ------
    InputError
        If the gradients of several layers are fused: then nobody knows how large each layer's parameters are.

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
            shard = Phase(0.0, Collective.ALL_GATHER, sizes[layer] / workload.dp)
            gather = writer.issue(shard, Axis.DATA, layer, part, urgent=True)
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
            yield from _blocking(need)
        elif need is not None:
            yield Wait(need.key)
            ahead = next(coming, None)
            if ahead is not None:
                yield ahead
        yield from writer.backward(layer) if part is Pass.INPUT_GRADIENT else writer.forward(layer, part)
    yield from writer.end()


def _parameters(workload: Workload) -> list[float]:
    """Return the bytes of each layer's parameters: those of its gradient."""
    sizes = [layer.weight_gradient.size for layer in workload.layers]
    if sum(size > 0 for size in sizes) == 1 and len(sizes) > 1:
        raise InputError(
            "--zero 3",
            f"workload '{workload.name}', whose weight gradients are fused into one layer",
            "each layer's own weight gradient, which tells the size of its parameters",
            "Use --workload-variant optimizer.",
        )
    return sizes


def _scattered(workload: Workload) -> Workload:
    """Replace the all-reduce of each weight gradient by a reduce-scatter."""

    def scattered(layer: Layer) -> Layer:
        weight = layer.weight_gradient
        if weight.collective is None:
            return layer
        phase = Phase(weight.compute, Collective.REDUCE_SCATTER, weight.size)
        return Layer(layer.name, layer.forward, layer.input_gradient, phase, layer.update)

    layers = tuple(map(scattered, workload.layers))
    return Workload(workload.name, layers, workload.tp, workload.dp, workload.source, workload.checkpoints)


def sent(steps: Iterable[Step], axis: Axis) -> dict[Collective, float]:
    """Return the bytes that a program gives to each collective of a group [B]."""
    found: dict[Collective, float] = {}
    for step in steps:
        if isinstance(step, Issue) and step.axis is axis:
            found[step.collective] = found.get(step.collective, 0.0) + step.size
    return found

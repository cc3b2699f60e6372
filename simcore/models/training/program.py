"""A training iteration as a program: compute, start a collective, wait for a collective, in the order of one NPU.

The program says what waits for what and knows no network; `simcore.models.training.execute` runs it on one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from struct import pack, unpack

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.workload import Pass, Phase, Workload, group_of


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

    @property
    def closed_form(self) -> Loop:
        """The loop that the closed form takes for this one: it knows no collectives that run on until the end.

        Examples
        --------
        >>> Loop.SIMULATE.closed_form
        <Loop.OVERLAP: 'Overlap'>
        """
        return Loop.NO_OVERLAP if self is Loop.NO_OVERLAP else Loop.OVERLAP


CLOSED_FORM_LOOPS = (Loop.NO_OVERLAP, Loop.OVERLAP)
"""Loops that `simcore.models.training.closed_form` has a formula for."""


class PipelineOrder(StrEnum):
    """In which order a stage takes its micro-batches."""

    GPIPE = "GPipe"
    ONE_F_ONE_B = "1F1B"


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
    update : float
        What follows the collective before it counts as done [s].
    """

    key: int
    collective: Collective
    size: float
    axis: Axis
    urgent: bool
    layer: int
    part: Pass
    update: float = 0.0


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
        self.pending: dict[int, int] = {}

    def compute(self, seconds: float, layer: int, part: Pass) -> Iterator[Step]:
        """Compute, unless it takes no time."""
        if seconds > 0:
            yield Compute(seconds * self._compute_scale, layer, part)

    def issue(self, phase: Phase, layer: int, part: Pass, *, urgent: bool) -> Issue | None:
        """Return the start of a phase's collective; None where there is nothing to send."""
        if phase.collective is None or phase.size == 0:
            return None
        size = phase.size * (1.0 if part is Pass.WEIGHT_GRADIENT else self._size_scale)
        return Issue(next(self._keys), phase.collective, size, group_of(phase, part), urgent, layer, part)

    def tick(self, layer: int, part: Pass) -> Iterator[Step]:
        """Write what the loop itself takes to go on to its next state: nothing."""
        return iter(())

    def forward(self, layer: int, part: Pass = Pass.FORWARD) -> Iterator[Step]:
        """Write a layer's forward pass: compute, then its collective, which the next layer needs."""
        phase = self.workload.layers[layer].forward
        yield from self.compute(phase.compute, layer, part)
        yield from blocking(self.issue(phase, layer, part, urgent=True))
        yield from self.tick(layer, part)

    def backward(self, layer: int, *, summed: bool = True) -> Iterator[Step]:
        """Write a layer's backward pass.

        Parameters
        ----------
        layer : int
            Index of the layer.
        summed : bool
            Whether its weight gradient is summed over its group now; with micro-batches only the last
            one does so.
        """
        given, weight = self.workload.layers[layer].input_gradient, self.workload.layers[layer].weight_gradient
        inputs = self.issue(given, layer, Pass.INPUT_GRADIENT, urgent=True)
        weights = self.issue(weight, layer, Pass.WEIGHT_GRADIENT, urgent=False) if summed else None
        yield from self.compute(given.compute, layer, Pass.INPUT_GRADIENT)
        if self.loop is Loop.NO_OVERLAP:
            yield from blocking(inputs)
            yield from self.compute(weight.compute, layer, Pass.WEIGHT_GRADIENT)
            yield from blocking(weights)
            return
        if inputs is not None:
            yield inputs
        yield from self.tick(layer, Pass.INPUT_GRADIENT)
        yield from self.compute(weight.compute, layer, Pass.WEIGHT_GRADIENT)
        if weights is not None:
            yield weights
        if inputs is not None:
            yield Wait(inputs.key)
        yield from self.tick(layer, Pass.WEIGHT_GRADIENT)
        if weights is None:
            return
        if self.loop is Loop.OVERLAP:
            yield Wait(weights.key)
        else:
            self.pending[layer] = weights.key

    def end(self) -> Iterator[Step]:
        """Wait for all that is still on its way."""
        while self.pending:
            yield Wait(self.pending.pop(next(iter(self.pending))))

    def updated(self, layer: int) -> Iterator[Step]:
        """Wait until the weights of a layer have been summed in the pass before."""
        if layer in self.pending:
            yield Wait(self.pending.pop(layer))


class CountedWriter(Writer):
    """Writes the loop of ASTRA-sim 1.0 as this counts it.

    Each change of the loop's state takes 1 ns, for which it is no less busy than with compute. Times and sizes pass
    through numbers of 32 bits, and times are truncated to whole nanoseconds. A collective counts as done when its
    layer's weights are updated, see `simcore.models.training.workload.Layer`.

    Examples
    --------
    >>> from simcore.models.training.workload import Layer
    >>> toy = Workload("toy", (Layer("mlp", Phase(1e-6), Phase(0.0), Phase(0.0)),), tp=1, dp=1)
    >>> [round(step.seconds * 1e9) for step in CountedWriter(toy, Loop.SIMULATE, 0.26).forward(0)]
    [259, 1]
    """

    def compute(self, seconds: float, layer: int, part: Pass) -> Iterator[Step]:
        """Compute for whole nanoseconds, unless it takes none."""
        whole = int(round(seconds * 1e9, 3) * _single(self._compute_scale))
        if whole > 0:
            yield Compute(whole * 1e-9, layer, part)

    def issue(self, phase: Phase, layer: int, part: Pass, *, urgent: bool) -> Issue | None:
        """Return the start of a phase's collective; None where there is nothing to send."""
        issue = super().issue(phase, layer, part, urgent=urgent)
        if issue is None:
            return None
        return replace(issue, update=self.workload.layers[layer].update)

    def tick(self, layer: int, part: Pass) -> Iterator[Step]:
        """Write what the loop itself takes to go on to its next state."""
        yield Compute(1e-9, layer, part)


def _single(number: float) -> float:
    """Return the nearest number of 32 bits."""
    return float(unpack("f", pack("f", number))[0])


def blocking(issue: Issue | None) -> Iterator[Step]:
    """Write the start of a collective, if there is one, and wait for it at once."""
    if issue is not None:
        yield issue
        yield Wait(issue.key)


def blocks(workload: Workload, layers: Sequence[int]) -> list[range]:
    """Return the blocks between checkpoints, cut to a range of consecutive layers.

    Examples
    --------
    >>> from simcore.models.training.workload import Layer, Phase
    >>> idle = Layer("idle", Phase(0.0), Phase(0.0), Phase(0.0))
    >>> blocks(Workload("toy", (idle,) * 6, 1, 1, checkpoints=(0, 3)), range(6))
    [range(0, 3), range(3, 6)]
    """
    starts = sorted({layers[0], *(start for start in workload.checkpoints if start in layers)})
    return [range(a, b) for a, b in zip(starts, [*starts[1:], layers[-1] + 1], strict=True)]


def _again(workload: Workload, layers: Sequence[int]) -> dict[int, range]:
    """Return the layers that run forward again before the backward pass of each layer that initiates it.

    Of a block that is cut by the range, the part in the range is recomputed before its last layer there.
    """
    if not workload.initiates:
        return {block[-1]: block[:-1] for block in blocks(workload, layers)}
    first, last = layers[0], layers[-1]
    again = {}
    for layer in workload.initiates:
        start = max((each for each in workload.checkpoints if each <= layer), default=0)
        if start <= last and layer >= first:
            again[min(layer, last)] = range(max(start, first), min(layer, last))
    return again


def backward_order(workload: Workload, layers: Sequence[int], *, recompute: bool) -> Iterator[tuple[int, bool]]:
    """Yield layers as the backward pass meets them, and whether each runs forward again (True) or backward.

    Before it goes back through a block, its forward pass runs again, but for the last layer, whose input that yields.
    A workload may say which layers initiate that; those behind the last one of them are not recomputed then.

    Examples
    --------
    >>> from simcore.models.training.workload import Layer, Phase
    >>> idle = Layer("idle", Phase(0.0), Phase(0.0), Phase(0.0))
    >>> toy = Workload("toy", (idle,) * 4, 1, 1, checkpoints=(0, 1), initiates=(2,))
    >>> list(backward_order(toy, range(4), recompute=True))
    [(3, False), (1, True), (2, False), (1, False), (0, False)]
    """
    again = _again(workload, layers) if recompute else {}
    for layer in reversed(layers):
        yield from ((each, True) for each in again.get(layer, ()))
        yield layer, False


def iteration(
    workload: Workload,
    loop: Loop,
    *,
    recompute: bool = True,
    compute_scale: float = 1.0,
    counted: bool = False,
    passes: int = 1,
) -> tuple[Step, ...]:
    """Write the program of one training iteration, or of several that follow each other.

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
    counted : bool
        Whether it is written as ASTRA-sim 1.0 counts it, see `CountedWriter`.
    passes : int
        Iterations. In all but the first the forward pass of a layer waits for its weights, no other does.

    Returns
    -------
    tuple of Step
        In the order in which an NPU takes them.

    References
    ----------
    The loop ``HYBRID_TRANSFORMER_FWD_IN_BCKWD`` of ASTRA-sim 1.0.

    Examples
    --------
    >>> from simcore.models.training.workload import Layer
    >>> reduce = Phase(1.0, Collective.ALL_REDUCE, 8.0)
    >>> toy = Workload("toy", (Layer("mlp", Phase(1.0), reduce, reduce),), tp=2, dp=2)
    >>> [type(step).__name__ for step in iteration(toy, Loop.SIMULATE)]
    ['Compute', 'Compute', 'Issue', 'Compute', 'Issue', 'Wait', 'Wait']
    """
    writer = (CountedWriter if counted else Writer)(workload, loop, compute_scale)
    steps = [step for _ in range(passes) for step in _pass(writer, recompute=recompute)]
    return (*steps, *writer.end())


def _pass(writer: Writer, *, recompute: bool) -> Iterator[Step]:
    """Write one pass through all layers, forward and backward."""
    workload, before = writer.workload, False
    layers = range(len(workload.layers))
    for layer in layers:
        yield from writer.updated(layer)
        yield from writer.forward(layer)
    for layer, again in backward_order(workload, layers, recompute=recompute):
        if again and not before:
            yield from writer.tick(layer, Pass.RECOMPUTE)
        yield from writer.forward(layer, Pass.RECOMPUTE) if again else writer.backward(layer)
        before = again

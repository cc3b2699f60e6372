"""From an operator list to a workload: layers of compute and communication, cut for TP x DP.

A block is nine layers, as in the published workloads: Q, K, V, the scores QK^T, softmax, the output projection
(``concat``), the two products of the feed-forward network (``W1b1``, ``W2b2``) and the norms. `LAYERS` says which
operators make up which layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from simcore.errors import InputError
from simcore.models.compute.compute_model import ComputeModel, ConstantRate, KernelCall, element_of, profiled
from simcore.models.compute.predict import Prediction
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.launches import Launched, Waits, waits_for_host
from simcore.models.training.listing import Architecture, operators_of
from simcore.models.training.operators import Communication, Operator, OperatorList, Section
from simcore.models.training.passes import passes
from simcore.models.training.reuse import placed, reused
from simcore.models.training.workload import KernelTime, Layer, Pass, Phase, Times, Workload

if TYPE_CHECKING:
    from simcore.models.training.masked import Masks

Variant = Literal["optimizer", "evaluation"]
"""Where the weight gradients are summed: after each layer (optimizer) or all at once in the first (evaluation)."""

LAYERS: Mapping[str, tuple[str, ...]] = {
    "Q": ("attention.query",),
    "K": ("attention.key",),
    "V": ("attention.value",),
    "QK": ("attention.scale", "attention.split", "attention.scores"),
    "softmax": ("attention.softmax", "attention.scores_dropout", "attention.context", "attention.merge"),
    "concat": ("attention.output", "attention.dropout", "attention.residual"),
    "W1b1": ("feed_forward.up", "feed_forward.activation", "feed_forward.gate"),
    "W2b2": ("feed_forward.down", "feed_forward.dropout", "feed_forward.residual"),
    "layerNorm": ("attention.norm", "attention.norm_2", "feed_forward.norm", "feed_forward.norm_2"),
    "update": ("optimizer.update",),
    "embedding": ("embedding.tokens", "embedding.positions", "embedding.dropout"),
    "output": ("output.product", "output.softmax"),
}
"""Layers of the published workloads, and around them, with the operators that they hold."""

NO_LAUNCH = "no launch rate is known, so that the device never waits for its host: steps of small kernels are too short"
"""Note on a profile of a GPU that does not hold how long the host takes to launch a kernel."""

_NUMBERED = {"W1b1": "X{}W1b1", "W2b2": "X{}W2b2"}
"""Names of layers whose block's number stands inside them; that of all others stands at their end."""


class Accounting(StrEnum):
    """How the compute of a layer's passes is counted.

    ``KERNELS`` adds up the kernels of each pass. ``PUBLISHED`` counts as the published workloads do: the backward
    passes take as long as the forward pass each, in whole nanoseconds.
    """

    KERNELS = "kernels"
    PUBLISHED = "published"


def lower(
    listed: OperatorList,
    compute: ComputeModel,
    tp: int,
    dp: int,
    *,
    name: str = "",
    variant: Variant = "optimizer",
    accounting: Accounting = Accounting.KERNELS,
    source: str = "",
    launch: float = 0.0,
) -> tuple[Workload, tuple[KernelTime, ...]]:
    """Write the layers of an operator list, whose equal blocks are predicted once.

    A layer's weight gradient is summed over the data-parallel group. Gradients of norms and biases are left out, as
    the published workloads leave them out. With TP 1 the tensor-parallel bytes are still written: the group of one NPU
    makes them free.

    Parameters
    ----------
    listed : OperatorList
        The operators on one NPU of a tensor-parallel group.
    compute : ComputeModel
        What they take.
    tp, dp : int
        Degrees of tensor and data parallelism.
    name, source : str
        Of the workload.
    variant : {'optimizer', 'evaluation'}
        Whether each layer sums its own weight gradient, or the first layer sums all of them at once.
    accounting : Accounting
        How passes are counted.
    launch : float
        What the host takes to launch a kernel [s]. The device's waits for it belong to the passes of the kernels.

    Returns
    -------
    workload : Workload
        The layers of all sections in order.
    costs : tuple of KernelTime
        Every kernel call with its time, those of the blocks first.

    Raises
    ------
    InputError
        If DP is below 1, or the compute model does not know a kernel.
    """
    if dp < 1:
        raise InputError(f"workload '{name}', DP", str(dp), "a whole number of at least 1")
    layers: list[Layer] = []
    starts: list[int] = []
    costs: list[tuple[KernelTime, ...]] = []
    lowered = [_layers(section, compute, accounting) for section in listed.sections]
    waited = waits_for_host([_launched(spent) for _, spent in lowered], launch)
    for section, (once, spent), waits in zip(listed.sections, lowered, waited, strict=True):
        # blocks are looked at first: notes name kernels in this order
        spent = _with_waits(spent, waits)
        costs = [spent, *costs] if section.path else [*costs, spent]
        for number, own in enumerate(waits, section.start + 1):
            if section.path:
                starts.append(len(layers))
            later = _later(once, spent, own)
            layers += [_numbered(layer, section.path, number) for layer in later] if section.path else later
    if variant == "evaluation":
        layers = _fused(layers)
    # what comes before the first block is computed again with it
    checkpoints = (0, *starts[1:])
    workload = Workload(name, tuple(layers), tp, dp, source, checkpoints)
    return workload, tuple(cost for spent in costs for cost in spent)


def lower_at_rate(
    model: Architecture,
    batch: Batch,
    tp: int,
    dp: int,
    rate: float = ConstantRate.rate,
    variant: Variant = "optimizer",
) -> Workload:
    """Write the layers of a model on NPUs of one speed; a transformer's blocks as the published workloads have them.

    A list of layers takes the work of its products over the rate, in each pass.

    Per block of a transformer and pass, with r the rate, the products take 2 n h w / (TP r), the scores and the softmax
    2 n h s / (TP r) each, and the norms 2 n h / r (source: the workload files of the SC'22 submission 245 artifact and
    of LIBRA, which this reproduces number for number):

    ====================  =========  =======================  ==========================  ==================
    layer                 w          forward                  input gradient              weight gradient
    ====================  =========  =======================  ==========================  ==================
    Q                     h          -                        all-reduce e n h            all-reduce e h w/TP
    K, V                  h          -                        -                           all-reduce e h w/TP
    QK, softmax           s          -                        -                           -
    concat                h          all-reduce e n h         all-gather, shard e n h/TP  all-reduce e h w/TP
    W1b1                  4h         -                        all-reduce e n h            all-reduce e h w/TP
    W2b2                  4h         all-reduce e n h         -                           all-reduce e h w/TP
    layerNorm             -          -                        -                           -
    ====================  =========  =======================  ==========================  ==================

    Parameters
    ----------
    model : Transformer or LayeredModel
        The sizes; the vocabulary of a transformer is left out.
    batch : Batch
        What a replica processes.
    tp, dp : int
        Degrees of tensor and data parallelism.
    rate : float
        What an NPU achieves [FLOP/s].
    variant : {'optimizer', 'evaluation'}
        Whether each layer sums its own weight gradient, or the first layer sums all of them at once.

    Raises
    ------
    InputError
        If TP or DP is below 1, or TP does not split the model evenly.

    Examples
    --------
    >>> model, batch = Transformer("175B", hidden=12288, blocks=2), Batch(sequence=1024, sequences=32)
    >>> first = lower_at_rate(model, batch, tp=16, dp=64).layers[0].weight_gradient
    >>> first.compute, first.collective.value, first.size
    (0.009375, 'all-reduce', 18874368.0)
    >>> lower_at_rate(model, batch, 16, 64, variant="evaluation").layers[0].weight_gradient.size
    452984832.0
    """
    published = isinstance(model, Transformer)
    workload, _ = lower(
        operators_of(model.stack() if isinstance(model, Transformer) else model, batch, tp), ConstantRate(rate), tp, dp,
        name=model.name, variant=variant, source=model.source,
        accounting=Accounting.PUBLISHED if published else Accounting.KERNELS,
    )  # fmt: skip
    return workload


def lower_on_profile(
    model: Architecture,
    batch: Batch,
    tp: int,
    dp: int,
    profile: KernelProfile,
    dtype: str | None = None,
    variant: Variant = "optimizer",
    own_dtype: str | None = None,
    masks: Masks | None = None,
) -> Workload:
    """Write the layers of a model on a profiled device.

    Of a transformer with a vocabulary that includes what is around its blocks.

    Parameters
    ----------
    model, batch, tp, dp, variant
        See `lower_at_rate`.
    profile : KernelProfile
        The device's.
    dtype : str, optional
        Number format, whose width weights, activations and gradients then have, in memory and on the network alike;
        TF32 has that of fp32. Adam's state stays fp32. By default `own_dtype`, or one as wide as the batch's elements.
    own_dtype : str, optional
        Number format that the model's file names. Where the profile lacks it, one as wide takes its place, with a note.
    masks : Masks, optional
        Sparse weights and sequences of different lengths, and how the model runs under them.

    Raises
    ------
    InputError
        As `lower_at_rate`; also if the profile lacks a kernel or the number format.
    """
    element, own = element_of(dtype, batch.element), batch.element
    caution = f"{element} B per element ({dtype}) in place of the model's {own} B; Adam's state in fp32"
    kept = dtype or (own_dtype if own_dtype in profile.dtypes else None)
    dense = profiled(profile, element, kept)
    listed = operators_of(model, replace(batch, element=element), tp)
    compute: ComputeModel = dense
    if masks is not None:
        listed, compute = masks.run(listed, model, batch.sequences, element), masks.prices(dense)
    run, launch = placed(listed, element), dense.launch or 0.0
    workload, costs = lower(run, compute, tp, dp, name=model.name, variant=variant, source=model.source, launch=launch)
    other = own_dtype is not None and dtype is None and dense.dtype != own_dtype
    lacked = (f"{profile.name} has no {own_dtype}, the model's number format: {dense.dtype} takes its place",)
    host = () if dense.launch is not None else (NO_LAUNCH,)
    cautions = (*((caution,) if element != own else ()), *(lacked if other else ()), *host)
    about = f"{profile.name} ({profile.origin})"
    complete = not isinstance(model, Transformer) or model.vocabulary is not None
    return replace(workload, times=Times(about, dense.dtype, costs, cautions, complete))


def whole_nanoseconds(seconds: float) -> float:
    """Round a time [s] to the nearest nanosecond: the trace format that the published workloads use holds no less.

    The result is the float nearest to n / 1e9, so that ``round(result * 1e9)`` gives n back.

    Examples
    --------
    >>> whole_nanoseconds(1056.98e-9)
    1.057e-06
    """
    return round(seconds * 1e9) / 1e9


def _layers(
    section: Section, compute: ComputeModel, accounting: Accounting
) -> tuple[list[Layer], tuple[KernelTime, ...]]:
    """Return the layers of one repetition, without numbers, and their kernel calls with times."""
    predicted: dict[KernelCall, Prediction] = {}
    layers, costs = [], []
    for name, held in _held(section).items():
        spent = list(_spent(name, held, section.count, compute, predicted))
        layers.append(_layer(name, held, _seconds(spent, accounting)))
        costs += spent
    return layers, tuple(costs)


def _held(section: Section) -> dict[str, list[Operator]]:
    """Return the operators of each layer; a layer stands where its last operator does, as the norms do.

    An operator that no published layer has is a layer of its own.
    """
    layer_of = {path: name for name, paths in LAYERS.items() for path in paths}
    by_name: dict[str, list[Operator]] = {}
    for one in section.operators:
        name = layer_of.get(one.path, one.path)
        by_name[name] = [*by_name.pop(name, []), one]
    return by_name


def _spent(
    name: str, held: Sequence[Operator], count: int, compute: ComputeModel, predicted: dict[KernelCall, Prediction]
) -> Iterable[KernelTime]:
    """Yield the kernel calls of a layer, pass by pass, each shape predicted once."""
    calls = [(one, passes(one)) for one in held]
    ordered = [(one, Pass.FORWARD, call) for one, each in calls for call in each.forward]
    ordered += [(one, Pass.INPUT_GRADIENT, call) for one, each in reversed(calls) for call in each.input_gradient]
    ordered += [(one, Pass.WEIGHT_GRADIENT, call) for one, each in reversed(calls) for call in each.weight_gradient]
    for one, direction, bare in ordered:
        call = reused(one, direction, bare)
        if call not in predicted:
            predicted[call] = compute.seconds(call)
        yield KernelTime(name, one.path, direction, call, predicted[call], count)


def _seconds(spent: Sequence[KernelTime], accounting: Accounting) -> tuple[float, float, float]:
    """Return the compute of a layer going forward, for the input gradient and for the weight gradient [s]."""
    forward, inputs, weights = (
        math.fsum(cost.prediction.seconds for cost in spent if cost.direction is direction)
        for direction in (Pass.FORWARD, Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)
    )
    if accounting is Accounting.PUBLISHED:
        forward = inputs = weights = whole_nanoseconds(forward)
    return forward, inputs, weights


def _launched(spent: Sequence[KernelTime]) -> Launched:
    """Return the kernels of a section as an iteration launches them: layers in order, going back from the last one."""
    forward = [at for at, cost in enumerate(spent) if cost.direction is Pass.FORWARD]
    backward: dict[str, list[int]] = {}
    for at, cost in enumerate(spent):
        if cost.direction is not Pass.FORWARD:
            backward.setdefault(cost.layer, []).append(at)
    back = [at for of_layer in reversed(backward.values()) for at in of_layer]
    seconds = tuple(cost.prediction.seconds for cost in spent)
    return Launched(seconds, tuple(forward), tuple(back), spent[0].count if spent else 1)


def _with_waits(spent: tuple[KernelTime, ...], waits: Sequence[Waits]) -> tuple[KernelTime, ...]:
    """Return the kernel calls with what the device waits for each in all repetitions."""
    if not any(waits):
        return spent
    return tuple(replace(cost, waited=math.fsum(each.get(at, 0.0) for each in waits)) for at, cost in enumerate(spent))


def _later(once: list[Layer], spent: Sequence[KernelTime], waits: Waits) -> list[Layer]:
    """Return the layers of a repetition whose passes take the waits of their kernels too."""
    if not waits:
        return once
    longer: dict[tuple[str, Pass], float] = {}
    for at, wait in waits.items():
        key = spent[at].layer, spent[at].direction
        longer[key] = longer.get(key, 0.0) + wait

    def phase(name: str, part: Pass, own: Phase) -> Phase:
        return replace(own, compute=own.compute + longer.get((name, part), 0.0))

    return [
        replace(
            layer,
            forward=phase(layer.name, Pass.FORWARD, layer.forward),
            input_gradient=phase(layer.name, Pass.INPUT_GRADIENT, layer.input_gradient),
            weight_gradient=phase(layer.name, Pass.WEIGHT_GRADIENT, layer.weight_gradient),
        )
        for layer in once
    ]


def _layer(name: str, held: Sequence[Operator], seconds: tuple[float, float, float]) -> Layer:
    """Write one layer with the collectives of its operators, of which each pass has one at most."""
    after_forward = _only(name, [one.after_forward for one in held if one.after_forward])
    after_inputs = _only(name, [one.after_input_gradient for one in held if one.after_input_gradient])
    weights = sum(one.weights for one in held)
    summed = Communication(Collective.ALL_REDUCE, weights) if weights else None
    return Layer(
        name, _phase(seconds[0], after_forward), _phase(seconds[1], after_inputs), _phase(seconds[2], summed),
        parameters=float(weights), activations=held[-1].output,
    )  # fmt: skip


def _only(name: str, collectives: Sequence[Communication]) -> Communication | None:
    assert len(collectives) <= 1, f"layer {name} has several collectives in one pass"
    return collectives[0] if collectives else None


def _phase(seconds: float, following: Communication | None) -> Phase:
    return Phase(seconds) if following is None else Phase(seconds, following.collective, following.size)


def _numbered(layer: Layer, block: str, number: int) -> Layer:
    """Name a layer of a block: of a transformer as published, of another model by its module path, counted from 0."""
    if block.rpartition(".")[2] != "block":
        return replace(layer, name=f"{block}.{number - 1}.{layer.name}")
    return replace(layer, name=_NUMBERED.get(layer.name, f"{layer.name}{{}}").format(number))


def _fused(layers: Sequence[Layer]) -> list[Layer]:
    """Move the weight-gradient all-reduces of all layers into the first one; their compute stays where it is."""
    total = sum(layer.weight_gradient.size for layer in layers)

    def with_gradient(layer: Layer, collective: Collective | None, size: float) -> Layer:
        return replace(layer, weight_gradient=Phase(layer.weight_gradient.compute, collective, size))

    first, *rest = layers
    return [with_gradient(first, Collective.ALL_REDUCE, total), *(with_gradient(layer, None, 0.0) for layer in rest)]

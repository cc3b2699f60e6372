"""Operators of Wide-ResNets in Aceso's table, as operators of simcore's layered models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from simcore.errors import InputError, unknown_name
from simcore.models.compute.compute_model import KernelCall
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch
from simcore.models.training.layered import layered_operators
from simcore.models.training.layered_model import LayeredModel, LayerEntry, LayerKind
from simcore.models.training.operators import Operator
from simcore.models.training.passes import passes
from simcore.readers.aceso_sizes import ConvolutionalSizes, Described, Setting, backward_of, moving

IMAGE = 224
"""Height and width of the images."""

EXPANSION = 4
"""Channels of a bottleneck block's output over those of its inside (He et al., arXiv:1512.03385)."""


@lru_cache(maxsize=256)
def _convolutional_list(setting: Setting) -> Mapping[str, Operator]:
    sizes = setting.sizes
    assert isinstance(sizes, ConvolutionalSizes)
    model = LayeredModel("wide-resnet", 3, IMAGE, IMAGE, tuple(_layers(sizes)))
    batch = Batch(1, setting.batch, setting.element)
    return {one.path: one for one in layered_operators(model, batch)}


def _conv_entry(name: str, out: int, kernel: int, stride: int, source: str = "") -> LayerEntry:
    sizes = {"out": out, "kernel": kernel, "stride": stride, "padding": kernel // 2}
    return LayerEntry(LayerKind.CONV, name, sizes, source)


def _layers(sizes: ConvolutionalSizes) -> Sequence[LayerEntry]:
    """Return the layers of a Wide-ResNet with the table's names."""
    made = [
        _conv_entry("conv1", sizes.channels, 7, 2),
        LayerEntry(LayerKind.BATCH_NORM, "bn1"),
        LayerEntry(LayerKind.RELU, "relu1"),
        LayerEntry(LayerKind.MAX_POOL, "maxpool", {"kernel": 3, "stride": 2, "padding": 1}),
    ]
    for stage, blocks in enumerate(sizes.blocks):
        for block in range(blocks):
            first = block == 0
            made += _block(f"block-{stage}-{block}", sizes, sizes.channels << stage, made[-1].name,
                           2 if first and stage else 1, first)  # fmt: skip
    return [*made, LayerEntry(LayerKind.GLOBAL_POOL, "avgpool"),
            LayerEntry(LayerKind.LINEAR, "fc", {"out": 1024, "bias": 1})]  # fmt: skip


def _block(name: str, sizes: ConvolutionalSizes, width: int, given: str, stride: int, first: bool) -> list[LayerEntry]:
    """Return one bottleneck block; the first of a stage has a convolution beside it."""
    inside = [
        _conv_entry(f"{name}-conv1", width, 1, 1),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-bn1"),
        _conv_entry(f"{name}-conv2", width * sizes.widening, 3, stride),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-bn2"),
        _conv_entry(f"{name}-conv3", width * EXPANSION, 1, 1),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-bn3"),
    ]
    beside = [
        _conv_entry(f"{name}-downsample", width * EXPANSION, 1, stride, given),
        LayerEntry(LayerKind.BATCH_NORM, f"{name}-downsample-bn"),
    ]
    added = LayerEntry(LayerKind.ADD, f"{name}-add", other=f"{name}-bn3" if first else given)
    return [*inside, *(beside if first else []), added, LayerEntry(LayerKind.RELU, f"{name}-relu")]


def describe_network(op: str, setting: Setting, place: str) -> Described:
    """Return what an operator of a Wide-ResNet runs."""
    listed = _convolutional_list(replace(setting, rows=False, tp=1))
    added = listed.get(op.replace("downsample", "add"))
    one = listed.get(op, added)
    if one is None or op.endswith(("-add", "-bn")):
        raise unknown_name(f"{place}, column 'op'", op, [path for path in listed if path != "optimizer.update"])
    kind = re.sub(r"^block-\d+-\d+-|\d+$", "", op)
    if one.kernel == "conv":
        return _convolution(one, op, listed, setting, place)
    if op.endswith("downsample"):
        return Described("add", passes(one).forward, (), weights=0)
    if op == "fc":
        bias = moving(2 * one.output, "add")
        return Described("fc", (*passes(one).forward, bias), backward_of(one),
                         weights=one.weights + one.vectors)  # fmt: skip
    return Described(kind, passes(one).forward, backward_of(one), weights=one.vectors)


def _convolution(one: Operator, op: str, listed: Mapping[str, Operator], setting: Setting, place: str) -> Described:
    """Return a convolution on one GPU of a group, and what a block does beside it: batch norm and sum, or one back."""
    beside_forward: tuple[KernelCall, ...] = ()
    beside_backward: tuple[KernelCall, ...] = ()
    if op.endswith("downsample"):
        norm, added = listed[f"{op}-bn"], listed[op.replace("downsample", "add")]
        beside_forward, beside_backward = (*passes(norm).forward, *passes(added).forward), backward_of(norm)
    shape, e = dict(one.shape), setting.element
    read = e * shape["batch"] * shape["in_channels"] * shape["height"] * shape["width"]
    if op.endswith("-conv1"):
        beside_backward = (moving(3 * read, "add"),)
    one = replace(one, input_gradient=True)
    if setting.tp == 1:
        return Described("conv", (*passes(one).forward, *beside_forward), (*beside_backward, *backward_of(one)),
                         weights=one.weights)  # fmt: skip
    rows = setting.rows and op != "conv1"
    cut = "in_channels" if rows else "out_channels"
    if shape[cut] % setting.tp:
        raise InputError(f"{place}, column 'tp'", str(setting.tp), f"a divisor of the {shape[cut]} {cut}")
    part = replace(one, shape=tuple((name, size // setting.tp if name == cut else size) for name, size in one.shape))
    tp, written = setting.tp, one.output
    before, after = (read, written) if rows else (written, read)
    split, gathered = (moving(2 * before / tp),), (moving(4 * before),)
    gather, total = ((Collective.ALL_GATHER, before / tp),), ((Collective.ALL_REDUCE, float(after)),)
    forward = (*split, *passes(part).forward) if rows else (*passes(part).forward, *gathered)
    backward = (*backward_of(part), *gathered) if rows else (*split, *backward_of(part))
    return Described(
        "conv", (*forward, *beside_forward), (*beside_backward, *backward),
        total if rows else gather, gather if rows else total, one.weights / tp,
    )  # fmt: skip

"""Models that are lists of layers: operators of each kind of layer, blocks, and the models of the zoo."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.compute.compute_model import ConstantRate, KernelCall
from simcore.models.training.architecture import Batch
from simcore.models.training.layered import layered_operators
from simcore.models.training.layered_model import BlockEntry, LayerCut, LayeredModel, LayerEntry, LayerKind
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import lower, lower_at_rate, lower_on_profile
from simcore.models.training.operator_maker import ADAM
from simcore.models.training.passes import passes
from simcore.models.training.traffic import all_calls, forward_calls, moved_bytes, totals
from simcore.readers.models import parse_model, read_model
from simcore.readers.profiles import read_profile

B, E = 2, 4
BATCH = Batch(1, B, element=E)
PUBLISHED = {  # parameters, and forward work per sample [GFLOP]; simcore's description of models and devices
    "resnet50": (25_557_032, 8.178, 0.01),
    "vgg19": (143_667_240, 39.264, 0.01),
    "shufflenetv2": (2_278_604, 0.2898, 0.01),
    "swin-t": (28_288_354, 8.98, 0.01),
    "yolov3": (61_626_049, 65.4, 0.05),
    "bert": (109_482_240, 70.7, 0.01),
    "electra": (108_891_648, 70.7, 0.01),
    "neumf": (1_602_657, None, 0.01),
}


def listed_of(*entries, channels=8, size=6):
    return list(layered_operators(LayeredModel("toy", channels, size, size, entries), BATCH))[1:]


def entry(kind, name="one", source="", other="", **sizes):
    return LayerEntry(LayerKind(kind), name, sizes, source, other)


CONV = entry("conv", "conv", out=16, kernel=3, stride=2, padding=1, groups=4, bias=1)


def test_a_convolution_by_hand():
    """8 channels of 6 x 6 to 16 of 3 x 3 in 4 groups: each of 9 x 16 numbers is a sum of 2 x 9 products."""
    (conv,) = listed_of(CONV)
    assert dict(conv.shape) == {
        "batch": 2, "in_channels": 8, "out_channels": 16, "height": 6, "width": 6, "kernel_h": 3, "kernel_w": 3,
        "stride": 2, "padding": 1, "groups": 4,
    }  # fmt: skip
    assert (conv.kernel, conv.work) == ("conv", 2 * B * 16 * 9 * 2 * 9)
    assert (conv.weights / E, conv.vectors / E) == (16 * 2 * 9, 16)
    assert (conv.saved, conv.output) == (E * B * 8 * 36, E * B * 16 * 9)
    assert moved_bytes(conv, E) == E * (B * 8 * 36 + 16 * 2 * 9 + B * 16 * 9)


def test_both_gradients_of_a_convolution_have_its_sizes_and_its_work():
    first, second = listed_of(CONV, replace(CONV, name="next"))
    assert passes(first).input_gradient == ()  # of an image nobody wants it
    (inputs,), (weights, bias) = passes(second).input_gradient, passes(second).weight_gradient
    assert bias == KernelCall("add", (("bytes", second.output + second.vectors),))
    assert (inputs.kernel, weights.kernel) == ("conv_input_gradient", "conv_weight_gradient")
    assert inputs.shape == weights.shape == second.shape
    assert inputs.work == weights.work == second.work


def test_what_is_saved_is_saved_once():
    """A batch norm saves its input; a ReLU its output, which is what the next convolution would save."""
    made = listed_of(CONV, entry("batch_norm", "norm"), entry("relu", "relu"), replace(CONV, name="next"))
    assert [one.saved / (E * B) for one in made] == [8 * 36, 16 * 9, 16 * 9, 0]
    assert made[1].vectors == E * 2 * 16


@pytest.mark.parametrize(
    ("layer", "kernel", "moved", "output"),
    [
        (entry("relu"), "relu", 2 * 288, 288),
        (entry("silu"), "silu", 2 * 288, 288),
        (entry("layer_norm"), "layer_norm", 2 * 288, 288),
        (entry("max_pool", kernel=2), "max_pool", 288 + 72, 72),
        (entry("avg_pool", kernel=3, stride=1, padding=1), "avg_pool", 2 * 288, 288),
        (entry("global_pool"), "avg_pool", 288 + 8, 8),
        (entry("shuffle"), "copy", 2 * 288, 288),
        (entry("upsample", factor=2), "copy", 5 * 288, 4 * 288),
        (entry("space_to_depth", factor=2), "copy", 2 * 288, 288),
        (entry("add", other="input"), "add", 3 * 288, 288),
        (entry("mul", other="input"), "mul", 3 * 288, 288),
        (entry("concat", other="input"), "copy", 4 * 288, 2 * 288),
        (entry("cross_entropy"), "cross_entropy", 2 * 288, 288),
    ],
    ids=lambda value: value.kind.value if isinstance(value, LayerEntry) else "",
)
def test_what_memory_bound_layers_move(layer, kernel, moved, output):
    """8 channels of 6 x 6 are 288 numbers."""
    (made,) = listed_of(layer)
    assert (made.kernel, made.size("bytes"), made.output) == (kernel, moved * E * B, output * E * B)
    assert made.work in (0, B * 288)
    backward = passes(made).input_gradient
    assert all(call.size("bytes") > 0 for call in backward)


def test_views_take_nothing():
    (product,) = listed_of(entry("flatten"), entry("linear", "product", out=5))
    assert product.size("k") == 288


def test_the_gradient_of_some_channels_is_copied_into_that_of_all():
    _, one = listed_of(CONV, entry("narrow", channels=4))
    assert passes(one).forward == passes(one).weight_gradient == ()
    (copied,) = passes(one).input_gradient
    assert copied.kernel == "copy"
    assert copied.size("bytes") == one.size("bytes") > 0
    (alone,) = listed_of(entry("narrow", channels=4))
    assert passes(alone).input_gradient == ()  # of an image nobody wants it
    _, product = listed_of(entry("narrow", channels=4), entry("linear", "product", out=5))
    assert product.size("k") == 4


def test_window_attention_by_hand():
    """Four windows of 3 x 3 tokens and two heads of 4 columns, for each of two samples."""
    made = {one.path: one for one in listed_of(entry("window_attention", "swin", heads=2, window=3, shifted=1))}
    assert dict(made["swin.scores"].shape) == {"m": 9, "n": 9, "k": 4, "batch": B * 4 * 2}
    assert made["swin.scores"].work == made["swin.context"].work == 2 * B * 36 * 9 * 8
    assert made["swin.bias"].parameters == E * 25 * 2
    assert sum(one.parameters for one in made.values()) == E * (8 * 24 + 24 + 8 * 8 + 8 + 25 * 2)
    plain = listed_of(entry("window_attention", "swin", heads=2, window=3, shifted=0))
    assert made.keys() - {one.path for one in plain} == {"swin.shift", "swin.mask", "swin.shift_back"}


def test_repeated_blocks_are_held_once_and_are_what_is_written_out():
    block = BlockEntry("block", (entry("conv", "conv", out=8, kernel=3, padding=1), entry("relu", "relu")), times=4)
    first = entry("conv", "first", out=8, kernel=1)
    model = LayeredModel("toy", 3, 6, 6, (first, block))
    listed = layered_operators(model, BATCH)
    # what the first block is given is not saved yet, what the others are given is
    assert [(one.path, one.count, one.start) for one in listed.sections[2:]] == [("block", 1, 0), ("block", 3, 1)]
    flat = [replace(each, name=f"{each.name}{n}") for n in range(4) for each in block.entries]
    written = layered_operators(LayeredModel("toy", 3, 6, 6, (first, *flat)), BATCH)
    assert [replace(one, path="") for one in listed] == [replace(one, path="") for one in written]
    assert [one.path for one in listed][-1] == "block.3.relu"
    assert list(layered_operators(replace(model, entries=(first, BlockEntry("outer", (block,)))), BATCH))[2:] == [
        replace(one, path=f"outer.{one.path}") for one in list(listed)[2:]
    ]


def test_a_block_of_many_repetitions_is_not_written_out():
    block = BlockEntry("block", (entry("relu", "relu"),), times=10**9)
    assert layered_operators(LayeredModel("toy", 1, 1, 1, (block,)), BATCH).sections[-1].count >= 10**9 - 2
    with pytest.raises(InputError, match="100,000 layers"):
        layered_operators(LayeredModel("toy", 1, 1, 1, (BlockEntry("outer", (block,)),)), BATCH)


VIEW = entry("flatten", "flat")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (BlockEntry("outer", (BlockEntry("inner", (VIEW,), times=10**9),)), "100,000 layers"),
        (BlockEntry("grows", (entry("concat", "both", other="input"),), times=10**9), "1e.15 numbers per sample"),
    ],
    ids=["views", "doubling"],
)
def test_what_never_ends_is_refused(block, message):
    with pytest.raises(InputError, match=message):
        layered_operators(LayeredModel("toy", 1, 1, 1, (block,)), BATCH)


def test_blocks_that_double_blocks_are_refused(tmp_path):
    doubling = "\n".join(f"  b{n}: [{{block: b{n + 1}}}, {{block: b{n + 1}}}]" for n in range(18))
    text = f"input: {{channels: 1}}\nblocks:\n{doubling}\n  b18: [relu, relu]\nlayers: [{{block: b0}}]\n"
    with pytest.raises(InputError, match="100,000 layers"):
        parse_model(tmp_path / "toy.yaml", text)


def test_adam_updates_all_weights():
    update, *rest = layered_operators(LayeredModel("toy", 8, 6, 6, (CONV,)), BATCH)
    assert update.size("bytes") == ADAM * sum(one.weights for one in rest) / E


TOY = """
input: {channels: 3, height: 8, width: 8}
blocks:
  unit:
    - conv: {out: $out, kernel: 3}
    - relu
layers:
  - {block: unit, times: 2, with: {out: 4}, name: body}
  - global_pool
  - linear: {out: 2}
"""


def test_a_file_of_layers(tmp_path):
    model = parse_model(tmp_path / "toy.yaml", TOY)
    assert (model.architecture.name, model.element, model.batch, model.tp) == ("toy", 4, None, 1)
    listed = layered_operators(model.architecture, model.run(batch=5))
    assert [one.path for one in listed] == [
        "optimizer.update", "body.0.conv", "body.0.relu", "body.1.conv", "body.1.relu", "global_pool", "linear",
    ]  # fmt: skip
    assert listed.parameters / 4 == 3 * 4 * 9 + 4 * 4 * 9 + 4 * 2 + 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("$out, kernel", "$outs, kernel", r"block 'unit', layer 'conv', field 'out': found '\$outs', expected .*\$out"),
        ("out: 4}", "out: 0}", r"field 'out': found 0, expected a whole number of at least 1"),
        ("kernel: 3", "kernel: 30, padding: 0", "a kernel of 30 x 30, expected one that fits into its padded input"),
        ("kernel: 3", "kernel: 3, groups: 2", "field 'groups': found 2, expected a divisor"),
        ("kernel: 3", "kernel: -3", "kernel"),
        ("kernel: 3", "size: 3", "size"),
        ("- relu", "- rely", "Did you mean 'relu'"),
        ("- relu", "- {relu: {}, batch_norm: {}}", "batch_norm and relu, expected one layer"),
        ("- relu", "- {relu: {}, times: 2}", "'times' or 'with' beside relu"),
        ("- relu", "- {add: first}", "layer body.0.add, field 'add': found 'first', expected a layer before it"),
        ("- relu", "- {add: input}", "4 x 8 x 8, expected the channels, height and width of the other, 3 x 8 x 8"),
        ("- relu", "- {block: unit}", "block 'unit' inside itself"),
        ("block: unit", "block: units", "found 'units', expected one of unit"),
        ("- global_pool", "- {global_pool: {}, name: body}", "the name 'body' again"),
        ("- global_pool", "- {global_pool: {}, name: input}", "the name 'input' again"),
        ("- global_pool", "- {narrow: {channels: 9}}", "9 channels, expected at most those of its input, 4"),
        ("- global_pool", "- {window_attention: {heads: 2, window: 3}}", "field 'window': found 3, expected a divisor"),
        ("channels: 3", "channels: 0", "channels"),
        ("{channels: 3, height: 8, width: 8}", "3", "field 'input': found 3, expected a mapping of names to values"),
        ("{out: 2}", "{out: 2, bia: true}", "found 'bia', expected one of out, bias. Did you mean 'bias'"),
        ("with: {out: 4}", "widths: {out: 4}", "expected one of name, from, block, with, times, stack, cut, conv"),
        ("name: body", "name: a.b", "a name of letters, digits and underscores"),
        ("{out: 2}", "{out: $width}", "as no parameters are given here"),
        ("input: {", "batch: 0\ninput: {", "batch"),
        ("input: {", "bytes_per_element: 4\ninput: {", "bytes_per_element"),
        ("  - linear: {out: 2}", "  - linear: {out: yes}", "out"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_of_layers_is_said_by_name(tmp_path, old, new, message):
    assert old in TOY
    with pytest.raises(InputError, match=message) as caught:
        parse_model(tmp_path / "toy.yaml", TOY.replace(old, new))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_models_of_the_trace_have_the_published_parameters_and_work(name):
    parameters, gigaflop, tolerance = PUBLISHED[name]
    model = read_model(name).value
    run = model.run(batch=2)
    listed = operators_of(model.architecture, run)
    assert listed.parameters / model.element == parameters
    forward, _ = totals(forward_calls(listed), model.element)
    if gigaflop is not None:
        assert forward / 2 == pytest.approx(gigaflop * 1e9, rel=tolerance)
    assert totals(all_calls(listed), model.element)[0] <= 3 * forward


def test_neumf_by_hand():
    """Tables of 32 + 128 columns, 256 to 128 to 64 to 32, and one product of 64: 43,072 multiply-accumulates."""
    model = read_model("neumf").value
    listed = layered_operators(model.architecture, model.run(batch=1))
    assert listed.parameters / 4 == 9746 * 160 + 257 * 128 + 129 * 64 + 65 * 32 + 65
    assert totals(forward_calls(listed), 4)[0] == 2 * (256 * 128 + 128 * 64 + 64 * 32 + 64)


def test_a_constant_rate_takes_the_work_of_each_pass():
    model = read_model("resnet50").value
    workload = lower_at_rate(model.architecture, model.run(batch=1), 1, 4, rate=1e12)
    assert len({layer.name for layer in workload.layers}) == len(workload.layers)
    assert "stage1.1.residual.conv" in {layer.name for layer in workload.layers}
    times = [[getattr(layer, each).compute for layer in workload.layers] for each in
             ("forward", "input_gradient", "weight_gradient")]  # fmt: skip
    forward, inputs, weights = (sum(each) for each in times)
    products = 8.178368512e-3
    assert weights == pytest.approx(products, rel=1e-6)
    assert inputs == pytest.approx(products - 2 * 64 * 112 * 112 * 147 / 1e12, rel=1e-6)
    assert products < forward < 1.01 * products  # and a FLOP per element of the norms
    gradients = sum(layer.weight_gradient.size for layer in workload.layers)
    assert gradients == sum(layer.parameters for layer in workload.layers)


class Fake:
    """A device that takes a second for each convolution and nothing else."""

    def __init__(self):
        self.calls = []

    def seconds(self, operator):
        self.calls.append(operator)
        return replace(ConstantRate().seconds(operator), seconds=float(operator.kernel.startswith("conv")))


def test_every_kernel_reaches_the_compute_model_once_per_shape():
    model, device = read_model("shufflenetv2").value, Fake()
    listed = layered_operators(model.architecture, model.run(batch=1))
    workload, costs = lower(listed, device, 1, 1)
    assert len(device.calls) < sum(cost.count for cost in costs)
    convolutions = [one for one in listed if one.kernel == "conv"]
    assert sum(layer.forward.compute for layer in workload.layers) == len(convolutions)
    assert sum(layer.input_gradient.compute for layer in workload.layers) == len(convolutions) - 1


def test_a_profile_without_convolutions_is_named():
    model = read_model("vgg19").value
    with pytest.raises(InputError, match=r"profile v100-16gb: found no fit of 'conv'.*Calibrate"):
        lower_on_profile(model.architecture, model.run(), 1, 1, read_profile("v100-16gb").value)


def test_layers_are_not_cut():
    model = read_model("vgg19").value
    with pytest.raises(InputError, match="found 2, expected 1, as its layers are not cut"):
        lower_at_rate(model.architecture, model.run(), 2, 1)


def cut_block(tp):
    """A convolution that cuts channels, a norm, one that sums, and one that gathers."""
    entries = (
        replace(entry("conv", "first", out=16, kernel=1), cut=LayerCut.OUT), entry("batch_norm", "norm"),
        replace(entry("conv", "second", out=8, kernel=3, padding=1), cut=LayerCut.IN),
        replace(entry("conv", "third", out=4, kernel=1), cut=LayerCut.GATHER),
    )  # fmt: skip
    model = LayeredModel("toy", 8, 6, 6, (BlockEntry("one", entries, stack="stage"),))
    return list(layered_operators(model, BATCH, tp))[1:]


def test_channels_are_cut_over_gpus_by_hand():
    first, norm, second, third = cut_block(4)
    pixels = B * 36
    assert [dict(one.shape)[name] for one, name in
            ((first, "out_channels"), (second, "in_channels"), (third, "out_channels"))] == [4, 4, 1]  # fmt: skip
    assert (norm.vectors / E, norm.output / E) == (2 * 4, pixels * 4)
    assert (second.after_forward.collective.value, second.after_forward.size) == ("all-reduce", E * pixels * 8)
    assert (third.after_forward.collective.value, third.after_forward.size) == ("all-gather", E * pixels * 1)
    assert third.after_input_gradient.size == E * pixels * 8
    assert first.after_input_gradient is None  # its input is an image


def test_work_and_weights_of_cut_layers_are_those_of_the_whole():
    cut, whole = cut_block(4), cut_block(1)
    for one, other in zip(cut, whole, strict=True):
        assert one.path == other.path
        assert 4 * one.weights == other.weights
        assert 4 * one.work == other.work


@pytest.mark.parametrize(("tp", "entries", "said"), [
    (3, [replace(CONV, cut=LayerCut.OUT)], "divisor of the 16"),
    (2, [replace(CONV, cut=LayerCut.IN)], "an input that is whole"),
    (2, [replace(CONV, cut=LayerCut.OUT), entry("linear", "next", out=4)], "an input whose channels are cut"),
    (2, [replace(CONV, cut=LayerCut.OUT), entry("layer_norm", "next")], "of channels that are cut"),
    (2, [CONV], "its layers are not cut"),
])  # fmt: skip
def test_what_cannot_be_cut_is_refused(tp, entries, said):
    with pytest.raises(InputError, match=said):
        layered_operators(LayeredModel("toy", 8, 6, 6, tuple(entries)), BATCH, tp)


def test_blocks_of_a_stack_are_numbered_on_and_say_what_they_read():
    first = BlockEntry("first", (entry("conv", "conv", out=16, kernel=1),), stack="stage")
    rest = BlockEntry("rest", (entry("conv", "conv", out=16, kernel=1),), times=3, stack="stage")
    model = LayeredModel("toy", 8, 6, 6, (first, rest))
    sections = layered_operators(model, BATCH).sections[1:]
    assert [(one.path, one.start, one.count) for one in sections] == [("stage", 0, 1), ("stage", 1, 3)]
    assert [one.input for one in sections] == [E * B * 36 * channels for channels in (8, 16)]
    assert model.blocks == 4


def test_the_wide_resnet_of_slapo_has_its_parameters():
    model = read_model("wideresnet-2.4b").value.architecture
    listed = layered_operators(model, BATCH)
    assert listed.parameters / E == 2_357_871_912
    assert model.blocks == 6 + 8 + 46 + 6

"""Training schedules: patterns, primitives as transforms of the operator list, and what they refuse."""

import math
from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.training.architecture import ALL_BIASES, Transformer
from simcore.models.training.functions import Activation, Functions
from simcore.models.training.operators import Operation
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.sharding import sharded_operators
from simcore.models.training.schedule import Pattern, Schedule
from simcore.models.training.schedule.primitives.checkpoint import checkpointed_blocks
from simcore.readers.schedules import parse_steps, read_schedule, schedule_text

BERT = Transformer("bert", hidden=64, blocks=8, heads=8, biases=ALL_BIASES, vocabulary=96, dropout=0.1, causal=False)
EAGER = Layout(fused_attention=False, micro_batch=2)


def steps(text):
    return parse_steps(text).value


def made(text, layout=EAGER, model=BERT):
    schedule = steps(text)
    return schedule.operators(model, 32, schedule.layout(layout, model))


def moved(listed):
    return sum(one.size("bytes") for one in listed if "bytes" in dict(one.shape))


def work(listed):
    return math.fsum(one.work for one in listed if one.kernel in {"gemm", "attention"})


def test_a_pattern_covers_modules_and_what_is_inside_them():
    assert Pattern("block.*").covers("block.3.attention.scores")
    assert not Pattern("block.*.attention").covers("block.3.feed_forward.up")
    assert not Pattern("block.*.attention").covers("encoder.block.3.attention.scores")
    assert not Pattern("block.1-2").covers("block.12.attention")


def test_no_steps_leave_the_list_as_it_is():
    assert Schedule().operators(BERT, 32, EAGER) == sharded_operators(BERT, 32, EAGER)


@pytest.mark.parametrize("layout", [EAGER, replace(EAGER, tp=4), replace(EAGER, tp=2, sequence_parallel=True)])
def test_sdpa_gives_the_operators_of_fused_attention(layout):
    assert made("sdpa", layout) == sharded_operators(BERT, 32, replace(layout, fused_attention=True))


def test_fusing_qkv_keeps_work_parameters_and_what_is_kept():
    before, after = made(""), made("fuse_qkv")
    for total in (work, lambda listed: listed.parameters, lambda listed: listed.saved):
        assert total(after) == pytest.approx(total(before), rel=1e-14)
    assert len(list(before)) - len(list(after)) == 2 * BERT.blocks


def test_decomposing_adds_a_kernel_for_each_bias_and_no_parameter():
    before, after = made(""), made("decompose")
    assert len(list(after)) - len(list(before)) == 6 * BERT.blocks
    assert after.parameters == before.parameters


def test_dropout_residual_and_norm_are_one_kernel_of_the_bytes_that_enter_and_leave():
    element, elements = 2, 2 * 32 * 64
    fused = [one for one in made("fuse_bias_dropout_norm") if "residual+norm" in one.path]
    assert len(fused) == 2 * BERT.blocks
    # read: product, bias and residual; written: what the norm needs for its gradient, its result, and a mask
    assert fused[0].size("bytes") == 4 * element * elements + elements + element * 64
    assert made("fuse_bias_dropout_norm").parameters == made("").parameters
    assert moved(made("fuse_bias_dropout_norm")) < moved(made(""))


def test_a_fused_gate_is_computed_again_so_that_less_is_kept():
    llama = Transformer("llama", hidden=64, blocks=2, heads=8, gated=True, feed_forward=160)
    before, after = made("", model=llama), made("fuse_bias_activation", model=llama)
    assert before.saved - after.saved == 2 * 2 * 2 * 32 * 160  # blocks x bytes x tokens x width
    assert [one.operation for one in after if "gate" in one.path] == [Operation.GATED] * 2


def test_a_fused_gate_behind_relu_keeps_what_it_kept():
    functions = Functions(activation=Activation.RELU)
    reglu = Transformer("reglu", hidden=64, blocks=2, heads=8, gated=True, feed_forward=160, functions=functions)
    assert made("", model=reglu).saved == made("fuse_bias_activation", model=reglu).saved


@pytest.mark.parametrize(("share", "rounding", "blocks"), [
    (0.25, "head", [0, 1]), (0.25, "uniform", [0, 4]), (0.5, "uniform", [0, 2, 4, 6]), (0.6, "head", [0, 1, 2, 3]),
    (0.92, "uniform", list(range(8))), (1.0, "head", list(range(8))), (0.0, "uniform", []),
])  # fmt: skip
def test_which_blocks_a_share_stands_for(share, rounding, blocks):
    assert list(checkpointed_blocks(range(8), share, rounding)) == blocks


def test_checkpoints_mark_blocks_and_say_so_in_the_layout():
    schedule = steps("block.2-3:checkpoint")
    marked = [(section.start, section.count) for section in schedule.operators(BERT, 32, EAGER).sections
              if section.checkpointed]  # fmt: skip
    assert marked == [(2, 2)]
    assert schedule.layout(EAGER, BERT).recompute is Recompute.FULL


def test_sharding_all_with_its_sums_is_tensor_parallelism():
    layout = replace(EAGER, tp=4)
    assert made("shard,sync", layout) == sharded_operators(BERT, 32, layout)


def test_sharding_attention_alone_leaves_the_rest_whole():
    layout = replace(EAGER, tp=4)
    listed = {one.path: one for one in made("block.*.attention:shard,block.*.attention:sync", layout)}
    cut, whole = (
        {one.path: one for one in sharded_operators(BERT, 32, each)} for each in (layout, replace(layout, tp=1))
    )
    assert listed["block.0.attention.query"] == cut["block.0.attention.query"]
    assert listed["block.0.feed_forward.up"] == whole["block.0.feed_forward.up"]
    assert listed["embedding.tokens"] == whole["embedding.tokens"]


def test_the_place_of_shard_does_not_matter():
    layout = replace(EAGER, tp=4)
    assert made("shard,sync,sdpa,fuse_qkv", layout) == made("sdpa,fuse_qkv,shard,sync", layout)


def test_a_captured_block_is_launched_once():
    sections = made("graph").sections
    assert [section.captured for section in sections] == [bool(section.path) for section in sections]


@pytest.mark.parametrize(("text", "said"), [
    ("sdpaa", "sdpa"), ("sdpa,sdpa", "one kernel already"),
    ("block.*.atention:sdpa", "Did you mean block.*.attention?"),
    ("checkpoint=2", "from 0 to 1"), ("sdpa=3", "takes none"), ("block.99:checkpoint", "block.*"),
    ("checkpoint=x", "from 0 to 1"), ("cut=4+4", "one pipeline stage"), ("shard,sync", "a degree to cut by"),
    ("block.*.feed_forward:graph", "whole blocks"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(text, said):
    with pytest.raises(InputError, match=said.replace("*", r"\*").replace("?", r"\?")):
        made(text)


def test_a_shard_without_its_sum_is_refused():
    with pytest.raises(InputError, match="nothing sums"):
        made("block.*.attention:shard", replace(EAGER, tp=4))


def test_gelu_is_not_fused_where_there_is_none():
    from simcore.models.training.functions import Activation, Functions

    model = replace(BERT, functions=Functions(activation=Activation.RELU))
    with pytest.raises(InputError, match="relu: fuse_bias_activation"):
        made("fuse_bias_gelu", model=model)


def test_a_schedule_reads_what_it_writes(tmp_path):
    schedule = steps("sdpa,block.0-3.feed_forward:fuse_bias_gelu,checkpoint=0.5")
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_text(schedule, "bert"))
    again = read_schedule(path).value
    assert list(map(str, again.steps)) == list(map(str, schedule.steps))


def test_options_of_a_step_in_a_file(tmp_path):
    path = tmp_path / "schedule.yaml"
    path.write_text("steps:\n- block.*: {checkpoint: 0.25, rounding: uniform}\n")
    schedule = read_schedule(path).value
    assert [section.start for section in schedule.operators(BERT, 32, EAGER).sections if section.checkpointed] == [0, 4]
    assert read_schedule(path).value.steps[0].options == {"rounding": "uniform"}
    path.write_text(schedule_text(schedule))
    assert read_schedule(path).value.steps[0].options == {"rounding": "uniform"}


@pytest.mark.parametrize(("text", "said"), [
    ("steps:\n- block.*: {checkpoint: 0.25, rounded: up}\n", "rounded"),
    ("steps:\n- {checkpoint: 0.25, rounding: up}\n", "rounding"),
    ("steps:\n- block.*: 3\n", "steps"), ("steps: sdpa\n", "steps"), ("stages:\n- sdpa\n", "stages"),
])  # fmt: skip
def test_a_wrong_file_is_refused(tmp_path, text, said):
    path = tmp_path / "schedule.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_schedule(path)


def test_a_primitive_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import replace\n"
        "from simcore.training import Primitive\n"
        "class Free(Primitive):\n"
        "    name, summary, paths = 'free', 'norms cost nothing', ('block.*',)\n"
        "    def operators(self, operators, setting, value):\n"
        "        return [one for one in operators if 'norm' not in one.path]\n"
    )
    assert not any("norm" in one.path for one in made(f"{path}:Free") if one.path.startswith("block"))


def test_a_primitive_of_a_file_beside(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from simcore.training import Primitive\n"
        "class Bare(Primitive):\n"
        "    name, summary, paths = 'bare', 'nothing but products', ('block.*',)\n"
        "    def operators(self, operators, setting, value):\n"
        "        return [one for one in operators if one.kernel == 'gemm']\n"
    )
    monkeypatch.chdir(tmp_path)
    whole, part = (sum(one.path.startswith("block.0.") for one in made(text)) for text in
                   ("mine.py:Bare", "block.1-7:mine.py:Bare"))  # fmt: skip
    assert whole < part

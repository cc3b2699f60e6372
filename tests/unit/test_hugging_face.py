"""Configs of Hugging Face: what each field does to the shape, and what is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from simcore.errors import InputError
from simcore.models.training.architecture import Batch, Run
from simcore.models.training.listing import operators_of
from simcore.models.training.notes import notes_on
from simcore.models.training.workload import Workload
from simcore.readers import zoo
from simcore.readers.config_fields import SHAPES
from simcore.readers.families import family_of, read_family
from simcore.readers.hugging_face import read_config
from simcore.readers.models import read_model
from simcore.readers.sizes import Sizes
from simcore.readers.workloads import read_workload

LLAMA = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}  # fmt: skip
MIXTRAL = {**LLAMA, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
GEMMA2 = {**LLAMA, "model_type": "gemma2", "head_dim": 16, "sliding_window": 32, "tie_word_embeddings": True}
DEEPSEEK = {
    **LLAMA, "model_type": "deepseek_v3", "num_key_value_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 16,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 12, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "moe_intermediate_size": 32, "first_k_dense_replace": 1,
}  # fmt: skip

EMPTY = Workload("empty", (), tp=1, dp=1)


def read(config):
    return read_config(Path("config.json"), config)


def architecture(config):
    return read(config).architecture


def refusal(config):
    with pytest.raises(InputError) as error:
        read(config)
    return str(error.value)


def parameters(config, *, blocks=False):
    listed = operators_of(architecture(config), Batch(8, 1, element=1))
    if not blocks:
        return listed.parameters
    return sum(part.count * one.parameters for part in listed.sections if part.path for one in part.operators)


def test_a_llama_by_hand():
    h, inner, kv = 64, 96, 32
    block = 2 * h * h + 2 * h * kv + 3 * h * inner + 2 * h
    assert parameters(LLAMA, blocks=True) == 4 * block
    assert parameters(LLAMA) == 4 * block + 2 * 100 * h + h
    assert parameters({**LLAMA, "tie_word_embeddings": True}) == 4 * block + 100 * h + h


def test_heads_need_not_share_the_hidden_size():
    wide = architecture({**LLAMA, "head_dim": 32})
    assert (wide.query_width, wide.kv_width) == (128, 64)
    assert parameters({**LLAMA, "head_dim": 32}, blocks=True) == 4 * (2 * 64 * 128 + 2 * 64 * 64 + 3 * 64 * 96 + 128)


def test_experts_take_the_place_of_the_feed_forward_network():
    h, inner = 64, 96
    block = 2 * h * h + 2 * h * 32 + 8 * 3 * h * inner + 8 * h + 2 * h
    assert parameters(MIXTRAL, blocks=True) == 4 * block
    experts = [one for one in operators_of(architecture(MIXTRAL), Batch(8, 1)) if ".experts.up" in one.path]
    assert experts[0].work == 2 * 8 * 2 * h * 2 * inner  # each of 8 tokens passes 2 experts, gate and up
    assert experts[0].shape == (("m", 2), ("n", 2 * inner), ("k", h), ("batch", 8))


def test_latent_attention_and_first_dense_layers_by_hand():
    h, heads = 64, 4
    attention = h * 24 + 24 + 24 * heads * 12 + h * (16 + 4) + 16 + 16 * heads * (8 + 12) + heads * 12 * h
    dense, sparse = 3 * h * 96, 8 * 3 * h * 32 + 3 * h * 32 + 8 * h + 8
    assert parameters(DEEPSEEK, blocks=True) == 4 * (attention + 2 * h) + dense + 3 * sparse
    assert architecture(DEEPSEEK).runs == (Run(1, True, False), Run(3, True, True))


def test_windows_follow_the_pattern_of_the_family():
    assert architecture(GEMMA2).runs == tuple(Run(1, i % 2 == 0) for i in range(4))
    listed = {**GEMMA2, "layer_types": ["full_attention", "full_attention", "sliding_attention", "full_attention"]}
    assert [(run.count, run.windowed) for run in architecture(listed).runs] == [(2, False), (1, True), (1, False)]
    neo = {
        "model_type": "gpt_neo", "hidden_size": 64, "num_layers": 4, "num_heads": 4, "vocab_size": 100,
        "max_position_embeddings": 64, "window_size": 16, "attention_types": [[["global", "local"], 2]],
    }  # fmt: skip
    assert [run.windowed for run in architecture(neo).runs] == [False, True, False, True]
    qwen = {**LLAMA, "model_type": "qwen2", "sliding_window": 32, "max_window_layers": 2}
    assert architecture({**qwen, "use_sliding_window": False}).window is None
    assert [run.windowed for run in architecture({**qwen, "use_sliding_window": True}).runs] == [False, True]
    assert "one of chunked_attention" in refusal({**GEMMA2, "layer_types": ["full_attention"] * 3 + ["mamba"]})
    assert "for each of the 4 blocks" in refusal({**GEMMA2, "layer_types": ["full_attention"] * 3})


def test_a_window_bounds_the_work_of_attention_and_nothing_else(tmp_path):
    """At 1,024 tokens a window of 64 leaves 1/16 of the scores."""
    mistral = {**LLAMA, "model_type": "mistral", "max_position_embeddings": 1024}
    whole, bound = (architecture({**mistral, "sliding_window": window}) for window in (None, 64))

    def work(model, suffix, **kwargs):
        return sum(one.work for one in operators_of(model, Batch(1024, 1, **kwargs)) if one.path.endswith(suffix))

    for suffix in (".scores", ".context"):
        assert work(bound, suffix) * 16 == work(whole, suffix)
        assert work(whole, suffix, causal_half=True) * 2 == work(whole, suffix)
    # a query below the window sees on average half of it: 64 * 63.5 / 2 fewer products in 1,024 * 64
    assert work(bound, ".scores", causal_half=True) == work(bound, ".scores") * (1 - 64 / 2048)
    assert work(bound, ".query") == work(whole, ".query")


def test_all_heads_share_one_k_and_v_unless_the_new_architecture_says_how_many():
    falcon = {
        "model_type": "falcon", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_kv_heads": 4,
        "vocab_size": 100, "multi_query": True, "new_decoder_architecture": False,
    }  # fmt: skip
    assert architecture(falcon).kv_heads == 1
    assert architecture({**falcon, "multi_query": False}).kv_heads == 4
    new = {**falcon, "new_decoder_architecture": True, "num_kv_heads": 2}
    assert (architecture(new).kv_heads, architecture(new).norms) == (2, (1, 1))
    assert architecture(falcon).norms == (1, 0)


def test_qwen_1_counts_both_halves_of_its_gated_product():
    qwen = {
        "model_type": "qwen", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 192, "kv_channels": 16, "vocab_size": 100, "seq_length": 64, "no_bias": True,
    }  # fmt: skip
    assert (architecture(qwen).inner, architecture(qwen).gated) == (96, True)
    assert parameters(qwen, blocks=True) == 2 * (4 * 64 * 64 + 3 * 64 + 3 * 64 * 96 + 128)


def test_an_encoder_with_a_decoder():
    t5 = {
        "model_type": "t5", "d_model": 64, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4, "d_kv": 16,
        "d_ff": 128, "vocab_size": 100, "is_encoder_decoder": True, "relative_attention_num_buckets": 32,
    }  # fmt: skip
    h, inner = 64, 128
    layer, cross = 4 * h * h + 2 * h * inner + 2 * h, 4 * h * h + h
    assert parameters(t5, blocks=True) == 5 * layer + 3 * cross
    # one table of tokens for both, the final norm of each, and biases of relative positions of each
    assert parameters(t5) == 5 * layer + 3 * cross + 100 * h + 2 * h + 2 * 32 * 4
    model = architecture(t5)
    assert model.encoder is not None
    assert (model.encoder.causal, model.causal, model.encoder.blocks) == (False, True, 2)


def test_tokens_may_have_vectors_of_another_width():
    opt = {
        "model_type": "opt", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "ffn_dim": 128,
        "vocab_size": 100, "max_position_embeddings": 30, "word_embed_proj_dim": 32, "do_layer_norm_before": False,
    }  # fmt: skip
    block = 4 * (64 * 64 + 64) + 2 * 64 * 128 + 128 + 64 + 4 * 64
    assert parameters(opt) == block + 100 * 32 + 32 * 64 + 64 * 32 + 32 * 64


def test_a_text_part_with_its_own_config_and_a_tower_of_images():
    text = {key: value for key, value in LLAMA.items() if key not in {"model_type", "tie_word_embeddings"}}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64,
              "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 8}  # fmt: skip
    flat = {**text, "model_type": "qwen2_5_vl", "vision_config": vision, "tie_word_embeddings": True}
    nested = {"model_type": "qwen2_5_vl", "vision_config": vision, "tie_word_embeddings": True,
              "text_config": {**text, "model_type": "qwen2_5_vl_text"}}  # fmt: skip
    assert parameters(flat) == parameters(nested) == parameters({**flat, "model_type": "qwen2", "vision_config": None})
    tower = architecture(nested).tower
    assert tower is not None
    patches, block = 3 * 2 * 16 * 32, 4 * 32 * 32 + 4 * 32 + 3 * 32 * 48 + 2 * 48 + 32 + 2 * 32
    merged = 32 + (128 * 128 + 128) + (128 * 64 + 64)
    assert operators_of(tower, Batch(8, 1, element=1)).parameters == patches + 2 * block + merged
    assert notes_on([replace(EMPTY, cautions=("the tower",))]) == ["the tower"]
    assert "'vision_config.num_experts'" in refusal({**flat, "vision_config": {**vision, "num_experts": 4}})
    assert "a mapping: the config of the text part" in refusal({**nested, "text_config": 3})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "mamba"}, "'mamba', a state-space model, expected a transformer"),
        ({"model_type": "jamba"}, "a hybrid of attention and a state-space model"),
        ({"model_type": "gemma4"}, "one of the families that 'simcore zoo families' lists. Write"),
        ({"model_type": None}, "field 'model_type': found nothing"),
        ({"model_type": 3}, "field 'model_type': found 3"),
        ({"num_local_experts": 8}, "'num_local_experts': found a field that is not known"),
        ({"model_type": "gpt-neo-x"}, "Did you mean 'gpt_neox'? Write"),
        ({"architectures": ["LlamaForRewardModel"]}, "field 'architectures': found 'RewardModel', expected one of"),
        ({"position_embedding_type": "relative_key"}, "'relative_key', expected positions that are added"),
        ({"pruned_heads": {"0": [1]}}, "'pruned_heads'"),
        ({"ssm_state_dim": 16}, "'ssm_state_dim'"),
        ({"conv_kernel": 4}, "'conv_kernel'"),
        ({"multi_query": True}, "'multi_query'"),
        ({"audio_config": {"hidden_size": 3}}, "'audio_config'"),
        ({"intermediate_size": None}, "field 'intermediate_size': found nothing"),
        ({"num_attention_heads": None}, "field 'num_attention_heads': found nothing"),
        ({"text_config": {"num_experts": 64}}, "'text_config': found a field that is not known"),
        ({"hidden_size": None}, "field 'hidden_size': found nothing, expected a whole number of at least 1"),
        ({"hidden_size": True}, "field 'hidden_size': found true, expected a whole number"),
        ({"hidden_size": "64"}, "field 'hidden_size': found '64', expected a whole number"),
        ({"num_hidden_layers": 0}, "field 'num_hidden_layers': found 0, expected a whole number of at least 1"),
        ({"num_hidden_layers": 2.5}, "field 'num_hidden_layers': found 2.5"),
        ({"tie_word_embeddings": 1}, "field 'tie_word_embeddings': found 1, expected true or false"),
        ({"torch_dtype": "int3"}, "field 'torch_dtype': found 'int3'"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(change, words):
    assert words in refusal({**LLAMA, **change})


def test_a_field_that_is_off_changes_nothing():
    off = {**LLAMA, "num_experts": None, "moe_layers": [], "conv_bias": False, "head_type": "", "num_nothing": 0}
    assert architecture(off) == architecture(LLAMA)


def test_more_experts_per_token_than_there_are_is_refused():
    assert "at most 8, the number of experts" in refusal({**MIXTRAL, "num_experts_per_tok": 9})


def test_heads_are_checked_in_the_words_of_the_file(tmp_path):
    path = tmp_path / "config.json"
    for change, words in (
        ({"num_attention_heads": 3}, "field 'num_attention_heads': found 3 heads, expected a divisor of"),
        ({"num_key_value_heads": 3}, "field 'num_key_value_heads': found 3 K and V heads"),
    ):
        path.write_text(json.dumps({**LLAMA, **change}), encoding="utf-8")
        with pytest.raises(InputError, match=words):
            read_model(path)


def test_a_workload_says_which_sequence_was_taken(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(MIXTRAL), encoding="utf-8")
    assert [read_workload(path, tp=1, dp=1, sequence=each).value.setting.sequence for each in (None, 16)] == [128, 16]
    names = [layer.name for layer in read_workload(path, tp=2, dp=1, sequence=16).value.layers]
    assert "feed_forward.router1" in names
    assert "feed_forward.experts.up4" in names


def test_an_architecture_may_have_no_output_layer_or_another():
    body = parameters({**LLAMA, "architectures": ["LlamaForCausalLM"]}) - 100 * 64
    assert parameters({**LLAMA, "architectures": ["LlamaModel"]}) == body
    classifier = {**LLAMA, "architectures": ["LlamaForSequenceClassification"], "num_labels": 3}
    assert parameters(classifier) == body + 3 * 64
    chatglm = {
        "model_type": "chatglm", "hidden_size": 64, "num_layers": 1, "num_attention_heads": 4, "kv_channels": 16,
        "ffn_hidden_size": 96, "padded_vocab_size": 100, "seq_length": 64, "tie_word_embeddings": False,
    }  # fmt: skip
    assert parameters({**chatglm, "architectures": ["ChatGLMModel"]}) == parameters(chatglm)


def test_a_workload_says_what_it_leaves_out(tmp_path):
    path = tmp_path / "config.json"
    text = {key: value for key, value in LLAMA.items() if key != "model_type"}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64,
              "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}  # fmt: skip
    path.write_text(json.dumps({**text, "model_type": "qwen2_5_vl", "vision_config": vision}), encoding="utf-8")
    note, *assumed = read_workload(path, tp=1, dp=1).value.cautions
    assert all("assumed" in each for each in assumed)
    assert "the tower of images, 2 blocks, is left out" in note


def test_layers_that_are_written_out_have_no_attention_to_halve(tmp_path):
    path = tmp_path / "layers.txt"
    path.write_text("l -1 5 NONE 0 5 NONE 0 5 NONE 0 5\n", encoding="utf-8")
    with pytest.raises(InputError, match="whose layers are written out"):
        read_workload(path, tp=1, dp=1, causal="half")


def test_an_encoder_alone_is_counted_alone():
    t5 = {
        "model_type": "t5",
        "d_model": 64,
        "num_layers": 2,
        "num_heads": 4,
        "d_kv": 16,
        "d_ff": 128,
        "vocab_size": 100,
    }
    alone = {**t5, "architectures": ["T5EncoderModel"]}
    assert parameters(alone, blocks=True) == 2 * (4 * 64 * 64 + 2 * 64 * 128 + 2 * 64)
    assert parameters(alone) == parameters(alone, blocks=True) + 100 * 64 + 64 + 32 * 4
    assert architecture(alone).encoder is None


def test_what_a_bert_is_for_decides_its_output():
    bert = {"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
            "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 32,
            "type_vocab_size": 2}  # fmt: skip
    made = {
        head: parameters({**bert, "architectures": [f"Bert{head}"]})
        for head in ("Model", "ForQuestionAnswering", "ForMaskedLM", "ForPreTraining", "ForSequenceClassification")
    }
    pooler, body = 64 * 64 + 64, parameters(bert, blocks=True) + (100 + 32 + 2) * 64 + 2 * 64
    assert made["Model"] == body + pooler
    assert made["ForQuestionAnswering"] == body + 2 * 64 + 2
    assert made["ForMaskedLM"] == body + pooler + 2 * 64 + 100
    assert made["ForPreTraining"] == made["ForMaskedLM"] + pooler + 2 * 64 + 2
    assert made["ForSequenceClassification"] == body + pooler + 2 * 64 + 2
    assert read({**bert, "architectures": ["BertModel"]}).used[1] == "architectures"


def test_kinds_of_blocks_are_checked_whatever_the_window():
    every = ["full_attention"] * 4
    assert architecture({**LLAMA, "layer_types": every}).runs == ()
    assert "for each of the 4 blocks" in refusal({**LLAMA, "layer_types": every[1:]})
    assert "one of chunked_attention" in refusal({**LLAMA, "layer_types": ["linear_attention", *every[1:]]})
    assert "the size of the window" in refusal({**LLAMA, "layer_types": ["sliding_attention", *every[1:]]})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"peft_type": "LORA", "r": 8}, "the configuration of an adapter (PEFT), expected a config.json. Give the"),
        ({"do_sample": True, "temperature": 0.6}, "a generation_config.json"),
        ({"_class_name": "UNet2DConditionModel", "sample_size": 64}, "a configuration of diffusers"),
        ({"dim": 4096, "n_layers": 32, "norm_eps": 1e-5}, "parameters in the form of the model's own code"),
        ({"d_model": 2560, "n_layer": 64, "ssm_cfg": {}}, "a state-space model"),
    ],
)
def test_files_beside_a_config_are_called_by_their_names(tmp_path, fields, words):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_model(path)
    assert words in str(error.value)


def test_a_model_is_named_after_its_file_unless_that_is_config(tmp_path):
    for name, wanted in (("nemo.json", "nemo"), ("config.json", "llama")):
        path = tmp_path / name
        path.write_text(json.dumps(LLAMA), encoding="utf-8")
        assert read_model(path).value.architecture.name == wanted


def test_a_sequence_that_the_model_cannot_take_is_told(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8")
    said, *assumed = read_workload(path, tp=1, dp=1, sequence=256).value.cautions
    assert "256 tokens are more than the 128 that the model takes" in said
    assert list(read_workload(path, tp=1, dp=1, sequence=128).value.cautions) == assumed


def test_what_was_not_read_is_noted():
    assert read(LLAMA).notes == ()
    (bits,) = read({**LLAMA, "quantization_config": {"bits": 4}}).notes
    assert bits == "quantization_config is not read: weights count 2 B each"
    (alone,) = read({**LLAMA, "vocab_size": None}).notes
    assert "the blocks alone" in alone
    (tower,) = read({**LLAMA, "model_type": "qwen2_vl"}).notes
    assert "no vision_config" in tower


def test_the_last_sparse_block_may_be_minus_one():
    ernie = {**LLAMA, "model_type": "ernie4_5_moe", "moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 32}
    assert architecture({**ernie, "moe_layer_end_index": -1}) == architecture(ernie)


def test_the_output_of_an_ernie_with_experts_has_the_biases_of_its_products():
    ernie = {**LLAMA, "model_type": "ernie4_5_moe", "moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 32}
    assert architecture({**ernie, "use_bias": True}).biases.head
    assert not architecture({**ernie, "use_bias": False}).biases.head
    assert not architecture({**LLAMA, "model_type": "ernie4_5", "use_bias": True}).biases.head


def test_used_and_ignored_fields_are_told_apart():
    config = read({**LLAMA, "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16"})
    assert "rms_norm_eps" in config.ignored
    assert {"hidden_size", "torch_dtype", "model_type", "max_position_embeddings"} <= set(config.used)
    assert not set(config.used) & set(config.ignored)


@pytest.mark.parametrize("name", zoo.names("families"))
def test_every_family_can_be_read(name):
    family = read_family(name).value
    if family.refused is not None:
        with pytest.raises(InputError, match=family.refused):
            family_of(name, "place")
        return
    assert {"hidden", "layers"} <= set(family.sizes)
    for field in family.fields():
        assert field.isidentifier() or "." in field


def test_a_family_of_ones_own_is_a_file_that_is_like_another(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("like: llama\nsizes: {inner: ff_mult * hidden_size}\n", encoding="utf-8")
    family = read_family(path).value
    assert family.sizes["inner"] == "ff_mult * hidden_size"
    assert family.sizes["heads"] == "num_attention_heads"


@pytest.mark.parametrize(
    "formula",
    ["a ** 2", "a(", "open('x')", "len(a, b)", "[x for x in y]", "a < b", "lambda: 1", "-a", "1or 2", "a" * 501],
)
def test_an_expression_of_a_family_is_arithmetic_alone(tmp_path, formula):
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"like": "llama", "sizes": {"inner": formula}}), encoding="utf-8")
    with pytest.raises(InputError, match="expected an expression of fields"):
        read_family(path)


def test_sizes_that_need_each_other_are_refused():
    sizes = Sizes({"a": "this.b", "b": "this.a"}, {}, Path("config.json"), {})
    with pytest.raises(InputError, match="sizes that do not need each other"):
        sizes.number("this.a")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "qwen2_moe", "mlp_only_layers": 3}, "field 'mlp_only_layers': found 3, expected a list"),
        ({"model_type": "gpt_neo", "attention_types": [3]}, "field 'attention_types': found 3, expected pairs"),
        ({"model_type": "gpt_neo", "attention_types": [[["global"], 10**9]]}, "field 'attention_types'"),
        ({"architectures": ["LlamaForSequenceClassification"], "num_labels": "many"}, "field 'num_labels'"),
    ],
)
def test_lists_of_a_config_are_checked(change, words):
    neo = {"num_layers": 4, "num_heads": 4, "window_size": 16}
    assert words in refusal(
        {**LLAMA, **neo, **change} if change.get("model_type") == "gpt_neo" else {**LLAMA, **change}
    )


def test_what_looks_like_a_size():
    for name in (
        "num_local_experts",
        "moe_k",
        "kv_channels",
        "head_dim",
        "state_size",
        "conv_kernel",
        "window",
        "n_dim",
    ):
        assert SHAPES.search(name)
    for name in ("rms_norm_eps", "rope_theta", "hidden_act", "bos_token_id"):
        assert not SHAPES.search(name)


@pytest.mark.parametrize(
    ("fields", "activation"),
    [
        (LLAMA, "silu"),
        ({**LLAMA, "hidden_act": "gelu_new"}, "gelu"),
        ({**LLAMA, "model_type": "nemotron"}, "relu2"),
        (GEMMA2, "gelu"),
        ({**LLAMA, "hidden_act": "mish"}, "silu"),
    ],
)
def test_the_activation_is_that_of_the_config_or_of_its_family(fields, activation):
    config = read(fields)
    assert config.architecture.kinds.activation == activation
    said = [note for note in config.notes if "mish" in note]
    assert said == (["the activation 'mish' is not known: silu stands in"] if "mish" in fields.values() else [])


@pytest.mark.parametrize(
    ("model", "activation", "kernel"),
    [("opt-2.7b", "relu", "relu"), ("t5-3b", "relu", "relu"), ("bert-xlarge", "gelu", "gelu")],
)
def test_operator_lists_have_the_activation_of_the_model(model, activation, kernel):
    one = read_model(model).value
    listed = operators_of(one.architecture, Batch(16, 1))
    assert one.architecture.kinds.activation == activation
    assert {each.kernel for each in listed if each.path.endswith(".activation")} == {kernel}

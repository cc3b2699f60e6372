"""Published models of the zoo: their parameters, and the work of a token against counts of the sizes alone."""

from __future__ import annotations

import pytest
import simcore
import yaml
from simcore.errors import InputError
from simcore.models.training.architecture import Transformer
from simcore.readers.models import read_model
from simcore.readers.workloads import read_workload
from simcore.readers.zoo import ROOT, names

PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3-405b": 405_853_388_800,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "deepseek-v2-lite": 15_706_484_224,
    "bloom-176b": 176_247_271_424,
    "gpt-neox-20b": 20_554_567_680,
    "t5-large": 737_668_096,
    "t5-3b": 2_851_598_336,
    "bert-large": 336_226_108,
    "opt-350m": 331_196_416,
    "opt-2.7b": 2_651_596_800,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-8b": 8_190_735_360,
    "gemma-7b": 8_537_680_896,
}
"""Parameters of the published weights, as their pages count them."""

ROUNDED = {
    "deepseek-v3": 671e9,
    "megatron-22b": 22e9,
    "megatron-175b": 175e9,
    "megatron-530b": 530e9,
    "megatron-1t": 1008e9,
    "mt-nlg-530b": 530e9,
    "gpt-125m": 125e6,
    "gpt-175b": 174.6e9,
    "gpt-13b": 12.85e9,
    "gpt-6.7b": 6.66e9,
    "gpt-2.7b": 2.65e9,
    "gpt-1.3b": 1.32e9,
    "gpt-350m": 356e6,
    "gpt-30b": 30e9,
    "llama-7b": 6.74e9,
    "bert-xlarge": 0.87e9,
    "roberta-xlarge": 1.31e9,
    "gpt-neo-2.7b-slapo": 2.82e9,
    "gpt-10b-slapo": 9.9e9,
}
"""Parameters as papers print them; those of GPT-3 are of its table D.1."""

GPTS = [name for name in names("models") if name.startswith(("gpt-", "megatron-", "mt-nlg-")) and "neox" not in name]
WITH_CONFIG = [name for name in names("models") if "\nconfig:" in (ROOT / "models" / f"{name}.yaml").read_text()]


def config(name):
    return yaml.safe_load((ROOT / "models" / f"{name}.yaml").read_text(encoding="utf-8"))["config"]


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_parameters_are_those_of_the_published_weights(name, parameters):
    assert simcore.model(name).parameters == parameters


@pytest.mark.parametrize(("name", "parameters"), ROUNDED.items())
def test_parameters_are_those_that_papers_print(name, parameters):
    assert simcore.model(name).parameters == pytest.approx(parameters, rel=0.01)


def test_each_model_that_holds_a_config_is_counted():
    assert sorted([*PUBLISHED, *ROUNDED]) == sorted(WITH_CONFIG)


@pytest.mark.parametrize("name", GPTS)
def test_gpts_have_the_parameters_of_the_closed_form(name):
    """``12 l h^2 (1 + 13 / 12 h + (V + s) / 12 l h)`` of Narayanan et al. (2021), and the 2 h of the last norm."""
    sizes = config(name)
    h, blocks = sizes["n_embd"], sizes["n_layer"]
    closed = 12 * blocks * h * h + 13 * blocks * h + (sizes["vocab_size"] + sizes["n_positions"]) * h
    assert simcore.model(name).parameters == closed + 2 * h


def mixture(name):
    """Return blocks that are dense, and (weights of their products, of one expert, experts) of a block that is not."""
    sizes = config(name)
    h = sizes["hidden_size"]
    if sizes["model_type"] == "mixtral":
        expert = 3 * h * sizes["intermediate_size"]
        return 0, expert, sizes["num_local_experts"], 0
    expert = 3 * h * sizes["moe_intermediate_size"]
    return sizes["first_k_dense_replace"], expert, sizes["n_routed_experts"], sizes["n_shared_experts"] * expert


def attention(name):
    """Return the weights of a block's attention, and the multiply-adds of a query with one key and value."""
    sizes = config(name)
    h, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    if sizes["model_type"] == "mixtral":
        width = h // heads
        return 2 * h * h + 2 * h * width * sizes["num_key_value_heads"], 2 * h
    nope, rope, value = sizes["qk_nope_head_dim"], sizes["qk_rope_head_dim"], sizes["v_head_dim"]
    narrow, narrow_query = sizes["kv_lora_rank"], sizes["q_lora_rank"]
    query = heads * (nope + rope)
    queries = h * query if narrow_query is None else (h + query) * narrow_query
    keys_and_values = h * (narrow + rope) + narrow * heads * (nope + value)
    return queries + keys_and_values + heads * value * h, heads * (nope + rope + value)


MIXTURES = ["mixtral-8x7b", "mixtral-8x22b", "deepseek-v2-lite", "deepseek-v3"]


@pytest.mark.parametrize("sequence", [1024, 4096])
@pytest.mark.parametrize("name", MIXTURES)
def test_the_work_of_a_token_is_that_of_its_experts_alone(name, sequence):
    sizes = config(name)
    h, blocks, per_token = sizes["hidden_size"], sizes["num_hidden_layers"], sizes["num_experts_per_tok"]
    dense, expert, experts, shared = mixture(name)
    weights, per_key = attention(name)
    multiply_adds = blocks * (weights + per_key * sequence) + h * sizes["vocab_size"]
    multiply_adds += dense * 3 * h * sizes["intermediate_size"]
    multiply_adds += (blocks - dense) * (per_token * expert + shared + h * experts)
    found = simcore.model(name, sequence=sequence)
    assert found.flop_per_token_forward == 2 * multiply_adds
    assert found.flop_per_token_training == 6 * multiply_adds


@pytest.mark.parametrize("name", MIXTURES)
def test_the_active_parameters_are_all_but_those_of_the_other_experts(name):
    dense, expert, experts, _ = mixture(name)
    sizes = config(name)
    idle = (sizes["num_hidden_layers"] - dense) * (experts - sizes["num_experts_per_tok"]) * expert
    found = simcore.model(name)
    assert found.active_parameters == found.parameters - idle


def test_a_token_of_mixtral_passes_two_experts():
    assert simcore.model("mixtral-8x7b").active_parameters == pytest.approx(12.9e9, rel=0.01)
    assert simcore.model("mixtral-8x22b").active_parameters == pytest.approx(39e9, rel=0.01)


@pytest.mark.parametrize("name", WITH_CONFIG)
def test_names_are_taken_in_any_case_and_sources_are_said(name):
    model = read_model(name.upper()).value
    assert isinstance(model.architecture, Transformer)
    assert (model.architecture.name, model.config is not None) == (name, True)
    assert "arXiv" in model.architecture.source or "mistral.ai" in model.architecture.source
    assert 0 < model.sequence <= model.longest
    assert model.config.notes == ()


def test_an_unknown_name_brings_up_the_closest():
    for wanted, close in (
        ("llama2-7b", "llama-2-7b"),
        ("mixtral-8x7", "mixtral-8x7b"),
        ("megatron-1tb", "megatron-1t"),
    ):
        with pytest.raises(InputError, match=f"Did you mean '{close}'"):
            read_model(wanted)


def test_a_file_of_ones_own_holds_a_config_and_says_how_to_run_it(tmp_path):
    path = tmp_path / "mine.yaml"
    text = (ROOT / "models" / "llama-3-405b.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("sequence: 8192", "sequence: 512\nbatch: 3\ntp: 4\ndp: 2"), encoding="utf-8")
    model = read_model(path).value
    assert (model.sequence, model.longest, model.batch, model.tp, model.dp) == (512, 131_072, 3, 4, 2)
    assert model.run().tokens == 1536
    assert (model.notes(131_072), len(model.notes(131_073))) == ((), 1)
    workload = read_workload(path).value
    assert (workload.tp, workload.dp) == (4, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("config: 3\n", "line 1, field 'config': found 3, expected a mapping"),
        ("config: {hidden_size: 8}\n", "field 'model_type': found nothing"),
        ("config: {model_type: lama}\n", "field 'model_type': found 'lama'"),
        (
            "config: {model_type: llama}\nlayers: 3\n",
            "line 2: found 'layers', expected one of description, source, config",
        ),
        ("config: {model_type: llama}\nbatch: 0\n", "line 2, field 'batch': found 0"),
    ],
)
def test_such_files_that_are_wrong(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_model(path)
    assert words in str(error.value)

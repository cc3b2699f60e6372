"""Parameters of published models beside those of their config.json, and beside what transformers builds of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from simcore.models.training.architecture import Batch
from simcore.models.training.listing import operators_of
from simcore.readers.hugging_face import read_config

MODELS = yaml.safe_load((Path(__file__).parent / "published_models.yaml").read_text(encoding="utf-8"))
PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
BLOCK = re.compile(r"(^|\.)(layers|h|blocks|block|layer)\.\d+\.")
TOWER = re.compile(r"(^|\.)(visual|vision_tower|multi_modal_projector)\.")
REMOTE = {"qwen", "baichuan", "internlm", "internlm2", "chatglm", "deepseek"}
"""Families whose code is not in transformers."""
UNBUILT = {
    "DBRX": "transformers 5 asks its config for a field that it has not",
    "Flan-T5 base": "transformers 5 ties its output layer, which the published weights do not",
}


def counted(config):
    """Return all parameters, those of the blocks, and those of a tower of images."""
    model = read_config(Path("config.json"), config).architecture
    listed = operators_of(model, Batch(model.sequence or 8, 1, element=1))
    blocks = sum(part.count * one.parameters for part in listed.sections if part.path for one in part.operators)
    tower = 0.0 if model.tower is None else operators_of(model.tower, Batch(1, 1, element=1)).parameters
    return listed.parameters + tower, blocks, tower


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_parameters_are_the_published_ones(model):
    parameters, _, _ = counted(model["config"])
    assert parameters == pytest.approx(model["published"], rel=1e-3)


def test_most_are_right_to_the_last_parameter():
    exact = [model["name"] for model in MODELS if counted(model["config"])[0] == model["published"]]
    assert len(exact) >= 75


def test_the_page_lists_every_model_as_it_is_counted():
    text = PAGE.read_text(encoding="utf-8")
    assert len(MODELS) >= 40
    for model in MODELS:
        parameters, published = counted(model["config"])[0], model["published"]
        row = f"| {model['name']} | {published:,} | {parameters:,.0f} | {parameters / published - 1:+.4%} |"
        assert row in text, row


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_transformers_builds_as_many(model):
    """On the meta device, without weights: in all, in the blocks, and in a tower of images."""
    pytest.importorskip("transformers", reason="the reference implementation is not installed")
    kind = model["config"]["model_type"]
    if kind in REMOTE or model["name"] in UNBUILT:
        pytest.skip(UNBUILT.get(model["name"], "its code is not in transformers"))
    built = built_of(model["config"])
    parameters, blocks, tower = counted(model["config"])
    numbers = {name: parameter.numel() for name, parameter in built.named_parameters()}
    assert parameters == pytest.approx(sum(numbers.values()), rel=1e-3)
    ours = sum(count for name, count in numbers.items() if BLOCK.search(name) and not TOWER.search(name))
    assert blocks == pytest.approx(ours, rel=1e-3)
    assert tower == pytest.approx(sum(count for name, count in numbers.items() if TOWER.search(name)), rel=1e-3)


def built_of(config):
    """Return the model that transformers makes of a config, without memory for its weights."""
    import torch
    import transformers

    made = transformers.CONFIG_MAPPING[config["model_type"]](**config)
    named = config.get("architectures")
    heads = {
        "bert": "MaskedLM", "roberta": "MaskedLM", "electra": "PreTraining", "t5": "Seq2SeqLM", "bart": "Seq2SeqLM",
        "whisper": "SpeechSeq2Seq", "vit": "ImageClassification", "qwen2_vl": "ImageTextToText",
        "qwen2_5_vl": "ImageTextToText", "gemma3": "ImageTextToText",
    }  # fmt: skip
    if named and named[0].endswith("Model"):
        auto = transformers.AutoModel
    else:
        auto = getattr(transformers, f"AutoModelFor{heads.get(config['model_type'], 'CausalLM')}")
    with torch.device("meta"):
        return auto.from_config(made)

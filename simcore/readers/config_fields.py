"""Fields of a ``config.json`` that nobody knows: those that may change the shape are refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.readers.families import INSTEAD, Family
from simcore.readers.sizes import Sizes

SHAPES = re.compile(r"expert|moe|kv|head|state|conv|window|num_|_size|_dim|query|qk_|cross_attention|_rank")
"""What the name of a field that decides a shape looks like."""

HARMLESS = frozenset(
    {
        *("chunk_size_feed_forward", "encoder_no_repeat_ngram_size", "no_repeat_ngram_size", "num_beam_groups"),
        *("num_beams", "_num_labels", "num_labels", "num_return_sequences", "output_hidden_states"),
        *("output_router_logits", "num_hidden_layers", "num_attention_heads", "attn_implementation"),
        *("query_pre_attn_scalar", "output_attentions"),
        *("router_aux_loss_coef", "use_flash_attention_2", "num_key_value_groups", "lm_head_bias_init"),
    }
)
"""Fields of every config that look like sizes, and change nothing."""

NESTED = frozenset(
    {
        "quantization_config",
        "generation_config",
        "compression_config",
        "init_config",
        "transformers.js_config",
        "task_specific_params",
    }
)
"""Fields that hold mappings, and change no shape."""


def check_fields(path: Path, family: Family, fields: Mapping[str, Any], sizes: Sizes, prefix: str = "") -> None:
    """Refuse a field that looks like a size, and that neither the family nor every config has."""
    known = family.fields() | family.ignored | HARMLESS | set(sizes.used)
    for name, value in flat(fields, {one.partition(".")[0] for one in known if "." in one}):
        if value is None or value in (False, 0, [], {}, "") or name in known:
            continue
        if name.rpartition(".")[2] in HARMLESS:
            continue
        nested = isinstance(value, Mapping) and name.endswith("_config") and name not in NESTED
        nested = nested and not (family.tower and family.tower[0] == name)
        if nested or SHAPES.search(name.rpartition(".")[2]):
            place = f"{path}, field '{prefix}{name}'"
            remedy = f"It may change the shape: remove it if it does not. {INSTEAD}"
            raise InputError(place, "a field that is not known", f"fields of the family {family.name}", remedy)


def check_positions(path: Path, fields: Mapping[str, Any]) -> None:
    """Refuse tables of relative positions, which each block of a BERT would have."""
    kind = fields.get("position_embedding_type")
    if isinstance(kind, str) and kind.startswith("relative"):
        raise InputError(f"{path}, field 'position_embedding_type'", f"'{kind}'", "positions that are added to tokens")


def flat(fields: Mapping[str, Any], nested: set[str]) -> Iterable[tuple[str, Any]]:
    """Yield the fields, and those within mappings that the family reads from."""
    for name, value in fields.items():
        if name in nested and isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", held) for inner, held in value.items())
        else:
            yield name, value


NEIGHBOURS: Mapping[str, tuple[str, str]] = {
    "peft_type": ("the configuration of an adapter (PEFT)", "Give the config.json of its base model."),
    "_class_name": ("a configuration of diffusers", "simcore reads transformers of text, images and audio."),
    "_diffusers_version": ("a configuration of diffusers", "simcore reads transformers of text, images and audio."),
    "ssm_cfg": ("a configuration of Mamba's own code, a state-space model", INSTEAD),
    "do_sample": ("a generation_config.json", "Give the config.json beside it."),
    "_from_model_config": ("a generation_config.json", "Give the config.json beside it."),
    "norm_eps": ("parameters in the form of the model's own code", "Give the config.json of the same model."),
    "added_tokens_decoder": ("a configuration of a tokenizer", "Give the config.json beside it."),
}
"""Files beside a ``config.json`` by a field that tells them, where no ``model_type`` does."""


def refuse_neighbours(path: Path, fields: set[str]) -> None:
    """Refuse a file that lies beside a ``config.json``, or in its place.

    Raises
    ------
    InputError
        Saying what the file is, and what to give.

    Examples
    --------
    >>> refuse_neighbours(Path("adapter_config.json"), {"peft_type", "r"})
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: adapter_config.json: found the configuration of an adapter (PEFT), ...
    """
    if "model_type" in fields or "hidden" in fields:
        return
    for name, (what, remedy) in NEIGHBOURS.items():
        if name in fields:
            raise InputError(str(path), what, "a config.json", remedy)

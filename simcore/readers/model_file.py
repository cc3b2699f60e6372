"""Readers of transformer descriptions: simcore's own YAML, which the zoo uses too, and Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.training.architecture import Transformer
from simcore.readers.quantities import Bytes, Entry, Rate

_Count = Annotated[int, Field(ge=1)]

GATED = frozenset(
    {
        *("cohere", "gemma", "gemma2", "gemma3_text", "glm", "granite", "internlm2", "llama", "mistral"),
        *("olmo", "olmo2", "phi3", "qwen2", "qwen3", "smollm3", "stablelm"),
    }
)
"""Values of ``model_type`` whose feed-forward network has a gate: no other field of their files tells."""

_ELEMENT = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "float64": 8}


@dataclass(frozen=True)
class ModelInput:
    """A transformer and the parallelism that its file asks for.

    Attributes
    ----------
    transformer : Transformer
        The shape.
    tp, dp : int or None
        Degrees of tensor and data parallelism; None where the file leaves them open.
    """

    transformer: Transformer
    tp: int | None
    dp: int | None


class _ModelFile(Entry):
    hidden: _Count
    layers: _Count
    sequence: _Count
    batch: _Count
    heads: _Count | None = None
    kv_heads: _Count | None = None
    feed_forward: _Count | None = None
    gated: bool = False
    bytes_per_element: Bytes = 2.0
    rate: Rate = Transformer.rate
    tp: _Count | None = None
    dp: _Count | None = None
    vocabulary: _Count | None = None
    outputs: _Count | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


def _optional(*names: str) -> Any:
    return Field(None, validation_alias=AliasChoices(*names))


class _HuggingFace(BaseModel):
    """The fields of a ``config.json`` that the generator needs, under their names in the usual families."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    hidden: _Count = Field(validation_alias=AliasChoices("hidden_size", "n_embd", "n_embed", "d_model", "dim"))
    layers: _Count = Field(validation_alias=AliasChoices("num_hidden_layers", "n_layer", "num_layers", "n_layers"))
    heads: _Count | None = _optional("num_attention_heads", "n_head", "num_heads", "n_heads")
    kv_heads: _Count | None = _optional("num_key_value_heads", "num_kv_heads")
    sequence: _Count | None = _optional("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
    feed_forward: _Count | None = _optional(
        "intermediate_size", "n_inner", "ffn_dim", "d_ff", "ffn_hidden_size", "hidden_dim"
    )
    dtype: str | None = _optional("torch_dtype", "dtype")
    model_type: str = ""
    vocabulary: _Count | None = _optional("vocab_size")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, validation_alias=AliasChoices("hidden_dropout_prob", "resid_pdrop", "dropout")
    )
    head_dim: _Count | None = _optional("head_dim", "d_kv")
    multi_query: bool = False
    is_encoder_decoder: bool = False
    experts: int | None = _optional("num_local_experts", "num_experts", "n_routed_experts")


_SIZES = {"hidden_size", "n_embd", "n_embed", "d_model", "dim"}


def is_hugging_face(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of a ``config.json``."""
    return bool(fields & _SIZES) and "hidden" not in fields


def parse_model(path: Path, text: str, sequence: int | None = None, batch: int | None = None) -> ModelInput:
    """Read a transformer in simcore's own YAML.

    Parameters
    ----------
    path : Path
        The file: the model is named after it.
    text : str
        Its content.
    sequence, batch : int, optional
        In place of the file's.

    Raises
    ------
    InputError
        Naming file, line and field.
    """
    data = read_yaml(path, _ModelFile, "workload", text)
    element = data.bytes_per_element
    if element < 1 or element != int(element):
        raise InputError(f"{path}, field 'bytes_per_element'", f"{element} B", "a whole number of at least 1 B")
    if data.rate <= 0:
        raise InputError(f"{path}, field 'rate'", "0 FLOP/s", "more than 0 FLOP/s")
    length = sequence or data.sequence
    transformer = Transformer(
        name=path.stem,
        hidden=data.hidden,
        blocks=data.layers,
        sequence=length,
        tokens=(batch or data.batch) * length,
        heads=data.heads,
        kv_heads=data.kv_heads,
        feed_forward=data.feed_forward,
        gated=data.gated,
        element=int(element),
        rate=data.rate,
        source=data.source or str(path),
        vocabulary=data.vocabulary,
        outputs=data.outputs,
        dropout=data.dropout,
    )
    _check_heads(path, transformer)
    return ModelInput(transformer, data.tp, data.dp)


def parse_hugging_face(path: Path, text: str, sequence: int | None = None, batch: int | None = None) -> ModelInput:
    """Read a Hugging Face ``config.json``.

    It says nothing of the batch, which is one sequence per replica unless given, nor of the speed, which is that of the
    published workloads. The model is named after ``model_type`` and the file.

    Parameters
    ----------
    path, text, sequence, batch
        See `parse_model`; the sequence is the longest that the model takes unless given.

    Raises
    ------
    InputError
        Naming file, line and field; also for what the generator does not describe: a mixture of experts, an encoder
        with a decoder, heads that do not share the hidden size.
    """
    data = read_yaml(path, _HuggingFace, "model", text)
    if data.experts is not None and data.experts > 1:
        found = f"a mixture of {data.experts} experts"
        raise InputError(str(path), found, "a dense transformer", "Write its layers as an ASTRA-sim text workload.")
    if data.is_encoder_decoder:
        remedy = "Write its layers as an ASTRA-sim text workload."
        raise InputError(str(path), "an encoder with a decoder", "a stack of blocks of one kind", remedy)
    if data.head_dim is not None and data.heads is not None and data.head_dim * data.heads != data.hidden:
        found, expected = f"{data.heads} heads of {data.head_dim}", f"heads that share the hidden size, {data.hidden}"
        remedy = "Such projections are not described; write the layers as an ASTRA-sim text workload."
        raise InputError(f"{path}, field 'head_dim'", found, expected, remedy)
    length = sequence or data.sequence
    if length is None:
        expected = "max_position_embeddings, n_positions or n_ctx"
        raise InputError(
            f"{path}, field 'max_position_embeddings'", "nothing", expected, "Add it to the file, or --sequence."
        )
    dtype = (data.dtype or "bfloat16").removeprefix("torch.")
    if dtype not in _ELEMENT:
        raise InputError(f"{path}, field 'torch_dtype'", f"'{dtype}'", f"one of {', '.join(_ELEMENT)}")
    transformer = Transformer(
        name=data.model_type or path.stem,
        hidden=data.hidden,
        blocks=data.layers,
        sequence=length,
        tokens=(batch or 1) * length,
        heads=data.heads,
        kv_heads=1 if data.multi_query and data.kv_heads is None else data.kv_heads,
        feed_forward=data.feed_forward,
        gated=data.model_type in GATED,
        element=_ELEMENT[dtype],
        source=f"{path}: {batch or 1} x {length} tokens per replica",
        vocabulary=data.vocabulary,
        dropout=data.dropout,
    )
    _check_heads(path, transformer)
    return ModelInput(transformer, None, None)


def _check_heads(path: Path, model: Transformer) -> None:
    if model.heads is not None and model.hidden % model.heads:
        found = f"{model.heads} heads"
        raise InputError(f"{path}, field 'heads'", found, f"a divisor of the hidden size, {model.hidden}")
    if model.kv_heads is not None and (model.heads is None or model.heads % model.kv_heads):
        expected = f"a divisor of the number of heads, {model.heads or 'which is missing'}"
        raise InputError(f"{path}, field 'kv_heads'", f"{model.kv_heads} K and V heads", expected)

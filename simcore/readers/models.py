"""Transformers of the zoo or from a file: simcore's own YAML, or Hugging Face's config.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from simcore.errors import InputError, field
from simcore.files import read_yaml
from simcore.models.compute.compute_model import PUBLISHED_RATE
from simcore.models.training.architecture import Batch, Transformer
from simcore.readers.quantities import Bytes, Entry, Rate
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_layer_text, json_or_yaml, top_fields

_Count = Annotated[int, Field(ge=1)]

GATED = frozenset(
    {
        *("cohere", "gemma", "gemma2", "gemma3_text", "glm", "granite", "internlm2", "llama", "mistral"),
        *("olmo", "olmo2", "phi3", "qwen2", "qwen3", "smollm3", "stablelm"),
    }
)
"""Values of ``model_type`` whose feed-forward network has a gate: no other field of their files tells."""

BIASED = frozenset({"bert", "bloom", "electra", "gpt2", "opt", "roberta"})
"""Values of ``model_type`` whose products and norms all have biases."""

_ELEMENT = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "float64": 8}


@dataclass(frozen=True)
class ModelInput:
    """A transformer, and how its file asks to run it.

    Attributes
    ----------
    architecture : Transformer
        The sizes.
    element : int
        Bytes per element [B].
    rate : float
        What one NPU achieves where no profile says otherwise [FLOP/s].
    sequence, batch : int or None
        Tokens per sequence, and sequences per data-parallel replica; None where the file leaves them open.
    tp, dp : int or None
        Degrees of tensor and data parallelism; None where the file leaves them open.
    place : str
        The file, for messages.
    sequence_key : str
        What the file calls the sequence, for messages.
    """

    architecture: Transformer
    element: int
    rate: float
    sequence: int | None
    batch: int | None
    tp: int | None
    dp: int | None
    place: str
    sequence_key: str = "sequence"

    def run(self, sequence: int | None = None, batch: int | None = None) -> Batch:
        """Return what a replica processes in an iteration.

        Parameters
        ----------
        sequence, batch : int, optional
            In place of the file's.

        Raises
        ------
        InputError
            If one is below 1, or is neither given nor in the file.
        """
        tokens = self._count("sequence", self.sequence_key, sequence, self.sequence, "tokens per sequence")
        return Batch(tokens, self._count("batch", "batch", batch, self.batch, "sequences per replica"), self.element)

    def _count(self, name: str, key: str, given: int | None, own: int | None, what: str) -> int:
        if given is not None and given < 1:
            raise InputError(field(name), str(given), "a whole number of at least 1")
        count = own if given is None else given
        if count is None:
            remedy = f"Add the field '{key}', or give {field(name)}."
            raise InputError(f"{self.place}, field '{key}'", "nothing", what, remedy)
        return count


class _ModelFile(Entry):
    hidden: _Count
    layers: _Count
    sequence: _Count | None = None
    batch: _Count | None = None
    heads: _Count | None = None
    kv_heads: _Count | None = None
    feed_forward: _Count | None = None
    gated: bool = False
    biases: bool = False
    bytes_per_element: Bytes = 2.0
    rate: Rate = PUBLISHED_RATE
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


def read_model(name_or_path: str | Path | InputFile, place: str = "model") -> Read[ModelInput]:
    """Read a transformer, and how its file asks to run it.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        An entry of the zoo, such as ``bert-base``, or a file.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        If there is none, or naming file, line and field.

    Examples
    --------
    >>> model = read_model("bert-base").value
    >>> model.architecture.name, model.architecture.blocks, model.run(batch=4).tokens
    ('bert-base', 12, 1536)
    """
    file = read_entry("models", name_or_path, place, "model")
    text = json_or_yaml(file, "model")
    if is_layer_text(text):
        expected = "a transformer, whose kernels have shapes"
        raise InputError(place, f"'{file.path}', whose compute times are written out", expected)
    if "group" in top_fields(text):
        raise InputError(place, f"'{file.path}', a group of workloads", "one transformer", "Name one of them.")
    return file.of(parse_model(file.path, text))


def parse_model(path: Path, text: str) -> ModelInput:
    """Read a transformer of the text of a file, in simcore's own YAML or as a ``config.json``.

    Parameters
    ----------
    path : Path
        The file: the model is named after it, or after the ``model_type`` of a ``config.json``.
    text : str
        Its content.

    Raises
    ------
    InputError
        Naming file, line and field.
    """
    model = _parse_hugging_face(path, text) if is_hugging_face(top_fields(text)) else _parse_own(path, text)
    _check_heads(path, model.architecture)
    return model


def _parse_own(path: Path, text: str) -> ModelInput:
    data = read_yaml(path, _ModelFile, "workload", text)
    element = data.bytes_per_element
    if element < 1 or element != int(element):
        raise InputError(f"{path}, field 'bytes_per_element'", f"{element} B", "a whole number of at least 1 B")
    if data.rate <= 0:
        raise InputError(f"{path}, field 'rate'", "0 FLOP/s", "more than 0 FLOP/s")
    transformer = Transformer(
        name=path.stem,
        hidden=data.hidden,
        blocks=data.layers,
        heads=data.heads,
        kv_heads=data.kv_heads,
        feed_forward=data.feed_forward,
        gated=data.gated,
        biases=data.biases,
        vocabulary=data.vocabulary,
        outputs=data.outputs,
        dropout=data.dropout,
        source=data.source or str(path),
    )
    return ModelInput(transformer, int(element), data.rate, data.sequence, data.batch, data.tp, data.dp, str(path))


def _parse_hugging_face(path: Path, text: str) -> ModelInput:
    """Read a Hugging Face ``config.json``.

    It says nothing of the batch, which is one sequence per replica unless given, nor of the speed, which is that of the
    published workloads. The sequence is the longest that the model takes unless given. What the operator list does not
    describe is refused: a mixture of experts, an encoder with a decoder, heads that do not share the hidden size.
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
    dtype = (data.dtype or "bfloat16").removeprefix("torch.")
    if dtype not in _ELEMENT:
        raise InputError(f"{path}, field 'torch_dtype'", f"'{dtype}'", f"one of {', '.join(_ELEMENT)}")
    transformer = Transformer(
        name=data.model_type or path.stem,
        hidden=data.hidden,
        blocks=data.layers,
        heads=data.heads,
        kv_heads=1 if data.multi_query and data.kv_heads is None else data.kv_heads,
        feed_forward=data.feed_forward,
        gated=data.model_type in GATED,
        biases=data.model_type in BIASED,
        vocabulary=data.vocabulary,
        dropout=data.dropout,
        source=str(path),
    )
    return ModelInput(
        transformer, _ELEMENT[dtype], PUBLISHED_RATE, data.sequence, 1, None, None, str(path), "max_position_embeddings"
    )


def _check_heads(path: Path, model: Transformer) -> None:
    if model.heads is not None and model.hidden % model.heads:
        found = f"{model.heads} heads"
        raise InputError(f"{path}, field 'heads'", found, f"a divisor of the hidden size, {model.hidden}")
    if model.kv_heads is not None and (model.heads is None or model.heads % model.kv_heads):
        expected = f"a divisor of the number of heads, {model.heads or 'which is missing'}"
        raise InputError(f"{path}, field 'kv_heads'", f"{model.kv_heads} K and V heads", expected)

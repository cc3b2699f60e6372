"""Reader of Hugging Face's ``config.json``: from the fields that its family names to the sizes of a transformer.

What changes the shape and is not in the table of the family is refused by name, see `simcore.readers.families`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.models.training.architecture import Biases, Embedding, Experts, Latent, Projection, Run, Transformer
from simcore.readers.config_fields import check_fields, check_positions, flat
from simcore.readers.families import Family, family_of
from simcore.readers.family_functions import functions_of
from simcore.readers.sizes import Sizes, shown

ELEMENT = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "float64": 8}
"""Bytes of an element by the name of its type."""
FORMATS = {"float32": "fp32", "float": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16", "float64": "fp64"}
"""Number format by the name of its type."""

MOST_LAYERS = 10_000
"""Blocks of a model: beyond any, and little enough to write each out."""

_HEAD = re.compile(r".*For(\w+)")
HEADS = frozenset(
    {
        *("CausalLM", "ConditionalGeneration", "EncoderModel", "ImageClassification", "ImageClassificationWithTeacher"),
        *("ImageTextToText", "LM", "MaskedLM", "Model", "PreTraining", "QuestionAnswering", "Seq2SeqLM"),
        *("SequenceClassification", "SpeechSeq2Seq", "TokenClassification", "Vision2Seq"),
    }
)
"""What an architecture may be for; another might have weights that nobody counts."""


@dataclass(frozen=True)
class Config:
    """What a ``config.json`` says.

    Attributes
    ----------
    architecture : Transformer
        The sizes.
    family : str
        Its ``model_type``.
    element : int
        Bytes of an element of the weights [B].
    context : int or None
        Longest sequence; None where the file leaves it open.
    dtype : str or None
        Number format of the weights; None where the file does not say.
    names : mapping of str to str
        What the file calls heads, kv_heads and context, for messages.
    used, ignored : tuple of str
        Fields that decided the shape, and those that did not.
    notes : tuple of str
        What a reader of a result must know of how the file was read.
    """

    architecture: Transformer
    family: str
    element: int
    context: int | None
    names: Mapping[str, str]
    used: tuple[str, ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...] = ()
    dtype: str | None = None


def read_config(path: Path, fields: Mapping[str, Any]) -> Config:
    """Turn the fields of a ``config.json`` into an architecture.

    Parameters
    ----------
    path : Path
        The file, for messages.
    fields : mapping
        What it holds.

    Raises
    ------
    InputError
        If the table does not know the model type, or a field that looks like a size; or a field has no possible value.
    """
    kind = _model_type(path, fields)
    family = family_of(kind, f"{path}, field 'model_type'")
    own, text_field = _text_part(path, family, fields), family.text
    if own is not None:
        kind = own.get("model_type") or kind
        text = family_of(kind, f"{path}, field '{family.text}.model_type'")
        fields = {**fields, **_given(own), **_given({"tie_word_embeddings": fields.get("tie_word_embeddings")})}
        known = {str(family.text), *(f"{family.text}.{name}" for name in own)}
        family = replace(text, tower=family.tower, ignored=text.ignored | family.ignored | known)
    if fields.get("is_encoder_decoder") is True and not family.encoder:
        place = f"{path}, field 'is_encoder_decoder'"
        raise InputError(place, "true", f"false, as {kind} is a stack of blocks of one kind")
    if _head(fields) not in HEADS:
        remedy = "Remove the field to read it with the output of a language model."
        raise InputError(
            f"{path}, field 'architectures'", f"'{_head(fields)}'", f"one of {', '.join(sorted(HEADS))}", remedy
        )
    reader = _Reader(path, family, fields)
    architecture, context = reader.transformer(), reader.sizes.count("context")
    check_positions(path, fields)
    element, dtype, format_ = _element(path, fields)
    check_fields(path, family, fields, reader.sizes)
    names = {size: read[0] for size in ("heads", "kv_heads", "context") if (read := _read_for(family, size, reader))}
    named = ("architectures",) if fields.get("architectures") else ()
    text_part = () if own is None or text_field is None else (text_field,)
    used = ("model_type", *named, *text_part, *reader.used, *dtype)
    mappings = {one.partition(".")[0] for one in used if "." in one}
    ignored = tuple(name for name, _ in flat(fields, mappings) if name not in used)
    notes = (*_notes(family, fields, architecture, element), *sorted(reader.unknown))
    return Config(architecture, kind, element, context or architecture.sequence, names, used, ignored, notes, format_)


def _notes(family: Family, fields: Mapping[str, Any], model: Transformer, element: int) -> Iterable[str]:
    if fields.get("quantization_config"):
        yield f"quantization_config is not read: weights count {element} B each"
    if model.vocabulary is None and "vocabulary" in family.sizes:
        yield "the file names no vocabulary: these are the blocks alone, without embedding and output"
    if family.tower is not None and model.tower is None:
        yield f"the file has no {family.tower[0]}: no tower of images is counted"


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _model_type(path: Path, fields: Mapping[str, Any]) -> str:
    kind = fields.get("model_type")
    if not isinstance(kind, str) or not kind:
        found = "nothing" if kind is None else shown(kind)
        remedy = "Add the field 'model_type': it says how the other fields are to be read."
        raise InputError(f"{path}, field 'model_type'", found, "a family, such as llama", remedy)
    return kind


def _text_part(path: Path, family: Family, fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the config of the text part, where it is a config of its own."""
    part = None if family.text is None else fields.get(family.text)
    if part is not None and not isinstance(part, Mapping):
        raise InputError(f"{path}, field '{family.text}'", shown(part), "a mapping: the config of the text part")
    return part


class _Reader:
    """Reads one config with its family."""

    def __init__(self, path: Path, family: Family, fields: Mapping[str, Any], text: Mapping[str, Any] | None = None):
        self.path, self.family, self.fields = path, family, fields
        around = {"head": _head(fields), "text": text or {}}
        self.sizes = Sizes(family.sizes, fields, path, around)
        self.inner = Sizes({**family.sizes, **family.encoder}, fields, path, around)
        self.unknown: set[str] = set()

    @property
    def used(self) -> tuple[str, ...]:
        """Fields that decided something."""
        tower = (self.family.tower[0],) if self.family.tower and self.family.tower[0] in self.fields else ()
        return tuple(dict.fromkeys((*self.sizes.used, *self.inner.used, *tower)))

    def transformer(self) -> Transformer:
        """Return the architecture."""
        encoder = self._stack(self.inner, self.family.encoder_front or None, ()) if self.family.encoder else None
        if encoder is not None and _head(self.fields) == "EncoderModel":
            return replace(encoder, outputs=0)
        if encoder is not None:
            encoder = replace(encoder, name="encoder", outputs=0)
        model = self._stack(self.sizes, self.family.front, self.family.back)
        return replace(model, encoder=encoder, tower=self._tower())

    def _tower(self) -> Transformer | None:
        if self.family.tower is None:
            return None
        name, like = self.family.tower
        own = self.fields.get(name)
        if own is None:
            return None
        if not isinstance(own, Mapping):
            raise InputError(f"{self.path}, field '{name}'", shown(own), "a mapping: the config of the tower")
        family = family_of(like, name)
        reader = _Reader(self.path, family, own, self.fields)
        model = reader.transformer()
        check_fields(self.path, family, own, reader.sizes, f"{name}.")
        return model

    def _stack(self, sizes: Sizes, front: Sequence[Any] | None, back: Sequence[Any]) -> Transformer:
        """Return the sizes of one stack of blocks, and of what stands around it."""
        hidden, layers = sizes.needed("hidden"), sizes.needed("layers", most=MOST_LAYERS)
        experts, latent = self._experts(sizes), _latent(sizes)
        vocabulary, tied = sizes.count("vocabulary"), sizes.flag("tied")
        classes = sizes.count("classes", 0)
        outputs = (None if tied else vocabulary) if classes is None else classes
        outputs = self._outputs(sizes, outputs)
        norm = sizes.count("embedding_width") or hidden if sizes.flag("embedding_norm") else 0
        around = Embedding(
            width=sizes.count("embedding_width"),
            added=sizes.needed("added", 0) if "added" in sizes.formulas else 0,
            norm=norm,
            final_norm=sizes.flag("final_norm"),
            front=_projections(sizes, front or ()),
            back=_projections(sizes, back),
        )
        model = Transformer(
            name=self.family.name if self.path.stem == "config" else self.path.stem,
            hidden=hidden,
            blocks=layers,
            heads=sizes.needed("heads"),
            kv_heads=sizes.count("kv_heads"),
            feed_forward=sizes.needed("inner"),
            gated=sizes.flag("gated"),
            biases=_biases(sizes),
            vocabulary=vocabulary,
            outputs=outputs,
            dropout=sizes.share("dropout"),
            source=str(self.path),
            head_dim=sizes.count("head_dim"),
            value_dim=sizes.count("value_dim"),
            latent=latent,
            window=sizes.count("window"),
            causal=sizes.flag("causal") if "causal" in sizes.formulas else True,
            qk_norm=sizes.count("qk_norm", 0) or 0,
            norms=(_norms(sizes, "norms_attention"), _norms(sizes, "norms_feed_forward")),
            norm_scales=sizes.flag("norm_scales") if "norm_scales" in sizes.formulas else True,
            parallel=sizes.flag("parallel"),
            experts=experts,
            around=around,
            sequence=sizes.count("sequence"),
        )
        functions = functions_of(self.family, sizes, model.kinds, self.unknown)
        return replace(model, runs=self._runs(sizes, model), functions=functions)

    def _outputs(self, sizes: Sizes, outputs: int | None) -> int | None:
        """Return the columns of the output layer; the architecture may have none, or classify sequences or tokens."""
        head = _head(self.fields)
        if head == "QuestionAnswering":  # where the answer starts and where it ends
            return 2
        if head in {"SequenceClassification", "TokenClassification"}:
            return sizes.number("num_labels | len(id2label) | 2", 1)
        return (
            0 if head == "Model" and "vocabulary" in sizes.formulas and not sizes.flag("output_in_model") else outputs
        )

    def _experts(self, sizes: Sizes) -> Experts | None:
        count = sizes.count("experts", 0)
        if not count:
            return None
        per_token = sizes.needed("experts_per_token")
        if per_token > count:
            place = f"{self.path}, experts per token"
            raise InputError(place, str(per_token), f"at most {count}, the number of experts")
        return Experts(
            count=count,
            per_token=per_token,
            inner=sizes.needed("experts_inner"),
            shared=sizes.count("shared_inner", 0) or 0,
            shared_gate=sizes.flag("shared_gate"),
            router_biases=sizes.count("router_biases", 0) or 0,
        )

    def _runs(self, sizes: Sizes, model: Transformer) -> tuple[Run, ...]:
        """Return blocks in runs of equal ones; nothing where all are equal."""
        windowed, sparse = self._windowed(sizes, model), self._sparse(sizes, model)
        kinds = [(count, *kind) for kind, count in _counted(zip(windowed, sparse, strict=True))]
        return () if len(kinds) == 1 and kinds[0][1] and kinds[0][2] else tuple(Run(*kind) for kind in kinds)

    def _windowed(self, sizes: Sizes, model: Transformer) -> list[bool]:
        layers = model.blocks
        names = self.fields.get("layer_types") or self._expanded(sizes.field("attention_types"))
        bound = [name not in {"full_attention", "global"} for name in self._named(names, layers)] if names else None
        if bound is not None and model.window is None and any(bound):
            place = f"{self.path}, field 'layer_types'"
            raise InputError(place, "a window in some blocks", "the size of the window in a field beside it")
        if model.window is None:
            return [True] * layers
        if bound is not None:
            sizes.used["layer_types" if self.fields.get("layer_types") else "attention_types"] = names
            return bound
        every, before = sizes.count("full_every"), sizes.count("full_before", 0) or 0
        return [i >= before and (every is None or (i + 1) % every != 0) for i in range(layers)]

    def _expanded(self, types: Any) -> list[str] | None:
        """Return GPT-Neo's kinds of attention, one for each block: ``[[["global", "local"], 12]]`` is 24."""
        if types is None:
            return None
        kinds: list[str] = []
        for entry in types if isinstance(types, list) else [types]:
            names, times = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
            if not isinstance(names, list) or not isinstance(times, int) or not 0 <= times <= MOST_LAYERS:
                expected = "pairs of kinds of attention and how often they follow each other"
                raise InputError(f"{self.path}, field 'attention_types'", shown(entry), expected)
            kinds += [str(name) for _ in range(times) for name in names][: MOST_LAYERS + 1]
        return kinds

    def _named(self, names: Any, layers: int) -> list[str]:
        known = {"full_attention", "sliding_attention", "chunked_attention", "global", "local"}
        wrong = [name for name in names if name not in known] if isinstance(names, list) else [names]
        if wrong or len(names) != layers:
            found = f"'{wrong[0]}'" if wrong else f"{len(names)} of them"
            expected = f"one of {', '.join(sorted(known))} for each of the {layers} blocks"
            raise InputError(f"{self.path}, field 'layer_types'", found, expected)
        return list(names)

    def _sparse(self, sizes: Sizes, model: Transformer) -> list[bool]:
        layers = model.blocks
        if model.experts is None:
            return [True] * layers
        first, last = sizes.count("sparse_from", 0) or 0, sizes.count("sparse_to", -1)
        every, offset = sizes.count("sparse_every") or 1, sizes.count("sparse_offset", 0) or 0
        dense = sizes.field("dense_layers") or []
        if not isinstance(dense, list):
            raise InputError(f"{self.path}, field 'mlp_only_layers'", shown(dense), "a list of blocks, from 0")
        last = layers - 1 if last is None or last == -1 else last
        return [first <= i <= last and (i + offset) % every == 0 and i not in dense for i in range(layers)]


def _counted(kinds: Iterable[tuple[bool, bool]]) -> Iterable[tuple[tuple[bool, bool], int]]:
    return ((kind, sum(1 for _ in same)) for kind, same in groupby(kinds))


def _norms(sizes: Sizes, name: str) -> int:
    count = sizes.count(name, 0)
    return 1 if count is None else count


def _latent(sizes: Sizes) -> Latent | None:
    rank = sizes.count("latent_key_value")
    return None if rank is None else Latent(sizes.count("latent_query"), rank, sizes.needed("latent_positions"))


def _biases(sizes: Sizes) -> Biases:
    query = sizes.flag("query_bias")
    return Biases(
        query=query,
        key=sizes.flag("key_bias") if "key_bias" in sizes.formulas else query,
        value=query,
        output=sizes.flag("output_bias"),
        feed_forward=sizes.flag("feed_forward_bias"),
        experts=sizes.flag("expert_bias"),
        norms=sizes.flag("norm_bias"),
        head=sizes.flag("head_bias"),
    )


def _projections(sizes: Sizes, made: Sequence[Any]) -> tuple[Projection, ...]:
    """Return the products that a config has."""
    held = []
    for one in made:
        if not sizes.holds(one.when):
            continue
        inputs, outputs = sizes.number(one.inputs, 1), sizes.number(one.outputs, 1)
        if inputs is None or outputs is None:
            raise InputError(f"{sizes.path}, product '{one.name}'", "no sizes", f"the fields of {one.inputs}")
        times = sizes.number(one.times, 0)
        for number in range(1 if times is None else times):
            name = one.name if one.times == "1" else f"{one.name}_{number}"
            product = Projection(name, inputs, outputs, sizes.holds(one.bias), sizes.holds(one.norm), one.per_token)
            held.append(product)
    return tuple(held)


def _head(fields: Mapping[str, Any]) -> str:
    """Return what a config's architecture is for: ``CausalLM``, ``Model`` for nothing; by default a language model."""
    named = fields.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else ""
    match = _HEAD.match(name)
    if match:
        return match[1]
    if "LMHead" in name or not name.endswith("Model"):
        return "LM"
    return "EncoderModel" if name.endswith("EncoderModel") else "Model"


def _read_for(family: Family, size: str, reader: _Reader) -> list[str]:
    """Return the fields of the file that a size comes from."""
    return [name for name in family.fields_of(size) if name in reader.used]


def _element(path: Path, fields: Mapping[str, Any]) -> tuple[int, tuple[str, ...], str | None]:
    """Return the bytes of an element, the field that says so, and the number format; 2 B where none does."""
    for field in ("torch_dtype", "dtype"):
        name = fields.get(field)
        if name is None:
            continue
        if not isinstance(name, str) or name.removeprefix("torch.") not in ELEMENT:
            raise InputError(f"{path}, field '{field}'", f"'{name}'", f"one of {', '.join(ELEMENT)}")
        name = name.removeprefix("torch.")
        return ELEMENT[name], (field,), FORMATS[name]
    return 2, (), None

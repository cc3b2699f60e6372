"""Models of the zoo or from a file: simcore's own YAML, of transformers and lists of layers, or a config.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from simcore.errors import InputError, field
from simcore.files import read_yaml
from simcore.models.compute.compute_model import PUBLISHED_RATE
from simcore.models.training.architecture import ALL_BIASES, NO_BIASES, Batch, Embedding, Projection, Transformer
from simcore.models.training.captured import CapturedModel
from simcore.models.training.layered_model import LayeredModel
from simcore.models.training.listing import Architecture, operators_of
from simcore.readers.captured_models import CapturedFile, is_captured, read_captured
from simcore.readers.config_fields import refuse_neighbours
from simcore.readers.hugging_face import MOST_LAYERS, Config, read_config
from simcore.readers.layered_models import LayeredFile, is_layered, read_layered
from simcore.readers.quantities import Bytes, Entry, Flag, Rate, Real, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_layer_text, json_or_yaml, top_fields
from simcore.units import counted, format_si

_Count = Annotated[Whole, Field(ge=1)]
_Layers = Annotated[Whole, Field(ge=1, le=MOST_LAYERS)]


@dataclass(frozen=True)
class ModelInput:
    """A model, and how its file asks to run it.

    Attributes
    ----------
    architecture : Transformer or LayeredModel
        The sizes.
    element : int
        Bytes per element [B].
    rate : float
        What one NPU achieves where no profile says otherwise [FLOP/s].
    sequence, batch : int or None
        Tokens per sequence, and sequences or samples per data-parallel replica; None where the file leaves them open.
    tp, dp : int or None
        Degrees of tensor and data parallelism; None where the file leaves them open.
    place : str
        The file, for messages.
    sequence_key : str
        What the file calls the sequence, for messages.
    config : Config or None
        What was read of a ``config.json``, or of a file of simcore's own that holds one; None for others.
    assumed : frozenset of str
        ``batch`` and ``rate`` where the file does not say them.
    part : bool
        Whether its layers are some of a model's only, as the published workloads are.
    """

    architecture: Architecture
    element: int
    rate: float
    sequence: int | None
    batch: int | None
    tp: int | None
    dp: int | None
    place: str
    sequence_key: str = "sequence"
    config: Config | None = None
    assumed: frozenset[str] = frozenset()
    part: bool = False

    @property
    def title(self) -> str:
        """What a head calls it.

        Examples
        --------
        >>> read_model("1T").value.title, read_model("bert-base").value.title
        ('two blocks of 1T', 'bert-base')
        """
        name = self.architecture.name
        if not self.part or self.transformer is None:
            return name
        blocks = self.transformer.blocks
        return f"{_NUMBERS.get(blocks, f'{blocks:,}')} block{'' if blocks == 1 else 's'} of {name}"

    @property
    def dtype(self) -> str | None:
        """Number format of its weights; None where the file does not say."""
        return None if self.config is None else self.config.dtype

    def assumptions(self, batch: int | None, *, profiled: bool) -> tuple[str, ...]:
        """Say what nobody gave, and is assumed.

        Parameters
        ----------
        batch : int or None
            Sequences or samples that were asked for.
        profiled : bool
            Whether a profile says what compute takes.
        """
        said = []
        if "batch" in self.assumed and batch is None:
            noun = "sequence" if self.transformer is not None else "sample"
            said.append(f"a batch of {counted(self.batch or 1, noun)} per replica is assumed, as nobody gives one")
        if "rate" in self.assumed and not profiled:
            rate = format_si(self.rate, "FLOP/s")
            said.append(f"{rate} of an NPU are assumed, those of the published workloads, as no profile is given")
        return tuple(said)

    def run(self, sequence: int | None = None, batch: int | None = None, causal: str = "full") -> Batch:
        """Return what a replica processes in an iteration.

        Parameters
        ----------
        sequence, batch : int, optional
            In place of the file's.
        causal : {'full', 'half'}
            Whether causal attention is charged in full, or for the half that its mask leaves.

        Raises
        ------
        InputError
            If one is below 1, or is neither given nor in the file, or a model that takes no sequence is given one.
        """
        if not isinstance(self.architecture, Transformer):
            self._refuse_text(sequence, causal)
            return Batch(1, self._count("batch", "batch", batch, self.batch, "samples per replica"), self.element)
        if self.architecture.sequence is not None and self.architecture.vocabulary is None:
            sequence = self.architecture.sequence  # an encoder of images takes no other
        tokens = self._count("sequence", self.sequence_key, sequence, self.sequence, "tokens per sequence")
        sequences = self._count("batch", "batch", batch, self.batch, "sequences per replica")
        return Batch(tokens, sequences, self.element, causal_half=causal == "half")

    @property
    def transformer(self) -> Transformer | None:
        """The architecture where it is a transformer, None elsewhere."""
        return self.architecture if isinstance(self.architecture, Transformer) else None

    def _refuse_text(self, sequence: int | None, causal: str) -> None:
        for name, given, default in (("sequence", sequence, None), ("causal", causal, "full")):
            if given != default:
                remedy = f"Leave {field(name)} out, or run such models apart."
                raise InputError(field(name), f"{given} for {self.place}", "it for models of tokens alone", remedy)

    @property
    def longest(self) -> int | None:
        """Tokens of the longest sequence that it takes, or of the one that its file names; None where nobody says."""
        return self.sequence if self.config is None else self.config.context

    def taken(self, sequence: int | None) -> int | None:
        """Return the tokens of a sequence where nobody gave them, but a ``config.json``; None elsewhere."""
        return self.sequence if sequence is None and self.config is not None else None

    def cautions(self, sequence: int | None) -> tuple[str, ...]:
        """Return what to know of its operator list: what it does not hold, and a sequence that is too long."""
        tower = None if self.transformer is None else self.transformer.tower
        left_out = () if tower is None else (f"{self.place}: the tower of images, {tower.blocks} blocks, is left out",)
        return (*left_out, *self.notes(sequence))

    def notes(self, sequence: int | None) -> tuple[str, ...]:
        """Return how the file was read, and that a sequence is longer than the model takes."""
        if self.config is None:
            return ()
        longest, said = self.longest, [f"{self.place}: {note}" for note in self.config.notes]
        if sequence is not None and longest is not None and sequence > longest:
            said.append(f"{self.place}: {sequence:,} tokens are more than the {longest:,} that the model takes")
        return tuple(said)

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
    layers: _Layers
    sequence: _Count | None = None
    batch: _Count | None = None
    heads: _Count | None = None
    kv_heads: _Count | None = None
    feed_forward: _Count | None = None
    gated: Flag = False
    biases: Flag = False
    bytes_per_element: Bytes = 2.0
    rate: Rate = PUBLISHED_RATE
    tp: _Count | None = None
    dp: _Count | None = None
    vocabulary: _Count | None = None
    outputs: Annotated[Whole, Field(ge=0)] | None = None
    positions: _Count | None = None
    token_types: _Count | None = None
    embedding_norm: Flag = False
    pooler: Flag = False
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    causal: Flag = True
    part: Flag = False


class _WithConfig(Entry):
    config: dict[str, Any]
    sequence: _Count | None = None
    batch: _Count | None = None
    tp: _Count | None = None
    dp: _Count | None = None


class _HuggingFace(BaseModel):
    """A ``config.json``: its fields are those of its family."""

    model_config = ConfigDict(extra="allow", frozen=True)


_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}
_MARKS = {"model_type", "hidden_size", "n_embd", "n_embed", "d_model", "dim"}


def is_hugging_face(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of a ``config.json``."""
    return bool(fields & _MARKS) and "hidden" not in fields


def read_model(name_or_path: str | Path | InputFile, place: str = "model") -> Read[ModelInput]:
    """Read a model, and how its file asks to run it.

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
    if isinstance(name_or_path, str) and name_or_path.endswith(".py"):
        remedy = f"Name a function or a class in it: {name_or_path}:build."
        raise InputError(place, f"'{name_or_path}'", "a file of Python with the name of a torch module", remedy)
    file = read_entry("models", name_or_path, place, "model")
    text = json_or_yaml(file, "model")
    if is_layer_text(text):
        expected = "a transformer, whose kernels have shapes"
        remedy = "simcore train and simcore optimize read it."
        raise InputError(place, f"'{file.path}', whose compute times are written out", expected, remedy)
    if "group" in top_fields(text):
        raise InputError(place, f"'{file.path}', a group of workloads", "one transformer", "Name one of them.")
    return file.of(parse_model(file.path, text))


def parse_model(path: Path, text: str) -> ModelInput:
    """Read a model of the text of a file, in simcore's own YAML or as a ``config.json``.

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
    fields = top_fields(text)
    refuse_neighbours(path, fields)
    if is_layered(fields) or is_captured(fields):
        return _parse_layers(path, text, read_layered if is_layered(fields) else read_captured)
    model = _parser(fields)(path, text)
    if model.transformer is not None:
        _check_heads(path, model.transformer, {} if model.config is None else model.config.names)
    return model


def _parser(fields: set[str]) -> Callable[[Path, str], ModelInput]:
    if is_hugging_face(fields):
        return _parse_hugging_face
    return _parse_with_config if "config" in fields else _parse_own


def _parse_layers(
    path: Path, text: str,
    read: Callable[[Path, str], tuple[LayeredModel, LayeredFile] | tuple[CapturedModel, CapturedFile]],
) -> ModelInput:  # fmt: skip
    architecture, data = read(path, text)
    element = _element(path, data.bytes_per_element)
    # made once: what does not fit is said when the file is read
    operators_of(architecture, Batch(1, 1, element))
    return ModelInput(
        architecture, element, PUBLISHED_RATE, None, data.batch, 1, None, str(path), assumed=frozenset({"rate"})
    )


def _parse_own(path: Path, text: str) -> ModelInput:
    data = read_yaml(path, _ModelFile, "workload", text)
    element = _element(path, data.bytes_per_element)
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
        biases=ALL_BIASES if data.biases else NO_BIASES,
        vocabulary=data.vocabulary,
        outputs=data.outputs,
        dropout=data.dropout,
        causal=data.causal,
        around=_around(data),
        source=data.source or str(path),
    )
    return ModelInput(
        transformer, element, data.rate, data.sequence, data.batch, data.tp, data.dp, str(path),
        assumed=frozenset({"rate"} - data.model_fields_set), part=data.part,
    )  # fmt: skip


def _element(path: Path, size: float) -> int:
    if size < 1 or size != int(size):
        raise InputError(f"{path}, field 'bytes_per_element'", f"{size} B", "a whole number of at least 1 B")
    return int(size)


def _around(data: _ModelFile) -> Embedding:
    """Return what stands around the blocks beside tokens and output layer: BERT's positions, types, norm and pooler."""
    pooler = Projection("pooler", data.hidden, data.hidden, bias=data.biases, per_token=0.0)
    return Embedding(
        added=((data.positions or 0) + (data.token_types or 0)) * data.hidden,
        norm=data.hidden if data.embedding_norm else 0,
        back=(pooler,) if data.pooler else (),
    )


def _parse_hugging_face(path: Path, text: str) -> ModelInput:
    """Read a Hugging Face ``config.json``.

    It says nothing of the batch, which is one sequence per replica unless given, nor of the speed, which is that of the
    published workloads. The sequence is the longest that the model takes unless given.
    """
    return _of_config(path, read_yaml(path, _HuggingFace, "model", text).model_extra or {})


def _parse_with_config(path: Path, text: str) -> ModelInput:
    """Read a file that holds a ``config.json``, and may say how to run it: an entry of the zoo names its source."""
    data = read_yaml(path, _WithConfig, "model", text)
    model = _of_config(path, data.config)
    architecture = model.architecture
    if data.source and isinstance(architecture, Transformer):
        architecture = replace(architecture, source=data.source)
    batch, sequence = data.batch or model.batch, data.sequence or model.sequence
    assumed = model.assumed - ({"batch"} if data.batch else set())
    return replace(
        model, architecture=architecture, sequence=sequence, batch=batch, tp=data.tp, dp=data.dp, assumed=assumed
    )


def _of_config(path: Path, fields: Mapping[str, Any]) -> ModelInput:
    config = read_config(path, fields)
    return ModelInput(
        config.architecture, config.element, PUBLISHED_RATE, config.context, 1, None, None, str(path),
        config.names.get("context", "max_position_embeddings"), config, frozenset({"batch", "rate"}),
    )  # fmt: skip


def _check_heads(path: Path, model: Transformer, names: Mapping[str, str]) -> None:
    """Refuse heads that cannot share the hidden size or the heads of K and V; `names` are those of the file."""
    heads, grouped = names.get("heads", "heads"), names.get("kv_heads", "kv_heads")
    if model.heads is not None and model.head_dim is None and model.hidden % model.heads:
        found = f"{model.heads} heads"
        raise InputError(f"{path}, field '{heads}'", found, f"a divisor of the hidden size, {model.hidden}")
    if model.kv_heads is not None and (model.heads is None or model.heads % model.kv_heads):
        expected = f"a divisor of the number of heads, {model.heads or 'which is missing'}"
        raise InputError(f"{path}, field '{grouped}'", f"{model.kv_heads} K and V heads", expected)

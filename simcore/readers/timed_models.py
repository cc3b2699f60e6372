"""Models of a table of timed operators: their sizes, and what the machine that timed them takes beside its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.compute.operator_time import Harness, Link, PassName
from simcore.readers.aceso_sizes import ConvolutionalSizes, TransformerSizes
from simcore.readers.quantities import Bandwidth, Entry, NotEmpty, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import json_or_yaml

_Size = Annotated[Whole, Field(ge=1)]


@dataclass(frozen=True)
class TimedModel:
    """A family of models of the table.

    Attributes
    ----------
    dtype : str
        Number format of its products.
    sizes : mapping of str to TransformerSizes or ConvolutionalSizes
        By the size's name in the table.
    """

    dtype: str
    sizes: Mapping[str, TransformerSizes | ConvolutionalSizes]


@dataclass(frozen=True)
class TimedModels:
    """What is known of a table of timed operators that the table does not say.

    Attributes
    ----------
    device : str
        Device of the zoo that it was measured on.
    models : mapping of str to TimedModel
        By their name in the table.
    harness : Harness
        What the machine and the code around the kernels take.
    """

    device: str
    models: Mapping[str, TimedModel]
    harness: Harness


class _Transformer(Strict):
    hidden: _Size
    heads: _Size
    head_dim: _Size
    feed_forward: _Size
    vocabulary: _Size
    sequence: _Size
    decoder_sequence: _Size | None = None


class _Convolutional(Strict):
    blocks: Annotated[list[_Size], NotEmpty]
    channels: _Size
    widening: _Size


class _Model(Strict):
    dtype: Literal["fp16", "fp32"]
    transformer: dict[str, _Transformer] = Field(default_factory=dict)
    convolutional: dict[str, _Convolutional] = Field(default_factory=dict)


class _Host(Strict):
    kind: str
    forward: Time
    backward: Time


class _Link(Strict):
    model: str
    gpus: Annotated[Whole, Field(ge=2)]
    start: Time
    bandwidth: Bandwidth


class _File(Entry):
    device: str
    models: Annotated[dict[str, _Model], NotEmpty]
    host: list[_Host]
    links: list[_Link]


def read_timed_models(name_or_path: str | Path | InputFile, place: str = "operators") -> Read[TimedModels]:
    """Read what is known of a table of timed operators.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        For example ``aceso``, or a YAML file in the same form.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> read_timed_models("aceso").value.models["gpt"].sizes["13B"].hidden
    5120
    """
    file = read_entry("operators", name_or_path, place, "operators")
    data = read_yaml(file.path, _File, "operators", json_or_yaml(file, "operators"))
    models = {name: TimedModel(each.dtype, _sizes(each)) for name, each in data.models.items()}
    for number, each in enumerate(data.links, 1):
        if each.bandwidth <= 0:
            raise InputError(f"{file.path}, link {number}, field 'bandwidth'", "0", "a bandwidth above 0")
    return file.of(TimedModels(data.device, models, Harness(_host(data.host), _links(data.links))))


def _sizes(model: _Model) -> dict[str, TransformerSizes | ConvolutionalSizes]:
    transformers = {name: TransformerSizes(**each.model_dump()) for name, each in model.transformer.items()}
    networks = {
        name: ConvolutionalSizes(tuple(each.blocks), each.channels, each.widening)
        for name, each in model.convolutional.items()
    }
    return {**transformers, **networks}


def _host(rows: Sequence[_Host]) -> dict[tuple[str, PassName], float]:
    return {(one.kind, run): seconds for one in rows
            for run, seconds in ((PassName.FORWARD, one.forward), (PassName.BACKWARD, one.backward))}  # fmt: skip


def _links(rows: Sequence[_Link]) -> dict[tuple[str, int], Link]:
    return {(one.model, one.gpus): Link(one.start, one.bandwidth) for one in rows}

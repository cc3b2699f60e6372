"""Reader of models that are lists of layers: from simcore's own YAML to the sizes of a `LayeredModel`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from simcore.errors import InputError, did_you_mean, written
from simcore.files import read_yaml
from simcore.models.training.layered import MOST_LAYERS
from simcore.models.training.layered_model import (
    CUT,
    FLAGS,
    JOINS,
    MOST,
    SIZES,
    BlockEntry,
    LayerCut,
    LayeredModel,
    LayerEntry,
    LayerKind,
)
from simcore.numerals import as_whole
from simcore.readers.quantities import Bytes, Entry, NotEmpty, QuantityError, Strict, Whole

MOST_NESTED = 20
"""Blocks within one another."""

_Positive = Annotated[Whole, Field(ge=1, le=MOST)]


def _size(value: object) -> object:
    """Take a whole number, true, false, or the name of a parameter of the block after a dollar sign."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith("$") and value[1:].isidentifier():
        return value
    if not isinstance(value, str) and (number := as_whole(value)) is not None and 0 <= number <= MOST:
        return number
    found = f"'{value}'" if isinstance(value, str) else written(value)
    raise QuantityError("", found, f"a whole number from 0 to {MOST:,}, or a parameter of the block, such as $width")


_Size = Annotated[Whole | str, BeforeValidator(_size)]


def _sizes(kind: LayerKind) -> Any:
    """Return the field of a kind of layer: a mapping of its sizes, the name of what it is joined with, or nothing."""
    if kind in JOINS:
        return (str | None, None)
    needed: dict[str, Any] = {
        name: (_Size, ...) if default is None else (_Size | None, None) for name, default in SIZES.get(kind, {}).items()
    }
    return (create_model(f"_{kind.name.title()}", __base__=Strict, **needed) | None, None)


def _mapping(value: object) -> object:
    """Write a bare word, such as ``relu``, as the mapping that it stands for."""
    if isinstance(value, str):
        if value not in set(LayerKind):
            raise QuantityError("", f"'{value}'", "a layer", did_you_mean(value, [kind.value for kind in LayerKind]))
        return {value: {}}
    if isinstance(value, dict):  # a key with nothing behind it says as much as the bare word
        return {key: {} if each is None and key in _BARE else each for key, each in value.items()}
    return value


_BARE = {kind.value for kind in LayerKind if kind not in JOINS}


def _own_name(value: str) -> str:
    if not value.isidentifier() or not value.isascii():
        raise QuantityError("", f"'{value}'", "a name of letters, digits and underscores")
    return value


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_own_name)] | None = None
    source: str | None = Field(default=None, alias="from")
    block: str | None = None
    parameters: Annotated[dict[str, _Size], Field(alias="with")] = {}
    times: _Positive = 1
    stack: Annotated[str, AfterValidator(_own_name)] | None = None
    cut: Literal["out", "in", "gather"] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> _Head:
        named = [kind.value for kind in LayerKind if getattr(self, kind.value) is not None]
        named += [] if self.block is None else ["block"]
        if len(named) != 1:
            raise QuantityError("", " and ".join(named) or "no layer", "one layer, or one block, per entry")
        if self.block is None and (self.parameters or self.times != 1):
            remedy = "Put the layer into a block, and repeat that."
            raise QuantityError("", f"'times' or 'with' beside {named[0]}", "them beside a block", remedy)
        if self.stack is not None and self.block is None:
            raise QuantityError("", f"'stack' beside {named[0]}", "it beside a block")
        if self.cut is not None and named[0] not in CUT:
            expected = f"it beside {' or '.join(sorted(CUT))}"
            raise QuantityError("", f"'cut' beside {named[0]}", expected)
        return self


_Layer: type[_Head] = create_model("_Layer", __base__=_Head, **{kind.value: _sizes(kind) for kind in LayerKind})
_Entries = Annotated[list[Annotated[_Layer, BeforeValidator(_mapping)]], NotEmpty]


class _Input(Strict):
    channels: _Positive
    height: _Positive = 1
    width: _Positive = 1


class LayeredFile(Entry):
    """A file of a model that is a list of layers; how it is run stands beside the layers."""

    input: _Input
    layers: _Entries
    blocks: dict[str, _Entries] = {}  # noqa: RUF012 - pydantic copies defaults
    batch: _Positive | None = None
    bytes_per_element: Bytes = 4.0


def is_layered(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of a model that is a list of layers."""
    return "input" in fields


def read_layered(path: Path, text: str) -> tuple[LayeredModel, LayeredFile]:
    """Read a model that is a list of layers, with its blocks put in where they are used.

    Parameters
    ----------
    path : Path
        The file: the model is named after it.
    text : str
        Its content.

    Raises
    ------
    InputError
        Naming file, line and field, or block and layer.
    """
    data = read_yaml(path, LayeredFile, "model", text)
    entries = tuple(_Blocks(path, data.blocks).entries(data.layers, {}, ()))
    given, source = data.input, data.source or str(path)
    return LayeredModel(path.stem, given.channels, given.height, given.width, entries, source), data


class _Blocks:
    """Puts blocks in where they are used, and parameters where their names stand."""

    def __init__(self, path: Path, blocks: Mapping[str, Sequence[_Head]]) -> None:
        self.path, self.blocks, self.written = path, blocks, 0

    def entries(
        self, listed: Sequence[_Head], given: Mapping[str, int], within: tuple[str, ...]
    ) -> Iterator[LayerEntry | BlockEntry]:
        """Yield the entries of a list; one without a name is called what it is, with a number where that is taken."""
        taken = {"input"}
        for each in listed:
            self.written += 1
            if self.written > MOST_LAYERS:
                raise InputError(str(self.path), "more", f"{MOST_LAYERS:,} layers written out at most")
            kind = each.block or next(kind.value for kind in LayerKind if getattr(each, kind.value) is not None)
            name = each.name or next(one for one in _names(kind) if one not in taken)
            if name in taken:
                raise InputError(self.place(within, name), f"the name '{name}' again", "a name of its own")
            taken.add(name)
            yield self.entry(each, kind, name, given, within)

    def entry(
        self, each: _Head, kind: str, name: str, given: Mapping[str, int], within: tuple[str, ...]
    ) -> LayerEntry | BlockEntry:
        """Return one entry."""
        place, source = self.place(within, name), each.source or ""
        if each.block is None:
            told = getattr(each, kind)
            if isinstance(told, str):
                return LayerEntry(LayerKind(kind), name, {}, source, told)
            cut = None if each.cut is None else LayerCut(each.cut)
            return LayerEntry(LayerKind(kind), name, _resolved(LayerKind(kind), told, given, place), source, cut=cut)
        if kind not in self.blocks:
            raise InputError(f"{place}, field 'block'", f"'{kind}'", f"one of {', '.join(self.blocks) or 'no blocks'}")
        if kind in within or len(within) == MOST_NESTED:
            found = f"block '{kind}' inside itself" if kind in within else f"more than {MOST_NESTED} blocks nested"
            raise InputError(place, found, "blocks that come to an end")
        own = {key: _number(value, given, f"{place}, field 'with.{key}'") for key, value in each.parameters.items()}
        inside = tuple(self.entries(self.blocks[kind], own, (*within, kind)))
        if each.stack is not None and within:
            raise InputError(f"{place}, field 'stack'", f"'{each.stack}' inside a block", "it in the list of layers")
        return BlockEntry(name, inside, each.times, source, each.stack or "")

    def place(self, within: tuple[str, ...], name: str) -> str:
        """Return the place of a layer, for messages."""
        block = f"block '{within[-1]}', " if within else ""
        return f"{self.path}, {block}layer '{name}'"


def _names(kind: str) -> Iterator[str]:
    yield kind
    number = 2
    while True:
        yield f"{kind}_{number}"
        number += 1


def _resolved(kind: LayerKind, told: BaseModel, given: Mapping[str, int], place: str) -> dict[str, int]:
    """Return the sizes of a layer as numbers, defaults filled in."""
    sizes: dict[str, int] = {}
    for name, default in SIZES.get(kind, {}).items():
        value = getattr(told, name)
        number = default if value is None else _number(value, given, f"{place}, field '{name}'")
        assert number is not None  # of a size without default, which the file gives
        least, most = (0, 1) if name in FLAGS else (0 if name == "padding" else 1, MOST)
        if value is not None and not least <= number <= most:
            expected = "true or false" if name in FLAGS else f"a whole number of at least {least}"
            raise InputError(f"{place}, field '{name}'", str(number), expected)
        sizes[name] = number
    if sizes.get("padding") == -1:
        sizes["padding"] = (sizes["kernel"] - 1) // 2
    if sizes.get("stride") == -1:
        sizes["stride"] = sizes["kernel"]
    return sizes


def _number(value: int | str, given: Mapping[str, int], place: str) -> int:
    if isinstance(value, int):
        return value
    if value[1:] not in given:
        known = ", ".join(f"${name}" for name in given)
        expected = f"a number, or one of {known}" if known else "a number, as no parameters are given here"
        raise InputError(place, f"'{value}'", expected, "Give it with 'with' beside the block.")
    return given[value[1:]]

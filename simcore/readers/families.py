"""Families of Hugging Face models: which fields of a ``config.json`` decide the shape, as data of the zoo.

A family is a file of ``zoo/families``, named after its ``model_type``. Its sizes are expressions over the fields of the
config: ``num_key_value_heads | this.heads`` is the field, or where that is absent the family's own size ``heads``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from simcore.errors import InputError, shortened
from simcore.files import read_yaml
from simcore.models.training.functions import Norm, Positions
from simcore.readers import zoo
from simcore.readers.quantities import Entry, QuantityError, Real, Strict
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sizes import check_formula, fields_in


def _formula(value: object) -> str:
    formula = value if isinstance(value, str) else str(value)
    try:
        check_formula(formula)
    except ValueError as error:
        raise QuantityError("", f"'{shortened(formula, 60)}'", str(error)) from None
    return formula


Formula = Annotated[str, BeforeValidator(_formula)]
"""An expression, or a number or a flag that stands for itself."""


INSTEAD = "Write a transformer with its sizes, or for train and optimize its layers as an ASTRA-sim text."
"""What to do about a model that no family describes."""


class _Projection(Strict):
    name: str
    inputs: Formula
    outputs: Formula
    bias: Formula = "false"
    norm: Formula = "false"
    per_token: Real = 1.0
    when: Formula = "true"
    times: Formula = "1"


class _Tower(Strict):
    config: str
    like: str


class _Functions(Strict):
    activation: Formula | None = None
    norm: Norm | None = None
    positions: Positions | None = None
    types: Formula | None = None


class _FamilyFile(Entry):
    like: str | None = None
    refused: str | None = None
    text: str | None = None
    tower: _Tower | None = None
    sizes: dict[str, Formula] = Field(default_factory=dict)
    encoder: dict[str, Formula] = Field(default_factory=dict)
    functions: _Functions = _Functions()
    front: list[_Projection] | None = None
    back: list[_Projection] | None = None
    encoder_front: list[_Projection] | None = None
    ignored: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Family:
    """How the configs of a family are read; see `simcore.readers.hugging_face`.

    Attributes
    ----------
    name : str
        Its ``model_type``.
    sizes, encoder : mapping of str to str
        Expressions by size, and those in which an encoder differs; no expressions for no encoder.
    functions : mapping of str to str
        What it computes element by element: expressions of ``activation`` and ``types``, words of ``norm`` and
        ``positions``. What is not there follows from the sizes, see `Transformer.kinds`.
    front, back, encoder_front : tuple
        Products before the blocks and after them, and before those of the encoder.
    text : str or None
        Field that holds the config of the text part, where the config has it.
    tower : tuple of str or None
        Field that holds the config of a tower of images, and the tower's family.
    ignored : frozenset of str
        Fields that look like sizes, and change nothing.
    refused : str or None
        What its models are, where they are no transformers; None where they are.
    """

    name: str
    sizes: Mapping[str, str]
    encoder: Mapping[str, str]
    front: tuple[_Projection, ...]
    back: tuple[_Projection, ...]
    encoder_front: tuple[_Projection, ...]
    text: str | None
    tower: tuple[str, str] | None
    ignored: frozenset[str]
    refused: str | None = None
    functions: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> set[str]:
        """Return all fields that its expressions read, nested ones with dots.

        Examples
        --------
        >>> sorted(read_family("mixtral").value.fields())[:2]
        ['head_dim', 'hidden_act']
        """
        formulas = [*self.sizes.values(), *self.encoder.values()]
        formulas += [self.functions[name] for name in ("activation", "types") if name in self.functions]
        for one in (*self.front, *self.back, *self.encoder_front):
            formulas += [one.inputs, one.outputs, one.bias, one.norm, one.when, one.times]
        return {name for formula in formulas for name in fields_in(formula)}

    def fields_of(self, size: str) -> list[str]:
        """Return the fields that one size may come from."""
        return [*fields_in(self.sizes.get(size, "None"))]


def read_family(name_or_path: str | Path | InputFile, place: str = "family") -> Read[Family]:
    """Read a family of models, with what it has from those that it is like.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        A ``model_type``, or a file.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        If there is none, or naming file, line and field.

    Examples
    --------
    >>> read_family("mixtral").value.sizes["experts"]
    'num_local_experts | 8'
    """
    file = read_entry("families", name_or_path, place, "family")
    return file.of(_family(file.path, file.text))


@lru_cache(maxsize=64)
def _family(path: Path, text: str) -> Family:
    """Return the family of a file; every model of it asks again."""
    chain = [*reversed([*_chain(path, text)])]
    own, last = chain[-1], _last(chain)
    return Family(
        name=path.stem,
        sizes=_merged(one.sizes for one in chain),
        encoder=_merged(one.encoder for one in chain),
        front=tuple(last("front") or ()),
        back=tuple(last("back") or ()),
        encoder_front=tuple(last("encoder_front") or ()),
        text=own.text,
        tower=None if own.tower is None else (own.tower.config, own.tower.like),
        ignored=frozenset(name for one in chain for name in one.ignored),
        refused=own.refused,
        functions=_merged(one.functions.model_dump(exclude_none=True) for one in chain),
    )


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def family_of(model_type: str, place: str) -> Family:
    """Return the family of a ``model_type``.

    Raises
    ------
    InputError
        For a type that is no transformer, by what it is, and for one that the zoo does not know.

    Examples
    --------
    >>> family_of("mamba", "config.json")
    Traceback (most recent call last):
        ...
    simcore.errors.InputError: config.json: found 'mamba', a state-space model, expected a transformer. ...
    """
    known = zoo.names("families")
    if model_type.lower() not in {name.lower() for name in known}:
        # a name in another spelling, never a near one: that of another family would give another model
        alike = [name for name in known if _letters(name) == _letters(model_type)]
        hint = f"Did you mean '{alike[0]}'? " if alike else ""
        expected = "one of the families that 'simcore zoo families' lists"
        raise InputError(place, f"'{model_type}'", expected, hint + INSTEAD)
    family = read_family(model_type, place).value
    if family.refused is not None:
        raise InputError(place, f"'{model_type}', {family.refused}", "a transformer", INSTEAD)
    return family


def _chain(path: Path, text: str) -> Iterator[_FamilyFile]:
    """Yield a family and those that it is like."""
    seen: list[str] = []
    while True:
        read = read_yaml(path, _FamilyFile, "family", text)
        yield read
        if read.like is None:
            return
        seen.append(path.stem)
        where = f"{path}, field 'like'"
        if read.like in seen:
            raise InputError(where, f"'{read.like}'", "a family that is not like this one")
        file = read_entry("families", read.like, where, "family")
        path, text = file.path, file.text


def _last(chain: list[_FamilyFile]) -> Callable[[str], Any]:
    def last(field: str) -> Any:
        given = [value for one in chain if (value := getattr(one, field)) is not None]
        return given[-1] if given else None

    return last


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return reduce(lambda merged, part: {**merged, **part}, parts, {})

"""Formats of LIBRA and of the artifact that it grew from: prices and communicators.

Their files carry no units: the formats fix them. JSON is read through the YAML reader, which gives errors their line.
Case, hyphens and underscores make no difference in names.

A price table maps levels (``Tile``, ``InterPod``...) to ``Link``, ``Switch`` and ``Nic`` prices in dollars per GB/s. A
communicator file maps the passes to one group size per dimension, innermost first. There -1 is a dimension that the
group does not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.network.cost import CostModel, LevelCost
from simcore.models.network.mapping import Groups
from simcore.readers.other_files import refuse_other
from simcore.readers.quantities import Measure, NotEmpty, QuantityError, Whole
from simcore.readers.read import InputFile, Read, read_path
from simcore.readers.sniff import json_or_yaml, plain, top_fields

_PASSES = {
    "f": "forward",
    "fwd": "forward",
    "forward": "forward",
    "i": "input_gradient",
    "ig": "input_gradient",
    "inputgrad": "input_gradient",
    "inputgradient": "input_gradient",
    "w": "weight_gradient",
    "wg": "weight_gradient",
    "weightgrad": "weight_gradient",
    "weightgradient": "weight_gradient",
}

_Dollars = Annotated[Measure, Field(ge=0)]


def _folded(data: Mapping[object, object], names: Mapping[str, str], expected: str) -> dict[str, object]:
    """Return a mapping by the names that its keys stand for, whatever their spelling.

    A key that is none of them gets no suggestion: the closest name may mean something else.
    """
    folded: dict[str, object] = {}
    for key, value in data.items():
        name = names.get(plain(key))
        if name is None:
            raise QuantityError("", f"'{key}'", expected)
        if name in folded:
            raise QuantityError("", f"'{key}' beside another spelling of it", "each name once", "Remove one of them.")
        folded[name] = value
    return folded


class _Prices(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    link: _Dollars
    switch: _Dollars | None = None
    nic: _Dollars | None = None

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, data: object) -> object:
        if not isinstance(data, dict):
            raise QuantityError("", repr(data), "a level: a mapping with Link and, where it has them, Switch and Nic")
        return _folded(data, {name: name for name in cls.model_fields}, "the prices Link, Switch and Nic")


class _PriceTable(RootModel[Annotated[dict[str, _Prices], NotEmpty]]):
    pass


_Group = Annotated[list[Whole], NotEmpty]


class _Communicators(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    forward: _Group
    input_gradient: _Group
    weight_gradient: _Group

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, data: object) -> object:
        return (
            _folded(data, _PASSES, "the groups Forward, InputGrad and WeightGrad") if isinstance(data, dict) else data
        )

    @model_validator(mode="after")
    def _check(self) -> _Communicators:
        for sizes in (self.forward, self.input_gradient, self.weight_gradient):
            if any(size < 1 and size != -1 for size in sizes):
                raise QuantityError("", str(sizes), "group sizes of at least 1, or -1 for a dimension not used")
        if self.forward != self.input_gradient:
            raise QuantityError(
                "",
                f"forward {self.forward} and input gradient {self.input_gradient}",
                "the same group for both, because both run in the tensor-parallel group",
            )
        return self


def parse_prices(path: Path, text: str) -> CostModel:
    """Read a price table, JSON or YAML.

    Levels named ``Inter...`` are LIBRA's, which counts the links of rings and full meshes in both directions.

    Raises
    ------
    InputError
        Naming file, line and level.
    """
    table = read_yaml(path, _PriceTable, "cost", text).root

    levels = {
        name: LevelCost(_per_byte(prices.link), *(p and _per_byte(p) for p in (prices.switch, prices.nic)))
        for name, prices in table.items()
    }
    both = all(plain(name).startswith("inter") for name in levels)
    return CostModel(path.stem, levels, both, str(path))


def _per_byte(dollars: float) -> float:
    """Turn dollars per GB/s into dollars per B/s: GB is 1e9 bytes, and decimals stay what they are."""
    return float(Decimal(repr(dollars)).scaleb(-9))


def read_communicators(path: Path) -> Read[Groups]:
    """Read LIBRA's communicators: who talks to whom in each pass, given dimension by dimension.

    Parameters
    ----------
    path : Path
        YAML or JSON with ``Forward``, ``InputGrad`` and ``WeightGrad``, or ``F``, ``I`` and ``W``.

    Returns
    -------
    Read of Groups
        The tensor-parallel group from F and I, the data-parallel group from W; 1 for a dimension not used.

    Raises
    ------
    InputError
        Naming file, line and field; also where F and I differ.
    """
    file = read_path(path, "communicator")
    return file.of(parse_communicators(file))


def parse_communicators(file: InputFile) -> Groups:
    """Return the groups of a communicator file, see `read_communicators`."""
    path = file.path
    text = json_or_yaml(file, "communicator")
    refuse_other(path, text, top_fields(text), "communicator")
    data = read_yaml(path, _Communicators, "communicator", text)
    if len(data.forward) != len(data.weight_gradient):
        found = f"{len(data.forward)} sizes in F and {len(data.weight_gradient)} in W"
        raise InputError(str(path), found, "one size per dimension of the network in each")
    tp, dp = (tuple(max(size, 1) for size in sizes) for sizes in (data.forward, data.weight_gradient))
    return Groups(tp, dp)

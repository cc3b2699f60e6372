"""Readers of price tables (LIBRA's YAML, the artifact's JSON) and of LIBRA's communicators.

LIBRA's network file has the artifact's fields and is read by `simcore.readers.artifact_json`.

A price table maps levels (``Tile``, ``InterPod``...) to ``Link``, ``Switch`` and ``Nic`` prices in dollars per GB/s,
bare numbers by its format. A communicator file maps the passes to one group size per dimension, innermost first, with
-1 for a dimension that the group does not use. Case, hyphens and underscores make no difference in names.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.network.cost import CostModel, LevelCost
from simcore.models.network.mapping import Groups
from simcore.readers.quantities import NotEmpty, QuantityError
from simcore.readers.sniff import read_source

_OWN_FIELDS = {"prices", "count_links"}
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

_Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _plain(name: object) -> str:
    return str(name).replace("-", "").replace("_", "").replace(" ", "").lower()


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
        folded = {_plain(key): value for key, value in data.items()}
        for name in folded.keys() - cls.model_fields.keys():
            raise QuantityError("", f"'{name}'", "the prices Link, Switch and Nic")
        return folded


class _PriceTable(RootModel[Annotated[dict[str, _Prices], NotEmpty]]):
    pass


_Group = Annotated[list[int], NotEmpty]


class _Communicators(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    forward: _Group
    input_gradient: _Group
    weight_gradient: _Group

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, data: object) -> object:
        return {_PASSES.get(_plain(key), key): value for key, value in data.items()} if isinstance(data, dict) else data

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


def is_price_table(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields can be levels: none of them is a field of simcore's own format."""
    return bool(fields) and not fields & _OWN_FIELDS


def read_costs(path: Path, text: str) -> CostModel:
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
    both = all(_plain(name).startswith("inter") for name in levels)
    return CostModel(path.stem, levels, both, str(path))


def _per_byte(dollars: float) -> float:
    """Turn dollars per GB/s into dollars per B/s: GB is 1e9 bytes, and decimals stay what they are."""
    return float(Decimal(repr(dollars)).scaleb(-9))


def read_communicators(path: Path) -> Groups:
    """Read LIBRA's communicators: who talks to whom in each pass, given dimension by dimension.

    Parameters
    ----------
    path : Path
        YAML or JSON with ``F``, ``I`` and ``W`` (or ``forward``, ``input_gradient``, ``weight_gradient``).

    Returns
    -------
    Groups
        The tensor-parallel group from F and I, the data-parallel group from W; 1 for a dimension not used.

    Raises
    ------
    InputError
        Naming file, line and field; also where F and I differ.
    """
    data = read_yaml(path, _Communicators, "communicator", read_source(path, "communicator"))
    if len(data.forward) != len(data.weight_gradient):
        found = f"{len(data.forward)} sizes in F and {len(data.weight_gradient)} in W"
        raise InputError(str(path), found, "one size per dimension of the network in each")
    tp, dp = (tuple(max(size, 1) for size in sizes) for sizes in (data.forward, data.weight_gradient))
    return Groups(tp, dp)

"""Formats of LIBRA and of the artifact that it grew from: networks, prices and communicators.

Their files carry no units: the formats fix them. JSON is read through the YAML reader, which gives errors their line.
Case, hyphens and underscores make no difference in names.

Networks come in two flavours, which their fields tell apart.

* optimizer (the SC'22 submission 245 artifact's JSON, LIBRA's YAML): ``topology``, ``npus-count``, ``network-type``,
  one value per dimension, innermost first. ``total-bandwidth`` [GB/s] is read over: the budget is an argument.
* evaluation (the artifact's simulator): ``topologies-per-dim``, ``units-count``, ``dimension-type``, ``link-latency``
  [ns]. What describes links, NICs, routers and memory is read over.

A price table maps levels (``Tile``, ``InterPod``...) to ``Link``, ``Switch`` and ``Nic`` prices in dollars per GB/s. A
communicator file maps the passes to one group size per dimension, innermost first. There -1 is a dimension that the
group does not use.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from simcore.errors import InputError, did_you_mean
from simcore.files import read_yaml
from simcore.models.network.cost import CostModel, LevelCost
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers.quantities import NotEmpty, QuantityError
from simcore.readers.read import Read, read_path
from simcore.readers.sniff import json_or_yaml

_BLOCKS = {
    "ring": Block.RING,
    "fullyconnected": Block.FULLY_CONNECTED,
    "fc": Block.FULLY_CONNECTED,
    "direct": Block.FULLY_CONNECTED,
    "switch": Block.SWITCH,
}
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


def _block(value: object) -> Block:
    block = _BLOCKS.get(_plain(value))
    if block is None:
        names = [str(known) for known in Block]
        raise QuantityError("", f"'{value}'", f"one of {', '.join(names)}", did_you_mean(str(value), names))
    return block


def _named(name: str) -> AliasChoices:
    return AliasChoices(name, name.replace("-", "_"))


_Blocks = list[Annotated[Block, BeforeValidator(_block)]]
_Sizes = list[Annotated[int, Field(ge=1)]]


class _Foreign(BaseModel):
    """A file of another program: fields that simcore has no use for are read over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _OptimizerNetwork(_Foreign):
    topology: _Blocks
    npus: _Sizes = Field(validation_alias=_named("npus-count"))
    levels: list[str] = Field(validation_alias=_named("network-type"))


class _EvaluationNetwork(_Foreign):
    topology: _Blocks = Field(validation_alias=_named("topologies-per-dim"))
    npus: _Sizes = Field(validation_alias=_named("units-count"))
    levels: list[str] = Field(validation_alias=_named("dimension-type"))
    latency: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        None, validation_alias=_named("link-latency")
    )


def parse_topology(path: Path, text: str, fields: set[str]) -> Topology:
    """Read a network of the artifact or of LIBRA, either flavour.

    Parameters
    ----------
    path : Path
        The file: the network is named after it.
    text : str
        Its content, JSON or YAML.
    fields : set of str
        Its top-level fields.

    Raises
    ------
    InputError
        Naming file, line and field; also where the sizes are the placeholders that the artifact's evaluation files
        hold, because there the sizes are an argument of the simulator.
    """
    evaluation = any(field.replace("_", "-") == "topologies-per-dim" for field in fields)
    if evaluation:
        data: _OptimizerNetwork | _EvaluationNetwork = read_yaml(path, _EvaluationNetwork, "network", text)
    else:
        data = read_yaml(path, _OptimizerNetwork, "network", text)
    count = len(data.topology)
    latency = getattr(data, "latency", None) or [0.0] * count
    size_field = "units-count" if evaluation else "npus-count"
    for field, values in ((size_field, data.npus), ("levels", data.levels), ("link-latency", latency)):
        if len(values) != count:
            what = f"{count} values, one per dimension of the topology"
            raise InputError(f"{path}, field '{field}'", f"{len(values)} values", what)
    if max(data.npus, default=0) < 2 and (evaluation or not data.npus):
        remedy = f"Write the sizes, innermost first, into '{size_field}'."
        raise InputError(f"{path}, field '{size_field}'", str(data.npus), "a dimension of at least 2 NPUs", remedy)
    dimensions = (
        Dimension(block, size, level, nanoseconds / 1e9)
        for block, size, level, nanoseconds in zip(data.topology, data.npus, data.levels, latency, strict=True)
    )
    return Topology(path.stem, tuple(dimensions), str(path))


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
    both = all(_plain(name).startswith("inter") for name in levels)
    return CostModel(path.stem, levels, both, str(path))


def _per_byte(dollars: float) -> float:
    """Turn dollars per GB/s into dollars per B/s: GB is 1e9 bytes, and decimals stay what they are."""
    return float(Decimal(repr(dollars)).scaleb(-9))


def read_communicators(path: Path) -> Read[Groups]:
    """Read LIBRA's communicators: who talks to whom in each pass, given dimension by dimension.

    Parameters
    ----------
    path : Path
        YAML or JSON with ``F``, ``I`` and ``W`` (or ``forward``, ``input_gradient``, ``weight_gradient``).

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
    data = read_yaml(path, _Communicators, "communicator", json_or_yaml(file, "communicator"))
    if len(data.forward) != len(data.weight_gradient):
        found = f"{len(data.forward)} sizes in F and {len(data.weight_gradient)} in W"
        raise InputError(str(path), found, "one size per dimension of the network in each")
    tp, dp = (tuple(max(size, 1) for size in sizes) for sizes in (data.forward, data.weight_gradient))
    return file.of(Groups(tp, dp))

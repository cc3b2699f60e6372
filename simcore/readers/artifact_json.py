"""Readers of other programs' network and cost files, which carry no units: their formats fix them.

Two flavours of network are known by their fields:

* optimizer (the SC'22 submission 245 artifact's JSON, LIBRA's YAML): ``topology``, ``npus-count``, ``network-type``,
  one value per dimension, innermost first; ``total-bandwidth`` [GB/s] is read over, as the budget is an argument.
* evaluation (the artifact's simulator): ``topologies-per-dim``, ``units-count``, ``dimension-type``, ``link-latency``
  [ns]; what describes links, NICs, routers and memory is read over.

Underscores may stand for hyphens. JSON is read through the YAML reader, which gives errors their line. Prices are read
by `simcore.readers.libra`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from simcore.errors import InputError, did_you_mean
from simcore.files import read_yaml
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers.quantities import QuantityError

_BLOCKS = {
    "ring": Block.RING,
    "fullyconnected": Block.FULLY_CONNECTED,
    "fc": Block.FULLY_CONNECTED,
    "direct": Block.FULLY_CONNECTED,
    "switch": Block.SWITCH,
}


def _block(value: object) -> Block:
    block = _BLOCKS.get(str(value).replace("-", "").replace("_", "").lower())
    if block is None:
        names = [str(known) for known in Block]
        raise QuantityError("", f"'{value}'", f"one of {', '.join(names)}", did_you_mean(str(value), names))
    return block


def _named(name: str) -> AliasChoices:
    return AliasChoices(name, name.replace("-", "_"))


Blocks = list[Annotated[Block, BeforeValidator(_block)]]
Sizes = list[Annotated[int, Field(ge=1)]]


class _Foreign(BaseModel):
    """A file of another program: fields that simcore has no use for are read over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _OptimizerNetwork(_Foreign):
    topology: Blocks
    npus: Sizes = Field(validation_alias=_named("npus-count"))
    levels: list[str] = Field(validation_alias=_named("network-type"))


class _EvaluationNetwork(_Foreign):
    topology: Blocks = Field(validation_alias=_named("topologies-per-dim"))
    npus: Sizes = Field(validation_alias=_named("units-count"))
    levels: list[str] = Field(validation_alias=_named("dimension-type"))
    latency: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        None, validation_alias=_named("link-latency")
    )


def is_network(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of another program's network."""
    return bool({field.replace("_", "-") for field in fields} & {"npus-count", "topologies-per-dim"})


def read_network(path: Path, text: str, fields: set[str]) -> Topology:
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

"""Networks of other programs: ASTRA-sim 1.0 and 2, LIBRA, and the artifact that LIBRA grew from.

Their files carry no units: the formats fix them. Latency is in ns, bandwidth in GB/s, and a GB/s is 1e9 B/s here as
everywhere in simcore; ASTRA-sim itself takes it for 2**30 B/s. JSON is read through the YAML reader, which gives errors
their line. A list has one value per dimension, innermost first; where there is one dimension a bare value does.

* ASTRA-sim 1.0 (JSON): ``topologies-per-dim``, ``units-count``, ``links-count``, ``link-bandwidth`` of one link,
  ``link-latency``. An NPU has links-count times link-bandwidth into a dimension. ``dimension-type`` is for prices.
* ASTRA-sim 2 (YAML): ``topology``, ``npus_count``, ``bandwidth``, ``latency``.
* LIBRA (YAML: ``Topology``, ``NpusCount``, ``CostDimension``) and the artifact's optimiser (JSON: ``topology``,
  ``npus-count``, ``network-type``): no bandwidth, because that is what they look for, and no latency.

References
----------
github.com/astra-sim/astra-network-analytical: ``HierarchicalTopology`` of version 1 for what a message takes, and the
documentation of the input format of version 2. github.com/astra-sim/libra: ``NetworkParser``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from simcore.errors import InputError, did_you_mean
from simcore.files import read_yaml
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers.network_string import MOST_NPUS, NetworkSpec, check_npus
from simcore.readers.quantities import Measure, NotEmpty, QuantityError, Whole
from simcore.readers.sniff import is_per_dimension, plain
from simcore.units import LEAST_BANDWIDTH, counted

_BLOCKS = {
    "ring": Block.RING,
    "fullyconnected": Block.FULLY_CONNECTED,
    "fc": Block.FULLY_CONNECTED,
    "direct": Block.FULLY_CONNECTED,
    "switch": Block.SWITCH,
}
_CLOSE = 0.65
"""How much alike a block and a word must be for a suggestion: what is another topology gets none."""
_PER_DIMENSION = "one per dimension of the topology"


def _block(value: object) -> Block:
    block = _BLOCKS.get(plain(value))
    if block is None:
        names = [str(known) for known in Block]
        remedy = did_you_mean(str(value), names, _CLOSE)
        if "torus" in plain(value):
            remedy = "A torus is a Ring in each of its dimensions."
        raise QuantityError("", f"'{value}'", f"one of {', '.join(names)}", remedy)
    return block


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | int | float) else value


def _spelled(*names: str) -> AliasChoices:
    """Return how a name with hyphens may be written: with hyphens or underscores, or in one word of capitals."""
    written = []
    for name in names:
        words = name.split("-")
        pascal = "".join(word.capitalize() for word in words)
        written += [name, "_".join(words), pascal, pascal[0].lower() + pascal[1:]]
    return AliasChoices(*dict.fromkeys(written))


_Listed = BeforeValidator(_listed)
_Blocks = Annotated[list[Annotated[Block, BeforeValidator(_block)]], NotEmpty, _Listed]
_Count = Annotated[Whole, Field(ge=1, le=MOST_NPUS)]
_Counts = Annotated[list[_Count], _Listed]
# 1e15 ns are eleven days, and products with it stay finite
_Numbers = Annotated[list[Annotated[Measure, Field(ge=0, le=1e15)]], _Listed]
_Levels = Annotated[list[str], _Listed]


class _Foreign(BaseModel):
    """A network of another program."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Planned(_Foreign):
    """Of ASTRA-sim 2, of LIBRA, or of the artifact's optimiser."""

    topology: _Blocks = Field(validation_alias=_spelled("topology"))
    npus_count: _Counts = Field(validation_alias=_spelled("npus-count"))
    network_type: _Levels | None = Field(None, validation_alias=_spelled("network-type", "cost-dimension"))
    bandwidth: _Numbers | None = Field(None, validation_alias=_spelled("bandwidth"))
    latency: _Numbers | None = Field(None, validation_alias=_spelled("latency"))
    total_bandwidth: Any = Field(None, validation_alias=_spelled("total-bandwidth"))


class _Linked(_Foreign):
    """Of ASTRA-sim 1.0, which says what each link has."""

    topologies_per_dim: _Blocks = Field(validation_alias=_spelled("topologies-per-dim"))
    units_count: _Counts = Field(validation_alias=_spelled("units-count"))
    link_latency: _Numbers = Field(validation_alias=_spelled("link-latency"))
    links_count: _Counts | None = Field(None, validation_alias=_spelled("links-count"))
    link_bandwidth: _Numbers | None = Field(None, validation_alias=_spelled("link-bandwidth"))
    dimension_type: _Levels | None = Field(None, validation_alias=_spelled("dimension-type"))
    dimensions_count: _Count | None = Field(None, validation_alias=_spelled("dimensions-count"))
    nic_latency: _Numbers | None = Field(None, validation_alias=_spelled("nic-latency"))
    router_latency: _Numbers | None = Field(None, validation_alias=_spelled("router-latency"))
    hbm_scale: _Numbers | None = Field(None, validation_alias=_spelled("hbm-scale"))
    hbm_latency: Any = Field(None, validation_alias=_spelled("hbm-latency"))
    hbm_bandwidth: Any = Field(None, validation_alias=_spelled("hbm-bandwidth"))
    topology_name: Any = Field(None, validation_alias=_spelled("topology-name"))
    use_fast_version: Any = Field(None, validation_alias=_spelled("use-fast-version"))


@dataclass(frozen=True)
class _File:
    """A file, and how it writes its fields."""

    path: Path
    fields: frozenset[str]

    @property
    def network(self) -> str:
        """The network, for notes."""
        return f"Network {self.path.stem}"

    def field(self, name: str) -> str:
        """Return the place of a field, written as in the file."""
        written = next((each for each in sorted(self.fields) if plain(each) == plain(name)), name)
        return f"{self.path}, field '{written}'"


@dataclass
class _Said:
    """What a file says per dimension, with what a reader of a result must know of it."""

    blocks: Sequence[Block]
    sizes: Sequence[int]
    levels: Sequence[str]
    latencies: Sequence[float]
    bandwidths: Sequence[float] | None
    notes: list[str] = default(default_factory=list)
    of_bandwidth: list[str] = default(default_factory=list)


def parse_foreign_network(path: Path, text: str, fields: set[str]) -> NetworkSpec:
    """Read a network of ASTRA-sim, of LIBRA or of the artifact.

    Parameters
    ----------
    path : Path
        The file: the network is named after it.
    text : str
        Its content, JSON or YAML.
    fields : set of str
        Its top-level fields.

    Returns
    -------
    NetworkSpec
        Bandwidths [B/s per NPU] where the file has them, and what must be known of it.

    Raises
    ------
    InputError
        Naming file, line and field; also where the sizes are the placeholders that the artifact's evaluation files
        hold, because there the sizes are an argument of the simulator.
    """
    file = _File(path, frozenset(fields))
    if is_per_dimension(fields):
        said = _linked(file, read_yaml(path, _Linked, "network", text))
    else:
        said = _planned(file, read_yaml(path, _Planned, "network", text))
    dimensions = (
        Dimension(block, size, level, nanoseconds / 1e9)
        for block, size, level, nanoseconds in zip(said.blocks, said.sizes, said.levels, said.latencies, strict=True)
    )
    check_npus(said.sizes, str(path))
    bandwidths = None if said.bandwidths is None else tuple(each * 1e9 for each in said.bandwidths)
    topology = Topology(path.stem, tuple(dimensions), str(path))
    return NetworkSpec(topology, bandwidths, tuple(said.notes), tuple(said.of_bandwidth))


def _planned(file: _File, data: _Planned) -> _Said:
    """Return what a network of ASTRA-sim 2, LIBRA or the artifact's optimiser says."""
    count = len(data.topology)
    lists = {"npus_count": data.npus_count, "network_type": data.network_type}
    _check_lengths(file, count, {**lists, "bandwidth": data.bandwidth, "latency": data.latency})
    if data.bandwidth is not None and data.latency is None:
        raise _missing(file, "latency", count, "ns")
    _check_positive(file, "bandwidth", data.bandwidth)
    latencies = data.latency or [0.0] * count
    said = _Said(data.topology, data.npus_count, data.network_type or [""] * count, latencies, data.bandwidth)
    if data.latency is None:
        said.notes.append(
            f"{file.network} says nothing of latency, as files of LIBRA do: its links have none. Add the field latency "
            "[ns] where they have."
        )
    said.of_bandwidth += _mesh_notes(file, data)
    return said


def _mesh_notes(file: _File, data: _Planned) -> list[str]:
    """Say what ASTRA-sim 2 makes of the bandwidth of a full mesh."""
    notes = []
    for d, bandwidth in enumerate(data.bandwidth or ()):
        links = data.npus_count[d] - 1
        if data.topology[d] is Block.FULLY_CONNECTED and links > 1:
            notes.append(
                f"{file.network}, dimension {d + 1}: {bandwidth:g} GB/s are taken as what one NPU has in all over its "
                f"{links} links there. ASTRA-sim 2 gives them to each link: write {bandwidth * links:g} for that."
            )
    return notes


def _linked(file: _File, data: _Linked) -> _Said:
    """Return what a network of ASTRA-sim 1.0 says."""
    count = len(data.topologies_per_dim)
    _check_linked(file, data, count)
    said = _Said(data.topologies_per_dim, data.units_count, data.dimension_type or [""] * count, (), None)
    said.latencies = [_hop(file, data, d, said.notes) for d in range(count)]
    if data.link_bandwidth is not None:
        links = data.links_count or []
        said.bandwidths = [number * each for number, each in zip(links, data.link_bandwidth, strict=True)]
        said.of_bandwidth += [note for d in range(count) for note in _spare_links(file, data, d)]
    return said


def _check_linked(file: _File, data: _Linked, count: int) -> None:
    """Refuse what does not fit together, is missing, or changes times in a way that simcore does not know."""
    if data.dimensions_count not in (None, count):
        found = f"{data.dimensions_count} beside {count} topologies"
        raise InputError(file.field("dimensions-count"), found, f"{count}", "Make both the same.")
    names = ["units-count", "links-count", "link-bandwidth", "link-latency", "dimension-type"]
    names += ["nic-latency", "router-latency", "hbm-scale"]
    _check_lengths(file, count, {name: getattr(data, name.replace("-", "_")) for name in names})
    if max(data.units_count) < 2:
        remedy = "Write the sizes, innermost first, into 'units-count'."
        found = str(data.units_count)
        raise InputError(file.field("units-count"), found, "a dimension of at least 2 NPUs", remedy)
    if data.link_bandwidth is not None and data.links_count is None:
        raise _missing(file, "links-count", count, "links of one NPU")
    _check_positive(file, "link-bandwidth", data.link_bandwidth)
    if any(data.hbm_scale or ()):
        remedy = "simcore times no memory behind the network: set it to 0, which is without, or leave it out."
        raise InputError(file.field("hbm-scale"), str(data.hbm_scale), "0 in each dimension", remedy)


def _hop(file: _File, data: _Linked, d: int, notes: list[str]) -> float:
    """Return the latency of a link with what NICs and a router add to a message [ns].

    A message of ASTRA-sim 1.0 takes the latency of each link that it crosses, of two NICs, and of the router of a
    switch. Through a switch it crosses two links, in a full mesh one, around a ring a number of its own.
    """
    link, block = data.link_latency[d], data.topologies_per_dim[d]
    nic, router = ((each or [0.0] * (d + 1))[d] for each in (data.nic_latency, data.router_latency))
    if nic and block is Block.RING:
        expected = "0 for a Ring, whose messages cross NICs once whatever their number of hops"
        remedy = "Add what NICs take to 'link-latency', twice, where messages go to neighbours only."
        raise InputError(file.field("nic-latency"), f"{nic:g} ns in dimension {d + 1}", expected, remedy)
    if router and block is not Block.SWITCH:
        notes.append(
            f"{file.network}, dimension {d + 1}: router-latency has no effect without a switch, as in ASTRA-sim."
        )
    if block is Block.SWITCH:
        return link + nic + router / 2
    return link + 2 * nic


def _spare_links(file: _File, data: _Linked, d: int) -> list[str]:
    """Say where ASTRA-sim 1.0 leaves links out that do not make up a ring or a full mesh."""
    links, block, size = (data.links_count or [])[d], data.topologies_per_dim[d], data.units_count[d]
    share = {Block.RING: 2, Block.FULLY_CONNECTED: max(1, size - 1), Block.SWITCH: 1}[block]
    if size == 1 or links % share == 0:
        return []
    ways = "2 directions" if block is Block.RING else f"{share} peers"
    return [
        f"{file.network}, dimension {d + 1}: {links} links of an NPU cannot be shared equally by the {ways} of a "
        f"{block.value}. Here all of them count; ASTRA-sim uses {links - links % share}."
    ]


def _check_lengths(file: _File, count: int, lists: Mapping[str, Sequence[object] | None]) -> None:
    for name, values in lists.items():
        if values is not None and len(values) != count:
            raise InputError(
                file.field(name), counted(len(values), "value"), f"{counted(count, 'value')}, {_PER_DIMENSION}"
            )


def _check_positive(file: _File, name: str, values: Sequence[float] | None) -> None:
    if values is not None and min(values) <= 0:
        raise InputError(file.field(name), str(list(values)), "bandwidths above 0 [GB/s]")
    if values is not None and min(values) * 1e9 < LEAST_BANDWIDTH:
        expected = f"bandwidths of at least {LEAST_BANDWIDTH / 1e9:g} [GB/s]"
        raise InputError(file.field(name), str(list(values)), expected)


def _missing(file: _File, name: str, count: int, unit: str) -> InputError:
    return InputError(
        file.field(name), "nothing", f"{counted(count, 'value')} [{unit}], {_PER_DIMENSION}", f"Add the field '{name}'."
    )

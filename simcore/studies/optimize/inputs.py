"""What ``simcore optimize`` reads: limits and prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field, unknown_name, with_fields
from simcore.models.bandwidth.expressions import parse_constraint
from simcore.models.bandwidth.region import Constraint, Region, cap, make_region, minimum
from simcore.models.network.cost import CostModel, cost_coefficients
from simcore.models.network.topology import Topology
from simcore.readers.read import Read
from simcore.studies.inputs import bandwidth, shown
from simcore.studies.optimize.request import OptimizeRequest
from simcore.studies.request import descriptions


def read_region(request: OptimizeRequest, budget: float, topology: Topology) -> Region:
    """Return the splits that a request admits, of its budget [B/s].

    Refusals blame fields of the request. In a result a limit is called after its option, as the user may have typed it.

    Raises
    ------
    InputError
        If a limit cannot be read, a dimension has two caps or two minima, by whatever names, or limits conflict.
    """
    limits = _read_limits(request, topology)
    region = make_region(budget, len(topology.dimensions), limits, at_most=request.at_most)
    fields = descriptions(OptimizeRequest)
    named = [replace(each, name=with_fields(each.name, lambda name: fields[name].flag)) for each in region.constraints]
    return replace(region, constraints=tuple(named))


def _read_limits(request: OptimizeRequest, topology: Topology) -> list[Constraint]:
    size = len(topology.dimensions)
    constraints: list[Constraint] = []
    for place, given, make in (
        (field("caps"), request.caps or {}, cap),
        (field("minima"), request.minima or {}, minimum),
    ):
        keys: dict[int, str] = {}
        for key, value in given.items():
            index = dimension_index(key, topology, place)
            if index in keys:
                twice = f"'{keys[index]}' and '{key}', which both name dimension {index + 1}"
                raise InputError(place, twice, "each dimension once", "Leave one of them out.")
            keys[index] = key
            constraints.append(make(index, bandwidth(value, f"{place} {key}"), size, f"{place} {key}={shown(value)}"))
    for text in request.constraints:
        constraints += parse_constraint(text, size, field("constraints"))
    return constraints


def dimension_index(key: str, topology: Topology, place: str) -> int:
    """Return the index (from 0) of a dimension given as ``1``, ``b1`` or the name of its level."""
    size = len(topology.dimensions)
    levels = [dimension.level for dimension in topology.dimensions]
    names = {str(i + 1): i for i in range(size)} | {f"b{i + 1}": i for i in range(size)}
    names |= {level.lower(): i for i, level in enumerate(levels) if level and levels.count(level) == 1}
    index = names.get(str(key).strip().lower())
    if index is None:
        unique = [level for level in levels if level and levels.count(level) == 1]
        known = [*(f"b{i + 1}" for i in range(size)), *unique]
        if str(key).strip().lower().removeprefix("b").isdecimal():  # another dimension, not a slip
            raise InputError(place, f"'{key}'", f"one of {', '.join(known)}", f"The network has {size} dimensions.")
        raise unknown_name(place, str(key), known)
    return index


def check_levels(topology: Topology) -> None:
    """Refuse a network without the levels that say what bandwidth costs.

    Raises
    ------
    InputError
        Naming the dimensions that have none.
    """
    bare = [str(d) for d, dimension in enumerate(topology.dimensions, 1) if not dimension.level]
    if not bare:
        return
    found = f"no level of dimension{'s' if len(bare) > 1 else ''} {', '.join(bare)}"
    remedy = (
        "Write levels of a cost model into its file, such as Package and Pod: as level of a dimension, as "
        "dimension-type of ASTRA-sim 1.0, network-type of ASTRA-sim 2, CostDimension of LIBRA."
    )
    raise InputError(f"network {topology.name}", found, "a level for each dimension, for its price", remedy)


def price_dimensions(cost: Read[CostModel], topology: Topology) -> NDArray[np.float64]:
    """Return what a network costs per bandwidth [$ per B/s], one price per dimension.

    Raises
    ------
    InputError
        If it costs nothing at all.
    """
    prices = np.array(cost_coefficients(topology, cost.value))
    if not prices.any():
        raise InputError(field("cost"), f"'{cost.name}', where the whole network is free", "prices above 0")
    return prices


def default_cost(topology: Topology) -> Read[CostModel]:
    """Return the first cost model of the zoo that prices all levels of the network."""
    from simcore.readers.costs import read_costs
    from simcore.readers.zoo import names

    wanted = {dimension.level for dimension in topology.dimensions}
    for name in names("costs"):
        read = read_costs(name, field("cost"))
        if wanted <= set(read.value.levels):
            return read
    raise InputError(
        f"network {topology.name}",
        f"levels {', '.join(sorted(wanted))}, which no cost model in the zoo prices together",
        "levels with prices",
        f"Give a cost model with {field('cost')} FILE.",
    )

"""A network link by link, and the routes that messages take over it.

Here a network need not be the same in all directions: links of a fat tree's spine, of a dragonfly's groups, of a mesh
without wrap-around. Messages take the routes of least cost, which is the
number of hops unless links say otherwise. Where there are several, a switch spreads a message over all next hops
alike, or takes one of them by a hash as ECMP does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from simcore.errors import InputError
from simcore.models.network.graph import Node

if TYPE_CHECKING:
    from networkx import DiGraph


class Routing(StrEnum):
    """What a node does with several next hops on shortest routes.

    ``SPREAD`` sends an equal part over each. ``HASHED`` takes one for all messages of a pair of NPUs.
    """

    SPREAD = "spread"
    HASHED = "hashed"


@dataclass(frozen=True)
class FabricLink:
    """A link in one direction.

    Attributes
    ----------
    start, end : int or str
        Its ends: the number of an NPU, or the name of a switch.
    bandwidth : float
        Of the link [B/s].
    latency : float
        Of the link [s].
    cost : int
        What it counts for where routes are compared.
    """

    start: Node
    end: Node
    bandwidth: float
    latency: float = 0.0
    cost: int = 1


def both_ways(start: Node, end: Node, bandwidth: float, latency: float, cost: int = 1) -> tuple[FabricLink, FabricLink]:
    """Return a link and the one back."""
    return FabricLink(start, end, bandwidth, latency, cost), FabricLink(end, start, bandwidth, latency, cost)


@dataclass(frozen=True)
class Route:
    """How a message gets from one NPU to another.

    Attributes
    ----------
    shares : mapping of int to float
        Part of the message on each link, by the link's number.
    latency : float
        Of the longest of its ways [s].
    """

    shares: Mapping[int, float]
    latency: float


@dataclass(frozen=True)
class Fabric:
    """A network link by link.

    Attributes
    ----------
    name : str
        For reports.
    npus : int
        NPUs, numbered from 0; other nodes are switches.
    links : tuple of FabricLink
        In one direction each.
    routing : Routing
        What becomes of several shortest routes.
    seed : int
        Of the hash.
    source : str
        Where it is described.

    Examples
    --------
    Two ways of equal length from 0 to 3 carry half a message each:

    >>> square = [(0, 1), (1, 3), (0, 2), (2, 3)]
    >>> fabric = Fabric("square", 4, tuple(FabricLink(*ends, 1e9, 1e-6) for ends in square))
    >>> fabric.route(0, 3).shares, fabric.route(0, 3).latency
    ({0: 0.5, 2: 0.5, 3: 0.5, 1: 0.5}, 2e-06)
    """

    name: str
    npus: int
    links: tuple[FabricLink, ...]
    routing: Routing = Routing.SPREAD
    seed: int = 0
    source: str = ""
    _routes: dict[tuple[int, int], Route] = field(default_factory=dict, compare=False, repr=False)
    _distances: dict[int, dict[Node, int]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _graph(self) -> DiGraph:
        from networkx import DiGraph

        graph: DiGraph = DiGraph()
        graph.add_nodes_from(range(self.npus))
        for number, link in enumerate(self.links):
            graph.add_edge(link.start, link.end, number=number, cost=link.cost)
        return graph

    def route(self, source: int, target: int) -> Route:
        """Return how a message gets from one NPU to another.

        Raises
        ------
        InputError
            If no links lead there.
        """
        key = source, target
        if key not in self._routes:
            self._routes[key] = self._found(source, target)
        return self._routes[key]

    def _found(self, source: int, target: int) -> Route:
        distances = self._to(target)
        if source not in distances:
            place = f"network {self.name}"
            raise InputError(place, f"no way from {source} to {target}", "links that join all NPUs", "Add a link.")
        shares: dict[int, float] = {}
        latest: dict[Node, float] = {source: 0.0}
        parts: dict[Node, float] = {source: 1.0}
        while set(parts) != {target}:
            here = max(parts, key=lambda node: (distances[node], str(node)))  # all that leads to it has been seen
            part = parts.pop(here)
            ahead = self._ahead(here, distances, key=(source, target))
            for there in ahead:
                number = self._graph.edges[here, there]["number"]
                shares[number] = part / len(ahead)
                parts[there] = parts.get(there, 0.0) + part / len(ahead)
                latest[there] = max(latest.get(there, 0.0), latest[here] + self.links[number].latency)
        return Route(shares, latest[target])

    def _to(self, target: int) -> dict[Node, int]:
        """Return what the way from each node to an NPU costs."""
        from networkx import single_source_dijkstra_path_length

        if target not in self._distances:
            reverse = self._graph.reverse(copy=False)
            self._distances[target] = dict(single_source_dijkstra_path_length(reverse, target, weight="cost"))
        return self._distances[target]

    def _ahead(self, here: Node, distances: Mapping[Node, int], key: tuple[int, int]) -> list[Node]:
        """Return the next hops from a node on shortest routes: all, or the one that a hash takes."""
        edges = self._graph.adj[here].items()
        ahead = sorted(
            (there for there, edge in edges if distances.get(there) == distances[here] - edge["cost"]), key=str
        )
        if self.routing is Routing.SPREAD:
            return ahead
        text = f"{self.seed}:{key[0]}:{key[1]}:{here}".encode()
        drawn = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")  # a checksum would deal them out evenly
        return [ahead[drawn % len(ahead)]]

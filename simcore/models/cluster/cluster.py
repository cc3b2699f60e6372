"""A cluster: GPUs by type, and perhaps the nodes that hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A machine with GPUs of one type.

    Attributes
    ----------
    type : str
        GPU type.
    gpus : int
        How many it holds.
    vc : str
        Virtual cluster whose jobs alone may use it; empty where it belongs to none.
    rack : str
        Rack that it stands in.
    cpus : float
        Processor cores; 0 where they are not counted.
    memory : float
        Main memory [B]; 0 where it is not counted.
    """

    type: str
    gpus: int
    vc: str = ""
    rack: str = ""
    cpus: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True)
class Cluster:
    """GPUs by type, and perhaps nodes; without nodes any free GPUs of a type make a gang.

    Attributes
    ----------
    name : str
        For reports.
    types : tuple of str
        GPU types, in the order of every table. The last one is the reference of speed-ups.
    counts : tuple of int
        GPUs of each type.
    source : str
        Where the numbers come from.
    nodes : tuple of Node
        The machines; their GPUs add up to `counts`. Empty where only the counts are known.
    quotas : tuple of (str, int)
        Virtual clusters with the most GPUs that their jobs may hold at once.

    Examples
    --------
    >>> Cluster("small", ("v100", "t4"), (4, 2)).gpus
    6
    """

    name: str
    types: tuple[str, ...]
    counts: tuple[int, ...]
    source: str = ""
    nodes: tuple[Node, ...] = ()
    quotas: tuple[tuple[str, int], ...] = ()

    @property
    def gpus(self) -> int:
        """Number of GPUs of all types."""
        return sum(self.counts)

    @property
    def vcs(self) -> tuple[str, ...]:
        """Names of the virtual clusters; empty where there are none."""
        named = [node.vc for node in self.nodes if node.vc]
        return tuple(dict.fromkeys([*named, *(vc for vc, _ in self.quotas)]))

    @property
    def divided(self) -> bool:
        """Whether nodes belong to virtual clusters."""
        return any(node.vc for node in self.nodes)

    def types_of(self, text: str, vc: str | None = None) -> tuple[str, ...]:
        """Return the GPU types that a job may run on, in the order of the cluster.

        Parameters
        ----------
        text : str
            A type, several with ``|`` between, or nothing for all.
        vc : str, optional
            The job's virtual cluster: only types of its nodes count, where nodes belong to some.

        Examples
        --------
        >>> small = Cluster("small", ("v100", "p100", "t4"), (4, 2, 2))
        >>> small.types_of("t4"), small.types_of("t4|v100"), small.types_of("")
        (('t4',), ('v100', 't4'), ('v100', 'p100', 't4'))
        """
        if text in self.types:
            return (text,)
        named = text.split("|") if text else self.types
        there = {node.type for node in self.nodes if node.vc == vc} if self.divided and vc is not None else self.types
        return tuple(gpu for gpu in self.types if gpu in named and gpu in there)

    def gpus_of(self, text: str) -> int:
        """Return how many GPUs there are of the types that a job may run on.

        Examples
        --------
        >>> Cluster("small", ("v100", "p100", "t4"), (4, 2, 2)).gpus_of("t4|v100")
        6
        """
        able = self.types_of(text)
        return sum(number for gpu, number in zip(self.types, self.counts, strict=True) if gpu in able)


def cluster_of_nodes(
    name: str, nodes: Sequence[Node], *, source: str = "", quotas: Sequence[tuple[str, int]] = ()
) -> Cluster:
    """Return the cluster that some nodes make.

    Examples
    --------
    >>> cluster_of_nodes("two", [Node("v100", 8), Node("t4", 4)]).counts
    (8, 4)
    """
    counts: Counter[str] = Counter()
    for node in nodes:
        counts[node.type] += node.gpus
    return Cluster(name, tuple(counts), tuple(counts.values()), source, tuple(nodes), tuple(quotas))

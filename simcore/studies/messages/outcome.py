"""A collective as messages, in numbers: the time, the bounds, messages, links, and what the end waited for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from simcore.models.network.messages.fabric import Fabric
from simcore.models.network.messages.program import Program
from simcore.models.network.messages.simulate import MessagesRun
from simcore.results import Result, Table
from simcore.studies.buffers import Buffers
from simcore.studies.messages.request import MessagesRequest
from simcore.units import counted, format_si


@dataclass(frozen=True, kw_only=True)
class MessagesOutcome(Result):
    """A collective as messages, in numbers.

    Attributes
    ----------
    request : MessagesRequest
        What was asked for.
    fabric : Fabric
        The network.
    program : Program
        The sends.
    buffers : Buffers
        What one NPU holds.
    members : tuple of int
        The network's NPU that each NPU of the program is.
    run : MessagesRun
        Times of each send, and what links carried.
    """

    request: MessagesRequest
    fabric: Fabric
    program: Program
    buffers: Buffers
    members: tuple[int, ...]
    run: MessagesRun

    @property
    def time(self) -> float:
        """From issue to the end [s]."""
        return self.run.time

    @cached_property
    def loads(self) -> list[float]:
        """How long each link is busy at its bandwidth [s]."""
        pairs = zip(self.run.carried.tolist(), self.fabric.links, strict=True)
        return [carried / link.bandwidth for carried, link in pairs]

    @property
    def bound(self) -> float:
        """What no order of these messages on these routes can beat: the busiest link's bytes over its bandwidth [s]."""
        return max(self.loads, default=0.0)

    @property
    def aggregate_bound(self) -> float:
        """The bytes of all links over the bandwidth of all links that carry any [s]; at most `bound`."""
        used = [link.bandwidth for link, load in zip(self.fabric.links, self.loads, strict=True) if load > 0]
        return float(self.run.carried.sum()) / sum(used) if used else 0.0

    @cached_property
    def table(self) -> Table:
        """A row per message: who sends what to whom, and when."""
        rows = []
        for index, send in enumerate(self.program.sends):
            start, end = float(self.run.starts[index]), float(self.run.ends[index])
            chunks = " ".join(map(str, send.chunks))
            rows.append((index + 1, send.name, self.members[send.source], self.members[send.target], chunks,
                         "reduce" if send.reduce else "copy", float(self.run.sizes[index]), start, end))  # fmt: skip
        columns = ["message", "id", "from", "to", "chunks", "operation", "size", "start", "end"]
        return Table(columns, rows, {"size": "B", "start": "s", "end": "s"})

    @cached_property
    def links(self) -> Table:
        """A row per link: its ends, bandwidth, what it carried, and the share of the time that it needs for that."""
        rows = [
            (
                str(link.start),
                str(link.end),
                link.bandwidth,
                link.latency,
                carried,
                load / self.time if self.time else 0.0,
            )
            for link, carried, load in zip(self.fabric.links, self.run.carried.tolist(), self.loads, strict=True)
        ]
        columns = ["from", "to", "bandwidth", "latency", "carried", "utilisation"]
        return Table(columns, rows, {"bandwidth": "B_per_s", "latency": "s", "carried": "B"})

    @cached_property
    def critical(self) -> Table:
        """The messages that the end waited for, in order."""
        return Table(
            self.table.columns, [tuple(self.table[index].values()) for index in self.run.critical], self.table.units
        )

    def sentences(self) -> list[str]:
        """Return why it takes as long as it does."""
        if not self.time:
            return ["Nothing is sent."]
        chain = self.critical
        latency = sum(
            self.fabric.route(row["from"], row["to"]).latency for row in chain
        )  # fmt: skip
        said = [
            f"The busiest link has bytes for {format_si(self.bound, 's')}, {self.bound / self.time:.1%} of the time.",
            f"The end waits for a chain of {counted(len(chain), 'message')}, whose links have "
            f"{format_si(latency, 's')} of latency, {latency / self.time:.1%} of the time.",
        ]
        most, mean = max(self.loads), sum(self.loads) / sum(load > 0 for load in self.loads)
        if most > 1.05 * mean:
            said.append(
                f"The busiest link has {most / mean:.3g} times the load of the mean link that carries anything."
            )
        return said

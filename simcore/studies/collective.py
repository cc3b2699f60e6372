"""``simcore collective``: simulate one collective chunk by chunk, and say what limits it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError
from simcore.models.network.bounds import Bounds, bounds, per_dimension
from simcore.models.network.simulation.conventions import Convention
from simcore.models.network.simulation.run import CollectiveRun, simulate_collective
from simcore.models.network.simulation.schedules import Optimization, Schedule
from simcore.models.network.topology import Topology
from simcore.models.workload import Collective
from simcore.outputs import atomic_directory, check_output, write_atomic
from simcore.results import Provenance, Table, to_json, versions
from simcore.studies.collective_inputs import (
    Buffers,
    buffers,
    parse_algorithms,
    parse_group,
    parse_size,
)
from simcore.studies.inputs import choice, resolve_network
from simcore.timeline.slices import Slice, timeline_csv, trace_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 2**20
"""Chunks that are simulated at most."""


_ROUNDING = 1e-9
"""Share by which a sum of phases may differ from the bound's product without meaning anything."""


@dataclass(frozen=True)
class CollectiveResult:
    """A simulated collective and where it comes from.

    Attributes
    ----------
    collective : Collective
        The operation.
    buffers : Buffers
        What one NPU holds before and after [B].
    topology : Topology
        The network.
    bandwidths : tuple of float
        Bandwidth of one NPU into each dimension [B/s].
    groups : tuple of int
        NPUs of the group along each dimension.
    in_flight : int
        Chunk phases under way in a dimension at once.
    convention : Convention
        What a chunk phase costs.
    run : CollectiveRun
        Times, utilisation and every phase.
    bounds : Bounds
        What no schedule can beat.
    provenance : Provenance
        How to make it again.
    seconds : float
        CPU time of the simulation [s]; not part of the written result.
    """

    collective: Collective
    buffers: Buffers
    topology: Topology
    bandwidths: tuple[float, ...]
    groups: tuple[int, ...]
    in_flight: int
    convention: Convention
    run: CollectiveRun
    bounds: Bounds
    provenance: Provenance
    seconds: float = field(compare=False)

    @property
    def time(self) -> float:
        """From issue to the end [s]."""
        return self.run.time

    @property
    def bound(self) -> float:
        """What no schedule can beat [s]."""
        return self.bounds.alpha_beta

    @property
    def efficiency(self) -> float:
        """How close to the bound: bound / time; above 1 only where a convention breaks physics."""
        if self.time <= 0:
            return 1.0
        ratio = self.bound / self.time
        return 1.0 if 1.0 < ratio < 1.0 + _ROUNDING else ratio

    @property
    def occupied(self) -> tuple[float, ...]:
        """How long at least one chunk is under way in each dimension [s]."""
        return tuple(_union(self.run, d) for d in range(len(self.groups)))

    @property
    def limiting(self) -> int | None:
        """The dimension (from 0) that is occupied longest; None where nothing is sent."""
        occupied = self.occupied
        return max(range(len(occupied)), key=occupied.__getitem__) if max(occupied) > 0 else None

    @property
    def dimensions(self) -> Table:
        """Table with one row per dimension: B/s, seconds, bytes, shares of the time."""
        columns = [
            "dimension", "block", "npus", "group", "bandwidth", "latency", "sent", "busy", "occupied", "utilisation",
            "ascending", "phases",
        ]  # fmt: skip
        ascending = per_dimension(self.collective, self.buffers.size, self.topology, self.bandwidths, self.groups)
        rows = [
            (
                d + 1, each.block.value, each.size, self.groups[d], self.bandwidths[d], each.latency, self.run.sent[d],
                self.run.busy[d], self.occupied[d], self.run.utilisation[d], ascending[d],
                sum(phase.dimension == d for phase in self.run.log),
            )
            for d, each in enumerate(self.topology.dimensions)
        ]  # fmt: skip
        return Table(columns, rows)

    @property
    def timeline(self) -> list[Slice]:
        """A track per dimension, a slice per chunk phase."""
        return [
            Slice(
                f"dimension {d + 1}: {each.block.value} {each.size}",
                phase.operation.value,
                phase.start,
                phase.end,
                {"chunk": phase.chunk, "size": phase.size, "queued": phase.queued},
            )
            for d, each in enumerate(self.topology.dimensions)
            for phase in self.run.log
            if phase.dimension == d
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain containers, in SI units, for JSON."""
        return {
            "time": self.time,
            "bound": self.bound,
            "efficiency": self.efficiency,
            "utilisation": list(self.run.utilisation),
            "limiting_dimension": None if self.limiting is None else self.limiting + 1,
            "events": self.run.events,
            "bounds": {
                "bandwidth": self.bounds.bandwidth,
                "latency": self.bounds.latency,
                "alpha_beta": self.bounds.alpha_beta,
                "ascending": self.bounds.hierarchical,
            },
            "size": self.buffers.size,
            "size_meaning": self.buffers.meaning,
            "full_buffer": self.buffers.full,
            "shard": self.buffers.shard,
            "npus": prod(self.groups),
            "chunks": self.run.chunks,
            "phases": self.run.phases,
            "dimensions": [dict(row) for row in self.dimensions],
            "reasons": list(self.reasons),
            "provenance": self.provenance.as_dict(),
        }

    @property
    def reasons(self) -> list[str]:
        """Why it takes as long as it does, a sentence each."""
        from simcore.studies.collective_reasons import reasons

        return reasons(self)

    def plot(self) -> Figure:
        """Draw the chunk phases of each dimension over time, and its utilisation."""
        from simcore.plots.collective import draw

        return draw(self.timeline, self.dimensions, self.time)

    def write(self, directory: Path, *, force: bool = False) -> None:
        """Write ``collective.json``, ``dimensions.csv``, the timeline and a figure into a new directory.

        Raises
        ------
        InputError
            If the directory exists and `force` is false, or it cannot be written.
        """
        from simcore.plots.style import save

        with atomic_directory(directory, force=force) as scratch:
            write_atomic(scratch / "collective.json", to_json(self.as_dict()))
            write_atomic(scratch / "dimensions.csv", self.dimensions.to_csv())
            self.write_timeline(scratch / "timeline.json")
            save(self.plot(), scratch / "collective")

    def write_timeline(self, path: Path) -> None:
        """Write the timeline as a trace for ui.perfetto.dev, and as CSV beside it."""
        slices = self.timeline
        write_atomic(path, trace_json(slices, f"simcore collective {self.collective.value} on {self.topology.name}"))
        write_atomic(path.with_suffix(".csv"), timeline_csv(slices))


def _union(run: CollectiveRun, dimension: int) -> float:
    """Return how long the phases of a dimension take, where they overlap once [s]."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted((phase.start, phase.end) for phase in run.log if phase.dimension == dimension):
        if stop > end:
            total += stop - max(start, end)
            end = stop
    return total


def collective(
    operation: str | Collective,
    size: float | str,
    *,
    network: str | Path,
    chunks: int = 64,
    schedule: str | Schedule = Schedule.ASCENDING,
    in_flight: int = 1,
    group: str | Sequence[int] | None = None,
    optimization: str | Optimization = Optimization.LOCAL,
    convention: str | Convention = Convention.PHYSICAL,
    algorithms: str | Sequence[str] | None = None,
    output: Path | None = None,
    force: bool = False,
) -> CollectiveResult:
    """Simulate one collective on an idle network.

    Parameters
    ----------
    operation : str
        ``all-reduce``, ``reduce-scatter``, ``all-gather`` or ``all-to-all``.
    size : float or str
        Bytes, or text such as ``"1GiB"``: the full buffer per NPU, for all-gather the input shard per NPU.
    network : str or Path
        A network with bandwidths: text such as ``"Ring(4)@200GB/s,500ns x Switch(4)@50GB/s,1us"``, a name in the zoo
        or a file.
    chunks : int
        Into how many the buffer is cut.
    schedule, optimization, convention : str
        Order of dimensions per chunk, what an all-reduce does in each, and what a chunk phase costs.
    in_flight : int
        Chunk phases under way in a dimension at once.
    group : str or sequence of int, optional
        Ranks that take part, such as ``"0-15"`` or ``"0,4,8"``; by default all.
    algorithms : str or sequence of str, optional
        ``ring``, ``direct`` or ``halving-doubling``: one for all dimensions, or one for each.
    output : Path, optional
        Directory for `CollectiveResult.write`, refused here, before the work, if it exists and `force` is false.
    force : bool
        Whether to replace `output`.

    Raises
    ------
    InputError
        If an input is wrong.

    Examples
    --------
    >>> result = collective("all-reduce", "1GiB", network="Ring(4)@200GB/s,500ns x Switch(4)@50GB/s,1us")
    >>> round(result.time * 1e3, 3), round(result.bound * 1e3, 3), result.limiting
    (8.694, 8.054, 1)
    """
    if output is not None:
        check_output(output, force=force)
    kind = choice("COLLECTIVE", operation, Collective)
    order, rule = choice("--schedule", schedule, Schedule), choice("--convention", convention, Convention)
    optimized = choice("--collective-opt", optimization, Optimization)
    for option, number in (("--chunks", chunks), ("--in-flight", in_flight)):
        if not 1 <= number <= MOST:
            raise InputError(option, str(number), f"a whole number from 1 to {MOST}")
    given = parse_size(size)
    topology, bandwidths, hashes = resolve_network(network)
    sizes = parse_group(group, topology)
    held = buffers(kind, given, prod(sizes))
    ways = parse_algorithms(algorithms, topology)
    started = time.process_time()
    run = simulate_collective(
        kind,
        held.size,
        topology,
        bandwidths,
        sizes,
        chunks=chunks,
        schedule=order,
        in_flight=in_flight,
        optimization=optimized,
        convention=rule,
        algorithms=ways,
    )
    seconds = time.process_time() - started
    inputs = {
        "collective": kind.value, "size": held.size, "network": str(network), "bandwidths": list(bandwidths),
        "latencies": [each.latency for each in topology.dimensions], "group": list(sizes), "chunks": chunks,
        "schedule": order.value, "in_flight": in_flight, "collective_opt": optimized.value, "convention": rule.value,
        "algorithms": [each.value for each in ways],
    }  # fmt: skip
    provenance = Provenance(
        command="collective",
        inputs=inputs,
        sha256=hashes,
        counts={"events": run.events, "phases": run.phases},
        versions=versions("simpy"),
    )
    found = bounds(kind, held.size, topology, bandwidths, sizes)
    return CollectiveResult(kind, held, topology, bandwidths, sizes, in_flight, rule, run, found, provenance, seconds)

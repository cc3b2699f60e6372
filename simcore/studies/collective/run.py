"""``simcore collective``: simulate one collective chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from simcore.models.network.bounds import bounds
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.schedules import Optimization, Schedule
from simcore.models.network.simulation.run import simulate_collective
from simcore.outputs import check_output
from simcore.results import Provenance, versions
from simcore.studies.collective.inputs import buffers, parse_algorithms, parse_group, parse_size
from simcore.studies.collective.result import CollectiveResult
from simcore.studies.inputs import check_count, choice, resolve_network


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
    check_count("--chunks", chunks)
    check_count("--in-flight", in_flight)
    given = parse_size(size)
    topology, bandwidths, hashes = resolve_network(network)
    at = parse_group(group, topology)
    sizes = tuple(map(len, at))
    held = buffers(kind, given, prod(sizes))
    ways = parse_algorithms(algorithms, topology)
    simulated = partial(
        simulate_collective,
        kind,
        held.size,
        topology,
        bandwidths,
        sizes,
        positions=at,
        chunks=chunks,
        in_flight=in_flight,
        optimization=optimized,
        convention=rule,
        algorithms=ways,
    )
    started = time.process_time()
    run = simulated(schedule=order)
    seconds = time.process_time() - started
    faster = None
    if order is Schedule.LATENCY_AWARE and rule in (Convention.PHYSICAL, Convention.ASTRA_SIM):
        others = [(each, simulated(schedule=each).time) for each in Schedule if each is not order]
        faster = min((pair for pair in others if pair[1] < run.time), key=lambda pair: pair[1], default=None)
    inputs: dict[str, Any] = {
        "collective": kind.value, "size": held.size, "network": str(network), "bandwidths": list(bandwidths),
        "latencies": [each.latency for each in topology.dimensions], "group": list(sizes), "chunks": chunks,
        "schedule": order.value, "in_flight": in_flight, "collective_opt": optimized.value, "convention": rule.value,
        "algorithms": [each.value for each in ways],
    }  # fmt: skip
    if group is not None:
        inputs["positions"] = [list(here) for here in at]
    provenance = Provenance(
        command="collective",
        inputs=inputs,
        sha256=hashes,
        counts={"events": run.events, "phases": run.phases},
        versions=versions("simpy"),
    )
    found = bounds(kind, held.size, topology, bandwidths, sizes, at)
    return CollectiveResult(
        kind, held, topology, bandwidths, sizes, in_flight, rule, run, found, provenance, seconds, faster
    )

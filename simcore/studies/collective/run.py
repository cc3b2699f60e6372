"""``simcore collective``: simulate one collective chunk by chunk."""

from __future__ import annotations

import time
from functools import partial
from math import prod

from simcore.errors import field
from simcore.models.network.bounds import bounds
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.schedules import Optimization, Schedule
from simcore.models.network.simulation.run import simulate_collective
from simcore.results import Provenance, versions
from simcore.studies.collective.inputs import buffers, parse_algorithms, parse_group, parse_size
from simcore.studies.collective.request import CollectiveRequest
from simcore.studies.collective.result import CollectiveResult
from simcore.studies.inputs import check_count, resolve_network
from simcore.studies.request import study


@study(CollectiveRequest)
def collective(request: CollectiveRequest) -> CollectiveResult:
    """Simulate one collective on an idle network.

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
    kind, schedule = Collective(request.collective), Schedule(request.schedule)
    convention, optimization = Convention(request.convention), Optimization(request.collective_opt)
    check_count(field("chunks"), request.chunks)
    check_count(field("in_flight"), request.in_flight)
    size = parse_size(request.size)
    topology, bandwidths, hashes = resolve_network(request.network, field("network"))
    positions = parse_group(request.group, topology)
    group = tuple(map(len, positions))
    held = buffers(kind, size, prod(group))
    algorithms = parse_algorithms(request.algorithms, topology)
    simulated = partial(
        simulate_collective,
        kind,
        held.size,
        topology,
        bandwidths,
        group,
        positions=positions,
        chunks=request.chunks,
        in_flight=request.in_flight,
        optimization=optimization,
        convention=convention,
        algorithms=algorithms,
    )
    started = time.process_time()
    run = simulated(schedule=schedule)
    seconds = time.process_time() - started
    faster = None
    if schedule is Schedule.LATENCY_AWARE and convention in (Convention.PHYSICAL, Convention.ASTRA_SIM):
        others = [(each, simulated(schedule=each).time) for each in Schedule if each is not schedule]
        faster = min((pair for pair in others if pair[1] < run.time), key=lambda pair: pair[1], default=None)
    provenance = Provenance(
        command=request.study,
        inputs=request.resolved(size=held.size, algorithms=[each.value for each in algorithms]).inputs(),
        sha256=hashes,
        counts={"events": run.events, "phases": run.phases},
        versions=versions("simpy"),
    )
    return CollectiveResult(
        collective=kind,
        buffers=held,
        topology=topology,
        bandwidths=bandwidths,
        groups=group,
        positions=None if request.group is None else [list(here) for here in positions],
        asked=tuple(algorithms),
        request=request,
        run=run,
        bounds=bounds(kind, held.size, topology, bandwidths, group, positions),
        faster=faster,
        provenance=provenance,
        cpu_seconds=seconds,
    )

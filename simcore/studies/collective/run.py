"""``simcore collective``: simulate one collective chunk by chunk."""

from __future__ import annotations

import time
from functools import partial
from math import prod

from simcore.errors import field
from simcore.models.network.bounds import bounds
from simcore.models.network.chunks import Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import convention
from simcore.models.network.schedulers.registry import SCHEDULERS, scheduler, scheduler_file
from simcore.models.network.simulation.run import simulate_collective
from simcore.results import Provenance, versions
from simcore.studies.buffers import buffers, parse_size
from simcore.studies.collective.inputs import parse_algorithms, parse_group
from simcore.studies.collective.request import CollectiveRequest
from simcore.studies.collective.result import CollectiveResult
from simcore.studies.inputs import check_chunks, part_hash, refuse_convention, resolve_network
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
    (8.564, 8.054, 1)
    """
    kind, schedule = Collective(request.collective), scheduler(request.schedule, field("schedule"))
    counted, optimization = convention(request.convention), Optimization(request.collective_opt)
    check_chunks(field("chunks"), request.chunks)
    size = parse_size(request.size)
    named, hashes = resolve_network(request.network, field("network"))
    topology, bandwidths = named.topology, named.bandwidths or ()
    refuse_convention(topology, counted, field("convention"))
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
        convention=counted,
        algorithms=algorithms,
        place=field("convention"),
    )
    started = time.process_time()
    run = simulated(schedule=schedule)
    seconds = time.process_time() - started
    faster = None
    if schedule.name == "latency-aware" and not counted.always_ascending:
        others = [(each, simulated(schedule=scheduler(each)).time) for each in SCHEDULERS if each != schedule.name]
        faster = min((pair for pair in others if pair[1] < run.time), key=lambda pair: pair[1], default=None)
    provenance = Provenance(
        command=request.study,
        inputs=request.resolved(size=held.size, algorithms=[each.value for each in algorithms]).inputs(),
        sha256=hashes | part_hash("schedule", scheduler_file(request.schedule)),
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
        schedule=schedule,
        run=run,
        bounds=bounds(kind, held.size, topology, bandwidths, group, positions),
        faster=faster,
        warnings=(*named.notes, *named.of_bandwidth),
        provenance=provenance,
        cpu_seconds=seconds,
    )

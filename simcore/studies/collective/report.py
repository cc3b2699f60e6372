"""What is said of a simulated collective."""

from __future__ import annotations

from math import prod

from simcore.models.network.collectives import Collective
from simcore.models.network.topology import Block as Building
from simcore.report import Block, Column, Grid, Headline, Sentences, Text
from simcore.studies.collective.outcome import CollectiveOutcome
from simcore.studies.inputs import chunks_words
from simcore.units import counted, format_si


def report(result: CollectiveOutcome) -> list[Block]:
    """Return the head, the dimensions, the time beside the bound, and why it takes so long."""
    request, bounds = result.request, result.bounds
    group = [p for p in result.groups if p > 1] or [1]
    close = "nothing is sent" if result.efficiency is None else f"the bound is {result.efficiency:.1%} of it"
    return [
        Headline(
            f"{result.collective.value} of {_bytes(result.buffers.size)} ({result.buffers.meaning}) among "
            f"{_product(group)}, {result.schedule.name}, {chunks_words(result.run.chunks, tried=result.tried)}, "
            f"{request.in_flight} in flight, {request.convention}",
            f"{_held(result)}\n{_network(result)}",
        ),
        _dimensions(result),
        Text(
            f"time   {format_si(result.time, 's', 6)}, {close}\n"
            f"bound  {format_si(result.bound, 's', 6)} (bandwidth {format_si(bounds.bandwidth, 's')}, latency "
            f"{format_si(bounds.latency, 's')}, alpha-beta {format_si(bounds.alpha_beta, 's')})"
        ),
        Sentences("Why", result.sentences()),
        Text(
            f"{counted(result.run.phases, 'chunk phase')}, {counted(result.run.events, 'event')}, "
            f"{result.cpu_seconds:.3f} CPU seconds"
        ),
    ]


def _held(result: CollectiveOutcome) -> str:
    full, shard = _bytes(result.buffers.full), _bytes(result.buffers.shard)
    if result.collective is Collective.ALL_GATHER:
        return f"each NPU has an input shard of {shard} and ends with a full buffer of {full}"
    if result.collective is Collective.REDUCE_SCATTER:
        return f"each NPU has a full buffer of {full} and ends with a shard of {shard}"
    return f"each NPU has a full buffer of {full}, a shard of {shard} of it for each NPU of the group"


def _network(result: CollectiveOutcome) -> str:
    """Say what the time depends on beside the buffers: latencies, and which algorithm each dimension runs."""
    used = [(d, a) for d, a, group in zip(result.topology.dimensions, result.run.algorithms, result.groups, strict=True)
            if group > 1]  # fmt: skip
    latencies = ", ".join(dict.fromkeys(format_si(dimension.latency, "s") for dimension, _ in used)) or "none"
    algorithms = ", ".join(dict.fromkeys(str(algorithm.value) for _, algorithm in used)) or "none"
    return f"bandwidths are of one direction; latency of a link: {latencies}; algorithms: {algorithms}"


def _dimensions(result: CollectiveOutcome) -> Grid:
    rows = [
        (
            str(row["dimension"]),
            f"{row['block']} {row['npus']}" + (" (idle)" if row["group"] == 1 else ""),
            str(row["group"]),
            format_si(row["bandwidth"], "B/s"),
            _bytes(row["sent"]),
            format_si(row["occupied"], "s"),
            f"{row['utilisation']:.1%}",
            "limits" if result.limiting is not None and row["dimension"] == result.limiting + 1 else "",
        )
        for row in result.dimensions
    ]
    columns = [
        Column("dim", left=True),
        Column("network", left=True, short={Building.FULLY_CONNECTED.value: "FC"}),
        *map(Column, ("group", "per NPU", "sent", "occupied", "utilisation")),
        Column("", left=True),
    ]
    return Grid(columns, rows)


def _product(group: list[int]) -> str:
    npus = counted(prod(group), "NPU")
    return npus if len(group) == 1 else f"{' x '.join(map(str, group))} = {npus}"


def _bytes(size: float) -> str:
    """Write a size with a binary prefix.

    Examples
    --------
    >>> _bytes(1073741824.0), _bytes(1000.0)
    ('1 GiB', '1000 B')
    """
    for power, prefix in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
        if size >= 1024**power:
            return f"{size / 1024**power:.4g} {prefix}B"
    return f"{size:.4g} B"

"""What `simcore collective` prints: tables that a person reads."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from simcore.cli.console import as_text, plain_table
from simcore.models.network.collectives import Collective
from simcore.models.network.topology import Block
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from rich.table import Table

    from simcore.studies.collective.result import CollectiveResult

WIDEST = 110
"""Columns of the report where the terminal does not say."""
_NARROW = 90
"""Columns below which FullyConnected is written as in network strings."""


def report(result: CollectiveResult, width: int = WIDEST) -> str:
    """Return a simulated collective as text of at most `width` columns."""
    return as_text(_parts(result, width), width)


def _parts(result: CollectiveResult, width: int) -> Iterator[object]:
    inputs = result.provenance.inputs
    group = [p for p in result.groups if p > 1] or [1]
    yield (
        f"{result.collective.value} of {_bytes(result.buffers.size)} ({result.buffers.meaning}) among "
        f"{_product(group)}, {inputs['schedule']}, {counted(result.run.chunks, 'chunk')}, "
        f"{inputs['in_flight']} in flight, {inputs['convention']}"
    )
    yield f"{_held(result)}\n"
    yield _dimensions(result, width)
    bounds = result.bounds
    close = "nothing is sent" if result.efficiency is None else f"{result.efficiency:.1%} of the bound"
    yield f"\ntime   {format_si(result.time, 's', 6)}, {close}"
    yield (
        f"bound  {format_si(result.bound, 's', 6)} (bandwidth {format_si(bounds.bandwidth, 's')}, latency "
        f"{format_si(bounds.latency, 's')}, alpha-beta {format_si(bounds.alpha_beta, 's')})"
    )
    yield "\nWhy"
    yield from (f"- {reason}" for reason in result.reasons)
    phases, events = counted(result.run.phases, "chunk phase"), counted(result.run.events, "event")
    yield f"\n{phases}, {events}, {result.seconds:.3f} CPU seconds"


def _held(result: CollectiveResult) -> str:
    full, shard = _bytes(result.buffers.full), _bytes(result.buffers.shard)
    if result.collective is Collective.ALL_GATHER:
        return f"each NPU has an input shard of {shard} and ends with a full buffer of {full}"
    if result.collective is Collective.REDUCE_SCATTER:
        return f"each NPU has a full buffer of {full} and ends with a shard of {shard}"
    return f"each NPU has a full buffer of {full}, a shard of {shard} of it for each NPU of the group"


def _dimensions(result: CollectiveResult, width: int) -> Table:
    columns = ("dim", "network", "group", "per NPU", "sent", "occupied", "utilisation", "")
    table = plain_table(*columns, left=(0, 1, 7))
    for row in result.dimensions:
        d = row["dimension"]
        block = "FC" if width < _NARROW and row["block"] == Block.FULLY_CONNECTED else row["block"]
        table.add_row(
            str(d),
            f"{block} {row['npus']}" + (" (idle)" if row["group"] == 1 else ""),
            str(row["group"]),
            format_si(row["bandwidth"], "B/s"),
            _bytes(row["sent"]),
            format_si(row["occupied"], "s"),
            f"{row['utilisation']:.1%}",
            "limits" if result.limiting is not None and d == result.limiting + 1 else "",
        )
    return table


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

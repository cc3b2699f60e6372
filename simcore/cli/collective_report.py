"""What `simcore collective` prints: tables that a person reads."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from simcore.models.workload import Collective
from simcore.units import counted, format_si

if TYPE_CHECKING:
    from simcore.studies.collective_result import CollectiveResult


def report(result: CollectiveResult, width: int = 110) -> str:
    """Return a simulated collective as text of at most `width` columns."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    inputs = result.provenance.inputs
    group = [p for p in result.groups if p > 1] or [1]
    console.print(
        f"{result.collective.value} of {_bytes(result.buffers.size)} ({result.buffers.meaning}) among "
        f"{_product(group)}, {inputs['schedule']}, {counted(result.run.chunks, 'chunk')}, "
        f"{inputs['in_flight']} in flight, "
        f"{inputs['convention']}"
    )
    console.print(f"{_held(result)}\n")
    console.print(_dimensions(result))
    bounds = result.bounds
    close = "nothing is sent" if result.efficiency is None else f"{result.efficiency:.1%} of the bound"
    console.print(f"\ntime   {format_si(result.time, 's', 6)}, {close}")
    console.print(
        f"bound  {format_si(result.bound, 's', 6)} (bandwidth {format_si(bounds.bandwidth, 's')}, latency "
        f"{format_si(bounds.latency, 's')}, alpha-beta {format_si(bounds.alpha_beta, 's')})"
    )
    console.print("\nWhy")
    for reason in result.reasons:
        console.print(f"- {reason}")
    phases, events = counted(result.run.phases, "chunk phase"), counted(result.run.events, "event")
    console.print(f"\n{phases}, {events}, {result.seconds:.3f} CPU seconds")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _held(result: CollectiveResult) -> str:
    full, shard = _bytes(result.buffers.full), _bytes(result.buffers.shard)
    if result.collective is Collective.ALL_GATHER:
        return f"each NPU has an input shard of {shard} and ends with a full buffer of {full}"
    if result.collective is Collective.REDUCE_SCATTER:
        return f"each NPU has a full buffer of {full} and ends with a shard of {shard}"
    return f"each NPU has a full buffer of {full}, a shard of {shard} of it for each NPU of the group"


def _dimensions(result: CollectiveResult) -> object:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(("dim", "network", "group", "per NPU", "sent", "occupied", "utilisation", "")):
        table.add_column(column, justify="left" if index in (0, 1, 7) else "right")
    for row in result.dimensions:
        d = row["dimension"]
        table.add_row(
            str(d),
            f"{row['block']} {row['npus']}" + (" (idle)" if row["group"] == 1 else ""),
            str(row["group"]),
            format_si(row["bandwidth"], "B/s"),
            _bytes(row["sent"]),
            format_si(row["occupied"], "s"),
            f"{row['utilisation']:.1%}",
            "limits" if result.limiting is not None and d == result.limiting + 1 else "",
        )
    return table


def _product(group: list[int]) -> str:
    total = 1
    for p in group:
        total *= p
    npus = counted(total, "NPU")
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

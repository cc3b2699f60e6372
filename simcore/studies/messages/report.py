"""What is said of a collective as messages."""

from __future__ import annotations

from simcore.report import Block, Column, Grid, Headline, Sentences, Text
from simcore.studies.messages.outcome import MessagesOutcome
from simcore.units import counted, format_si

MOST_LINKS = 6
"""Kinds of links that the report lists, the busiest first."""


def report(result: MessagesOutcome) -> list[Block]:
    """Return the time beside the bounds, the busiest links, and why."""
    made = result.program
    size, meaning = format_si(result.buffers.size, "B"), result.buffers.meaning
    bus = result.buffers.full / result.time if result.time else 0.0
    routes = "spread over equal routes" if result.request.routing == "spread" else f"hashed, seed {result.request.seed}"
    return [
        Headline(
            f"{made.collective.value} of {size} ({meaning}) among {counted(made.npus, 'NPU')}, {made.name}, "
            f"{counted(len(made.sends), 'message')}",
            f"network {result.fabric.name}, {counted(len(result.fabric.links), 'link')} of one direction; {routes}\n"
            "links are shared max-min fairly; a message takes latency + size / rate",
        ),
        Text(
            f"time   {format_si(result.time, 's', 6)} ({format_si(bus, 'B/s')} of buffer per second)\n"
            f"bound  {format_si(result.bound, 's', 6)} of the busiest link, "
            f"{format_si(result.aggregate_bound, 's')} of all links together"
        ),
        _links(result),
        Sentences("Why", result.sentences()),
        Text(f"{counted(result.run.changes, 'change')} of rates, {result.cpu_seconds:.3f} CPU seconds"),
    ]


def _links(result: MessagesOutcome) -> Grid:
    """Return the busiest links, those that are equally busy counted."""
    alike: dict[tuple[float, float], list[str]] = {}
    for row in result.links:
        if row["carried"] > 0:
            alike.setdefault((round(row["utilisation"], 9), row["bandwidth"]), []).append(
                f"{row['from']} to {row['to']}"
            )
    rows = []
    for (used, bandwidth), links in sorted(alike.items(), reverse=True)[:MOST_LINKS]:
        more = f" and {len(links) - 1:,} more" if len(links) > 1 else ""
        rows.append((links[0] + more, format_si(bandwidth, "B/s"), f"{used:.1%}"))
    return Grid([Column("busiest links", left=True), Column("bandwidth"), Column("utilisation")], rows)

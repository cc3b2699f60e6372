"""Why a collective takes as long as it does: sentences for `simcore collective`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.models.network.simulation.algorithms import Algorithm
from simcore.models.network.simulation.conventions import Convention
from simcore.models.network.simulation.schedules import Schedule
from simcore.models.network.topology import Block, ring_crossings
from simcore.models.workload import Collective
from simcore.units import format_si

if TYPE_CHECKING:
    from simcore.studies.collective_result import CollectiveResult

_BUSY = 0.9
"""Share of the time from which a dimension counts as busy throughout."""
_CLOSE = 0.95
"""Share of the bound from which nothing is left to gain."""


def reasons(result: CollectiveResult) -> list[str]:
    """Return sentences on the limiting dimension, latency, balance, and what convention or network distort."""
    if result.limiting is None:
        return ["Nothing is sent: the group is one NPU, or the buffer is empty."]
    found = [_limit(result), *_latency(result), *_balance(result), *_network(result)]
    schedule = result.provenance.inputs["schedule"]
    if result.convention in (Convention.ASTRA_SIM_2, Convention.ASTRA_SIM_2_AWARE) and schedule != Schedule.ASCENDING:
        found.append(f"The schedule {schedule} had no effect: ASTRA-sim 2 always runs the ascending one.")
    if result.efficiency > 1:
        found.append(
            f"The time is below the bound, which no network allows: the convention {result.convention.value} lets "
            "messages and chunks in flight each have a link's whole bandwidth. Use --convention physical."
        )
    return found


def _limit(result: CollectiveResult) -> str:
    d = result.limiting
    assert d is not None  # the caller has checked
    dimension, share = result.topology.dimensions[d], result.occupied[d] / result.time
    name = f"Dimension {d + 1} ({dimension.block.value} {dimension.size})"
    if share >= _BUSY:
        return f"{name} limits: chunks are under way in it {share:.1%} of the time."
    return (
        f"{name} is used most, but only {share:.1%} of the time: no dimension is full, because chunks pass one "
        f"dimension after the other and {result.run.chunks} are too few to fill them all."
    )


def _latency(result: CollectiveResult) -> list[str]:
    """Compare latency with bytes in the limiting dimension."""
    d = result.limiting
    assert d is not None  # the caller has checked
    bandwidth_time = result.run.sent[d] / result.bandwidths[d]
    waiting = 1 - bandwidth_time / result.occupied[d]
    partial = _partly_connected(result, d)
    if waiting < 0.1 or result.topology.dimensions[d].latency == 0 or partial:
        return []
    remedy = "" if result.run.chunks == 1 else "; fewer chunks pay it less often, --schedule latency-aware tries them"
    return [
        f"Latency is {waiting:.0%} of the time there: links send for {format_si(bandwidth_time, 's')} only. "
        f"Each chunk pays it in each phase{remedy}."
    ]


def _balance(result: CollectiveResult) -> list[str]:
    if result.collective is Collective.ALL_TO_ALL or sum(p > 1 for p in result.groups) < 2:
        return []
    if result.efficiency >= _CLOSE:
        return []
    least = min((d for d, p in enumerate(result.groups) if p > 1), key=lambda d: (result.run.utilisation[d], d))
    alone = format_si(result.bounds.hierarchical, "s")
    return [
        f"The bound needs all links busy all the time; dimension {least + 1} is used to "
        f"{result.run.utilisation[least]:.1%}. In the ascending order dimension {result.bounds.limiting + 1} alone "
        f"takes {alone}, whatever the number of chunks."
    ]


def _network(result: CollectiveResult) -> list[str]:
    found = []
    for d, (dimension, p) in enumerate(zip(result.topology.dimensions, result.groups, strict=True)):
        if dimension.block is Block.RING and 1 < p < dimension.size:
            found.append(
                f"The group has {p} of the {dimension.size} NPUs of dimension {d + 1}, a ring: it is timed as a ring "
                "of its own with the whole bandwidth, as the closed form has it. Without wrap-around links of its own "
                "its traffic would cross the others' links: simcore.simulate shares them."
            )
        if _partly_connected(result, d):
            found.append(
                f"The group has {p} of the {dimension.size} NPUs of dimension {d + 1}, which is fully connected: "
                f"it uses {p - 1} of the {dimension.size - 1} links that share "
                f"{format_si(result.bandwidths[d], 'B/s')}."
            )
        folds = dimension.block is Block.SWITCH and p & (p - 1) and result.collective is not Collective.ALL_TO_ALL
        if folds and result.provenance.inputs["algorithms"][d] == Algorithm.HALVING_DOUBLING:
            ring = ", large ones run a ring" if result.convention is Convention.PHYSICAL else ""
            found.append(
                f"{p} NPUs of dimension {d + 1} are no power of two: small chunks are folded onto "
                f"{2 ** (p.bit_length() - 1)} NPUs first{ring}."
            )
        forwards = dimension.block is Block.RING and p > 3
        if result.collective is Collective.ALL_TO_ALL and forwards and result.convention is Convention.PHYSICAL:
            found.append(
                f"In an all-to-all the ring of dimension {d + 1} forwards what is sent to others: "
                f"{ring_crossings(p) / (p - 1):.3g} times the bytes of a switch."
            )
    return found


def _partly_connected(result: CollectiveResult, d: int) -> bool:
    dimension = result.topology.dimensions[d]
    return dimension.block is Block.FULLY_CONNECTED and 1 < result.groups[d] < dimension.size

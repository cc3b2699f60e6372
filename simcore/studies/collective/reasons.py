"""Why a collective takes as long as it does: sentences for `simcore collective`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simcore.models.network.algorithms import DEFAULT_ALGORITHM, Algorithm, is_exchange, steps
from simcore.models.network.chunks import Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import PHYSICAL
from simcore.models.network.graph import exchange_load, sharing
from simcore.models.network.phase_costs import latency_share
from simcore.models.network.topology import Block
from simcore.studies.collective.outcome import CollectiveOutcome
from simcore.studies.inputs import latency_sentences
from simcore.units import format_si

_BUSY = 0.9
"""Share of the time from which a dimension counts as busy throughout."""
_CLOSE = 0.95
"""Share of the bound from which nothing is left to gain."""
_LESS = 0.01
"""Share of the time from which another schedule is worth a word."""
_NO_BYTE = "the buffer has not one whole byte, and the convention counts whole ones"


def reasons(result: CollectiveOutcome) -> list[str]:
    """Return sentences on the limiting dimension, latency, balance, and what convention or network distort."""
    if result.limiting is None:
        alone, empty = prod(result.groups) == 1, "the buffer is empty" if result.buffers.size == 0 else _NO_BYTE
        return [f"Nothing is sent: {'the group is one NPU' if alone else empty}."]
    full = any(seconds >= _BUSY * result.time for _, _, seconds in result.shared_ports)
    limit = [] if full else [_limit(result)]
    sentences = [*_ports(result), *limit, *_latency(result), *_balance(result), *_network(result)]
    schedule = result.schedule.name
    if result.convention.always_ascending and schedule != "ascending":
        sentences.append(f"The schedule {schedule} had no effect: ASTRA-sim 2 always runs the ascending one.")
    if result.faster is not None and result.faster[1] < (1 - _LESS) * result.time:
        other, time = result.faster
        sentences.append(
            f"The schedule {other} takes {format_si(time, 's')} here, {1 - time / result.time:.1%} less: "
            "latency-aware chooses from a fixed family of schedules, and none of it is as fast."
        )
    if (result.efficiency or 0.0) > 1:
        sentences.append(
            f"The time is below the bound, which no network allows: the convention {result.convention} lets "
            "messages and chunks in flight each have a link's whole bandwidth. Use --convention physical."
        )
    return sentences


def _limit(result: CollectiveOutcome) -> str:
    d = result.limiting
    assert d is not None  # the caller has checked
    dimension, share = result.topology.dimensions[d], result.occupied[d] / result.time
    name = f"Dimension {d + 1} ({dimension.block.value} {dimension.size})"
    if share >= _BUSY:
        return f"{name} limits: chunks are under way in it {share:.1%} of the time."
    chunks = result.run.chunks
    why = f"chunks pass one dimension after the other and {chunks} are too few to fill them all"
    if chunks == 1:
        why = "the one chunk passes one dimension after the other"
    return f"{name} is used most, but only {share:.1%} of the time: no dimension is full, because {why}."


def _ports(result: CollectiveOutcome) -> list[str]:
    """Say how busy each port is that dimensions of the group share."""
    sentences = []
    for port, behind, seconds in result.shared_ports:
        share = seconds / result.time
        limits = " limits" if share >= _BUSY else " is shared"
        dimensions = " and ".join(str(d + 1) for d in behind)
        sentences.append(
            f"Port {port.name} of {format_si(port.bandwidth, 'B/s')}{limits}: bytes of dimensions {dimensions} pass "
            f"it {share:.1%} of the time."
        )
    return sentences


def _latency(result: CollectiveOutcome) -> list[str]:
    """Compare latency with bytes in the limiting dimension."""
    d = result.limiting
    assert d is not None  # the caller has checked
    waiting = _latency_share(result, d)
    fewer = result.run.chunks > 1 and not result.tried
    sends = (1 - waiting) * result.occupied[d]
    return latency_sentences(waiting, sends, fewer=fewer, schedule=result.schedule, convention=result.convention)


def _latency_share(result: CollectiveOutcome, d: int) -> float:
    """Return the share of latency in the time in which chunks are under way in a dimension."""
    if result.convention is PHYSICAL:  # chunks in flight hide the latency of others
        return latency_share(result.run.busy[d], result.occupied[d])
    dimension, algorithm = result.topology.dimensions[d], result.run.algorithms[d]
    members = result.positions[d] if result.positions else None
    served = latency = 0.0
    for each in result.run.log:  # work has latency in it there
        if each.dimension == d:
            served += each.end - each.start
            latency += result.convention.latency(
                dimension, result.bandwidths[d], algorithm, each.operation, result.groups[d], each.size, members
            )
    return latency_share(served - latency, served)


def _balance(result: CollectiveOutcome) -> list[str]:
    if result.collective is Collective.ALL_TO_ALL or sum(p > 1 for p in result.groups) < 2:
        return []
    if (result.efficiency or 0.0) >= _CLOSE:
        return []
    if any(seconds >= _BUSY * result.time for _, _, seconds in result.shared_ports):
        return []
    least = min((d for d, p in enumerate(result.groups) if p > 1), key=lambda d: (result.run.utilisation[d], d))
    alone = format_si(result.bounds.hierarchical, "s")
    rule = "In the ascending order"
    whole = result.request.collective_opt == Optimization.FULL_PER_DIMENSION
    if whole and result.collective is Collective.ALL_REDUCE:
        rule = "Each dimension carries the whole buffer: with --collective-opt local, in the ascending order,"
    return [
        f"The bound needs all links busy all the time; dimension {least + 1} is used to "
        f"{result.run.utilisation[least]:.1%}. {rule} dimension {result.bounds.limiting + 1} alone "
        f"takes {alone}, whatever the number of chunks."
    ]


def _network(result: CollectiveOutcome) -> list[str]:
    sentences = _sent_directly(result)
    for d, (dimension, p) in enumerate(zip(result.topology.dimensions, result.groups, strict=True)):
        if dimension.block is Block.RING and p > 1:
            sentences += _ring(result, d, result.positions[d] if result.positions else range(p))
        if _partly_connected(result, d):
            sentences.append(
                f"The group has {p} of the {dimension.size} NPUs of dimension {d + 1}, which is fully connected: "
                f"it uses {p - 1} of the {dimension.size - 1} links that share "
                f"{format_si(result.bandwidths[d], 'B/s')}."
            )
        folds = result.asked[d] in (Algorithm.HALVING_DOUBLING, Algorithm.FOLDING)
        if dimension.block is Block.SWITCH and folds and p & (p - 1) and result.collective is not Collective.ALL_TO_ALL:
            sentences.append(f"{p} NPUs of dimension {d + 1} are no power of two: {_folding(result, d)}.")
    return sentences


def _sent_directly(result: CollectiveOutcome) -> list[str]:
    """Say that an algorithm that was asked for has no part in an all-to-all."""
    pairs = zip(result.asked, result.topology.dimensions, strict=True)
    others = {each.value for each, at in pairs if each not in (Algorithm.DIRECT, DEFAULT_ALGORITHM[at.block])}
    if result.collective is not Collective.ALL_TO_ALL or not others:
        return []
    return [f"An all-to-all is sent directly: {', '.join(sorted(others))} had no effect."]


def _ring(result: CollectiveOutcome, d: int, members: Sequence[int]) -> list[str]:
    """Say what the links of a ring do to the group, and what the convention makes of them."""
    dimension, p, sentences = result.topology.dimensions[d], len(members), []
    physical, exchange = result.convention is PHYSICAL, result.collective is Collective.ALL_TO_ALL
    if p < dimension.size and not (physical and is_exchange(result.run.algorithms[d], result.collective)):
        factor = sharing(dimension, [members], result.collective)
        links = "carry it alone as fast" if factor <= 1 else f"would take {factor:g} times as long for its bytes"
        sentences.append(
            f"The group has {p} of the {dimension.size} NPUs of dimension {d + 1}, a ring: it is timed with the "
            f"whole bandwidth, as the closed form has it, and the real ring's hops. The ring's links {links}; "
            "other groups on them share them: simcore.simulate."
        )
    if p > 2 and result.convention.always_ascending:
        rate = format_si(result.bandwidths[d], "B/s")
        sentences.append(f"ASTRA-sim 2 sends around the ring of dimension {d + 1} one way, with half of its {rate}.")
    forwards = exchange_load(dimension, members)[0] / (p - 1) if physical and exchange else 1.0
    if forwards > 1:
        whole = p == dimension.size
        part = "" if whole else f" among {p} of its {dimension.size} NPUs"
        rest = ""
        if not whole:
            rest = (
                ". Messages take the shorter way; the bound counts the links of the longer one too, and bytes sent are "
            )
            rest += f"the mean over all {dimension.size} NPUs"
        sentences.append(
            f"In an all-to-all{part} the ring of dimension {d + 1} forwards what is sent to others: its busiest "
            f"link takes {forwards:.3g} times as long as a switch{rest}."
        )
    return sentences


def _folding(result: CollectiveOutcome, d: int) -> str:
    """Say what the chunks of this run did in a group that is no power of two."""
    p = result.groups[d]
    fold = f"folded onto {2 ** (p.bit_length() - 1)} NPUs first"
    ran = result.run.algorithms[d]
    if result.convention is not PHYSICAL or ran is Algorithm.FOLDING:
        return f"chunks are {fold}"
    if ran is Algorithm.RING:
        return "chunks run a ring, because folding would send whole buffers"
    rings = phases = 0
    for (dimension, operation, size), times in result.run.kinds.items():
        if dimension == d:
            at = result.topology.dimensions[d], result.bandwidths[d], Algorithm.HALVING_DOUBLING
            cost = PHYSICAL.phase_cost(*at, operation, p, size)
            least = sum(step.times * size * step.parts / step.of for step in steps(Algorithm.RING, operation, p))
            rings += times * (cost.sent <= least * (1 + 1e-9))
            phases += times
    if rings == phases:
        return "chunks of this size run a ring, because folding would send whole buffers"
    if rings == 0:
        return f"chunks of this size are {fold}, which takes fewer steps than a ring"
    return f"{rings} of {phases} chunk phases run a ring, the smaller ones are {fold}"


def _partly_connected(result: CollectiveOutcome, d: int) -> bool:
    dimension = result.topology.dimensions[d]
    return dimension.block is Block.FULLY_CONNECTED and 1 < result.groups[d] < dimension.size

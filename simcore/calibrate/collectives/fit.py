"""Fit of a collective profile to measured times: lines first, then factors by size, then errors on held-out sizes.

Repeats of one size in one group count once, by their median. Lines are fitted to logarithms of times with a loss that
outliers hardly move. Factors are means of what is left in bins of a quarter octave, drawn towards 1 where rows are few.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from simcore.calibrate.collectives.lines import fit_lines
from simcore.calibrate.collectives.samples import Fitting, Sample
from simcore.models.network.collectives import Collective
from simcore.models.network.measured import CollectiveProfile, Curve
from simcore.models.network.nccl import Line, Span
from simcore.progress import tracked

BINS = 4
"""Bins of an octave."""

DRAW = 0.1
"""Rows that draw a factor towards 1."""

FOLDS = 5
"""Parts of the sizes, of which each is held out once."""

LEAST = 5
"""Sizes that lines of a kind are fitted to at least; else they are derived from an all-reduce."""

LARGE = 8
"""Sizes from this part of the largest one on say what bandwidth a group finds."""

FAR = {"LL": (5e-6, 0.5), "Simple": (14e-6, 1.0)}
"""Latency of a step between nodes [s], and share of the bandwidth, by protocol, as NCCL's tuning model has them."""

TREE = 0.92
"""Bandwidth of a tree between nodes as a share of a ring's, as NCCL's tuning model has it."""

COVERED = 0.96
"""Share of held-out sizes that an interval covers: over 90 %, as some messages are wrongly taken for aligned."""


def medians(samples: Iterable[Sample]) -> list[Sample]:
    """Return one sample for each size of each group, at the median of its repeats.

    Examples
    --------
    >>> medians([Sample("all-reduce", Span(8), 8.0, time) for time in (1.0, 5.0, 2.0)])[0].seconds
    2.0
    """
    times: dict[tuple[str, Span, str, float], list[float]] = defaultdict(list)
    for one in samples:
        times[one.kind, one.span, one.state, one.size].append(one.seconds)
    return [
        Sample(kind, span, size, statistics.median(each), state) for (kind, span, state, size), each in times.items()
    ]


def fit_collectives(name: str, samples: Sequence[Sample], known: Fitting, *, folds: int = FOLDS) -> CollectiveProfile:
    """Fit a profile.

    Parameters
    ----------
    name : str
        What to call it.
    samples : sequence of Sample
        Measured collectives, an all-reduce among them.
    known : Fitting
        Of the network.
    folds : int
        Parts of the sizes of which each is held out once; 0 for no errors.
    """
    whole = _fitted(name, samples, known)
    if not folds:
        return whole
    off: dict[tuple[str, Span, str], list[float]] = defaultdict(list)
    for fold in range(folds):
        held = _held(samples, fold, folds)
        kept = [one for one in samples if (one.kind, one.span, one.state, one.size) not in held]
        if not held or not kept or not any(one.kind == Collective.ALL_REDUCE for one in kept):
            continue
        profile = _fitted(name, kept, known)
        for one in medians(each for each in samples if (each.kind, each.span, each.state, each.size) in held):
            predicted = profile.timing(one.kind, one.span, state=one.state).seconds(one.size)
            off[one.kind, one.span, one.state].append(math.log(one.seconds / predicted))
    spread = _spread(samples)
    return replace(whole, curves=tuple(_judged(one, off, spread) for one in whole.curves))


def _held(samples: Sequence[Sample], fold: int, folds: int) -> set[tuple[str, Span, str, float]]:
    """Return the sizes of a fold, in each group of at least two."""
    sizes: dict[tuple[str, Span, str], set[float]] = defaultdict(set)
    for one in samples:
        sizes[one.kind, one.span, one.state].add(one.size)
    return {
        (*group, size) for group, each in sizes.items() for index, size in enumerate(sorted(each))
        if index % folds == fold and len(each) > 1 and size > 0
    }  # fmt: skip


def _judged(
    curve: Curve, off: dict[tuple[str, Span, str], list[float]], spread: dict[tuple[str, Span, str], float]
) -> Curve:
    """Return a curve with its errors; groups of few sizes have those of all groups of the kind."""
    own = off.get((curve.kind, curve.span, curve.state), [])
    if len(own) < 8:
        own = [
            each
            for (kind, _, state), some in off.items()
            for each in some
            if (kind, state) == (curve.kind, curve.state)
        ]
    if len(own) < 8:
        own = [each for some in off.values() for each in some] or own
    noise = spread.get((curve.kind, curve.span, curve.state), 0.0)
    if not own:
        return replace(curve, noise=noise)
    ranked = sorted(own)
    tail = (1 - COVERED) / 2
    low, high = (_quantile(ranked, at) for at in (tail, 1 - tail))
    error = statistics.fmean(abs(math.expm1(-each)) for each in own)
    return replace(curve, error=error, low=min(1.0, math.exp(low)), high=max(1.0, math.exp(high)), noise=noise)


def _quantile(ranked: Sequence[float], at: float) -> float:
    """Return a quantile, a little outwards, as few values underrate their tails.

    Examples
    --------
    >>> _quantile([0.0, 1.0, 2.0, 3.0], 0.5)
    1.5
    """
    place = min(max(at * (len(ranked) + 1) - 1, 0.0), len(ranked) - 1.0)
    left = min(int(place), len(ranked) - 2) if len(ranked) > 1 else 0
    right = min(left + 1, len(ranked) - 1)
    return ranked[left] + (place - left) * (ranked[right] - ranked[left])


def _spread(samples: Sequence[Sample]) -> dict[tuple[str, Span, str], float]:
    """Return how far repeats are from their median, as a share of it, by group."""
    times: dict[tuple[str, Span, str, float], list[float]] = defaultdict(list)
    for one in samples:
        times[one.kind, one.span, one.state, one.size].append(one.seconds)
    off: dict[tuple[str, Span, str], list[float]] = defaultdict(list)
    for (kind, span, state, _), each in times.items():
        middle = statistics.median(each)
        off[kind, span, state] += [abs(one / middle - 1) for one in each] if len(each) > 1 else []
    return {group: statistics.fmean(each) for group, each in off.items() if each}


def _fitted(name: str, samples: Sequence[Sample], known: Fitting) -> CollectiveProfile:
    single = medians(samples)
    shares = _shares(single, known) if known.uneven or known.mesh is not None else {}
    bare = CollectiveProfile(name, (known.near, known.far), {}, shares=shares, offered=_offered(known))
    of_kind = {kind: [one for one in single if one.kind == kind] for kind in dict.fromkeys(one.kind for one in single)}
    lines = {
        kind: fit_lines(kind, own, bare, known) for kind, own in of_kind.items()
        if kind == Collective.ALL_REDUCE or len({one.size for one in own}) >= LEAST
    }  # fmt: skip
    profile = replace(bare, lines=_with_far(lines, known))
    counts: dict[tuple[str, Span, str], int] = defaultdict(int)
    for one in samples:
        counts[one.kind, one.span, one.state] += 1
    curves = [_curve(profile, group, [one for one in single if (one.kind, one.span, one.state) == group], rows)
              for group, rows in counts.items()]  # fmt: skip
    return replace(
        profile, curves=tuple(sorted(curves, key=lambda one: (one.kind, one.state, one.span.nodes, one.span.near)))
    )


def _with_far(lines: dict[str, tuple[Line, ...]], known: Fitting) -> dict[str, tuple[Line, ...]]:
    """Return lines with what is assumed between nodes where no measurement says it, and a tree of all-reduces."""
    made = {}
    for kind, some in lines.items():
        made[kind] = tuple(one if one.far_step else _assumed(one, known) for one in some)
        ring = next((one for one in made[kind] if (one.algorithm, one.protocol) == ("ring", "Simple")), None)
        if kind == Collective.ALL_REDUCE and ring is not None and not all(one.far_step for one in some):
            made[kind] += (replace(ring, algorithm="tree", far_efficiency=TREE * ring.far_efficiency),)
    return made


def _assumed(line: Line, known: Fitting) -> Line:
    step, share = FAR[line.protocol]
    return replace(line, far_step=step, far_efficiency=share * known.far_efficiency)


def _shares(single: Sequence[Sample], known: Fitting) -> dict[int, float]:
    """Return the share of the bandwidth in a node that groups of an all-reduce find at large sizes."""
    shares = {}
    alike = [one for one in single if one.kind == Collective.ALL_REDUCE and one.span.nodes == 1 and not one.state]
    for near in sorted({one.span.near for one in alike}):
        own = [one for one in alike if one.span.near == near]
        largest = max(one.size for one in own)
        rates = [2 * (near - 1) / near * one.size / one.seconds for one in own if one.size * LARGE >= largest > 0]
        shares[near] = statistics.median(rates) / known.near
    return shares


def _offered(known: Fitting) -> dict[int, float]:
    """Return the share of the bandwidth in a node that its mesh offers to groups that its links join."""
    mesh = known.mesh
    if mesh is None:
        return {}
    groups = tracked(range(2, mesh.gpus + 1), "groups of GPUs on a mesh")
    offered = {gpus: mesh.bus_bandwidth(gpus) / known.near for gpus in groups}
    return {gpus: share for gpus, share in offered.items() if share}


def _curve(profile: CollectiveProfile, group: tuple[str, Span, str], own: Sequence[Sample], rows: int) -> Curve:
    kind, span, state = group
    bare = replace(profile, curves=()).timing(kind, span, state=state)
    bins: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for one in own:
        if one.size > 0:
            place = math.log2(one.size)
            bins[round(place * BINS)].append((place, math.log(one.seconds / bare.seconds(one.size))))
    points = []
    for _, each in sorted(bins.items()):
        count = len(each)
        off = statistics.fmean(off for _, off in each) * count / (count + DRAW)
        points.append((statistics.fmean(place for place, _ in each), off))
    fitted = tuple(sorted(one.size for one in own))
    if not points:
        return Curve(kind, span, state, (), (), rows=rows, fitted=fitted)
    bases = [math.log(bare.seconds(2**place)) for place, _ in points]
    never_less = rising([base + off for base, (_, off) in zip(bases, points, strict=True)])
    points = [(place, time - base) for (place, _), base, time in zip(points, bases, never_less, strict=True)]
    points = _denser(points)
    return Curve(kind, span, state, tuple(float(f"{2**place:.6g}") for place, _ in points),
                 tuple(float(f"{math.exp(off):.5g}") for _, off in points), rows=rows, fitted=fitted)  # fmt: skip


def rising(values: Sequence[float]) -> list[float]:
    """Return values that never fall: neighbours that do are replaced by their median, which a first call hardly moves.

    Examples
    --------
    >>> rising([5.0, 2.0, 1.0, 3.0])
    [2.0, 2.0, 2.0, 3.0]
    """
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and statistics.median(blocks[-2]) > statistics.median(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    return [statistics.median(block) for block in blocks for _ in block]


def _denser(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points with others between those more than half an octave apart.

    Examples
    --------
    >>> _denser([(0.0, 0.0), (1.0, 0.2)])
    [(0.0, 0.0), (0.5, 0.1), (1.0, 0.2)]
    """
    dense = [points[0]]
    for (left, low), (right, high) in pairwise(points):
        parts = max(1, math.ceil((right - left) * 2 - 1e-9))
        dense += [(left + (right - left) * i / parts, low + (high - low) * i / parts) for i in range(1, parts + 1)]
    return dense

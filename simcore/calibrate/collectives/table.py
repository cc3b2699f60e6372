"""From the rows of a table to a profile of collectives."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from simcore.calibrate.collectives.fit import FOLDS, fit_collectives
from simcore.calibrate.collectives.offsets import Seen, offsets_of
from simcore.calibrate.collectives.samples import Fitting, Sample
from simcore.calibrate.collectives.states import slower
from simcore.models.network.collectives import Collective
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.mesh import Mesh
from simcore.models.network.nccl import Span
from simcore.readers.collective_rows import CollectiveRow

MESH = 1.5
"""A group that finds so many times the bandwidth of another one shows that links are a mesh."""

NVLS = ("h100", "h200", "b200", "b300")
"""Devices whose switches reduce."""

FEWEST = {"b200": 6, "b300": 6}
"""GPUs in a node from which NCCL lets switches reduce, where it is not `USUAL`, as the measurements show."""

USUAL = 5
"""The same elsewhere."""

_CUT = {Collective.ALL_GATHER.value, Collective.ALL_TO_ALL.value, Collective.REDUCE_SCATTER.value}


def fit_rows(
    name: str, rows: Sequence[CollectiveRow], near: float, far: float, *, mesh: Mesh | None = None, folds: int = FOLDS
) -> CollectiveProfile:
    """Fit a profile to rows that can be fitted.

    Parameters
    ----------
    name : str
        What to call it.
    rows : sequence of CollectiveRow
        Of one device, an all-reduce among them.
    near, far : float
        Bandwidth of a GPU within its node, and between nodes [B/s].
    mesh : Mesh, optional
        Links between the GPUs of a node, where they are no switch.
    folds : int
        See `simcore.calibrate.collectives.fit.fit_collectives`.
    """
    spans = [(row.span or Span(1), row.seconds or 0.0) for row in rows]
    late = slower([(row.kind, span) for row, (span, _) in zip(rows, spans, strict=True)],
                  [row.size for row in rows], [seconds for _, seconds in spans])  # fmt: skip
    samples = [
        Sample(row.kind, span, row.size, seconds, "unaligned" if slow else row.state)
        for row, (span, seconds), slow in zip(rows, spans, late, strict=True)
    ]
    known = Fitting(near, far, uneven=_is_uneven(samples), mesh=mesh, nvls=_nvls(rows))
    profile = fit_collectives(name, samples, known, folds=folds)
    return replace(profile, devices=tuple(dict.fromkeys(row.device for row in rows)), offsets=_offsets(rows, late))


def _offsets(rows: Sequence[CollectiveRow], late: Sequence[bool]) -> dict[str, dict[int, int]]:
    seen = [
        Seen(row.model, row.mebibytes, row.element, row.kind, row.span.gpus, slow)
        for row, slow in zip(rows, late, strict=True)
        if row.kind in _CUT and row.model and row.span is not None
    ]
    return offsets_of(seen) if any(one.slow for one in seen) else {}


def _is_uneven(samples: Sequence[Sample]) -> bool:
    """Return whether groups of other sizes find another bandwidth in a node."""
    rates: dict[int, list[float]] = defaultdict(list)
    for one in samples:
        if one.kind == Collective.ALL_REDUCE and one.span.nodes == 1 and not one.state:
            rates[one.span.near].append(2 * (1 - 1 / one.span.near) * one.size / one.seconds)
    best = [max(each) for each in rates.values()]
    return len(best) > 1 and max(best) > MESH * min(best)


def _nvls(rows: Sequence[CollectiveRow]) -> int:
    """Return from how many GPUs in a node switches reduce; 0 where they do not."""
    named = next((chip for chip in NVLS for row in rows if chip in row.device.lower()), "")
    if not named and not any(row.state == "no-nvls" for row in rows):
        return 0
    least = FEWEST.get(named, USUAL)
    alone = (row.span for row in rows if row.kind == Collective.ALL_REDUCE and not row.state)
    return least if any(span is not None and span.nodes == 1 and span.near >= least for span in alone) else 0


def usual_source(rows: Sequence[CollectiveRow]) -> str:
    """Return the source that most rows name."""
    return statistics.mode(row.source for row in rows)

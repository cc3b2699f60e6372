"""Why a split is what it is: bottlenecks and gains, and the same in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import Bound
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.shadow import ShadowPrice
from simcore.models.training.closed_form import StepModel
from simcore.units import format_si

Array = NDArray[np.float64]

_GIGABYTE = 1e9
#: Dimensions whose times agree to this share tie: the search ends with splits that are this exact.
TIE = 1e-4
#: Room between a split and a limit, as a share of the budget, from which the limit is called inactive.
_SLACK = 1e-6


@dataclass(frozen=True)
class DimensionReport:
    """What one dimension does in an iteration.

    Attributes
    ----------
    bandwidth : float
        Of one NPU [B/s].
    share : float
        Of all bandwidth.
    busy : float
        Time it sends [s].
    cost : float
        Of the network in this dimension [$].
    bottleneck_of : tuple of str
        Collectives that end no sooner than it.
    ties_with : tuple of int
        Dimensions (from 1) that end with it in all of these; empty where one of them waits for it alone.
    gain : float
        Iteration time that one more GB/s saves with the others held [s]; 0 where another dimension ties.
    """

    bandwidth: float
    share: float
    busy: float
    cost: float
    bottleneck_of: tuple[str, ...]
    ties_with: tuple[int, ...]
    gain: float


def tied(model: StepModel, b: Array) -> NDArray[np.bool_]:
    """Tell which dimensions (D) bound which streams (S), shape (S, D)."""
    loads = model.shapes / b
    return np.asarray((loads >= (1 - TIE) * model.rates(b)[:, None]) & (loads > 0))


def dimension_reports(model: StepModel, b: Array, prices: Array) -> tuple[DimensionReport, ...]:
    """Report what each dimension does at a split b [B/s], with prices [$ per B/s]."""
    bounds, rates, busy = tied(model, b), model.rates(b), model.busy(b)
    time = float(model.time_at(rates))
    reports = []
    for i in range(len(b)):
        alone = bounds[:, i] & (bounds.sum(axis=1) == 1)
        more = b.copy()
        more[i] += _GIGABYTE
        gain = time - float(model.time_at(np.where(alone, model.rates(more), rates)))
        others = [j for j in range(len(b)) if j != i and (bounds[:, j] & bounds[:, i]).any()]
        reports.append(
            DimensionReport(
                bandwidth=float(b[i]),
                share=float(b[i] / b.sum()),
                busy=float(busy[i]),
                cost=float(prices[i] * b[i]),
                bottleneck_of=tuple(model.streams[s].label for s in np.flatnonzero(bounds[:, i])),
                ties_with=() if alone.any() else tuple(j + 1 for j in others),
                gain=max(gain, 0.0),
            )
        )
    return tuple(reports)


def reasons(
    model: StepModel,
    region: Region,
    bound: Bound,
    b: Array,
    prices: Array,
    limits: Sequence[ShadowPrice],
    free: Sequence[int],
    per_cost: bool,
    equals: bool,
) -> tuple[str, ...]:
    """Say in sentences why the split is what it is."""
    found = [_stream_reason(model, s, b) for s in range(len(model.streams))]
    found += _overlap_reason(model, b)
    active = [limit for limit in limits if limit.per_bandwidth and limit.name != "budget"]
    found += [_limit_reason(limit) for limit in active]
    found += _slack_reason(region, b)
    found += _unknown_reason(limits)
    if per_cost:
        found += _budget_reason(limits)
        found.append(_cost_reason(b, prices, bound))
    elif not active and len(region.rows) == 1:
        found += _balance_reason(model, bound, b, limits[0])
    idle = [i for i in range(len(b)) if not (model.shapes[:, i] > 0).any()]
    if idle:
        found.append(f"{_names(idle).capitalize()} {'carries' if len(idle) == 1 else 'carry'} nothing.")
    if free:
        rest = "the split nearest to equal shares" if per_cost else "the cheapest, then nearest to equal shares,"
        found.append(f"{_names(free).capitalize()} could be split otherwise at the same objective; {rest} is given.")
    if equals:
        found.append("Networks of other costs have the same time x cost; the cheapest is given.")
    return tuple(found)


def _stream_reason(model: StepModel, s: int, b: Array) -> str:
    stream, shape = model.streams[s], model.shapes[s]
    used, ends = np.flatnonzero(shape), np.flatnonzero(tied(model, b)[s])
    label = stream.label[0].upper() + stream.label[1:]
    if len(used) == 1:
        return f"{label}: uses {_names(used)} alone."
    ratio = " : ".join(f"{shape[i] / shape[used[0]]:.3g}" for i in used)
    sends = f"{label}: sends {ratio} over {_names(used)}"
    if len(ends) == len(used):
        return f"{sends}, and bandwidth in that proportion keeps all busy to the end; more on one alone gains nothing."
    waits = [int(i) for i in used if i not in ends]
    spare = ", ".join(f"{float(shape[i] / b[i] / model.rates(b)[s]):.0%}" for i in waits)
    verb = "is" if len(waits) == 1 else "are"
    return f"{sends} and is bound by {_names(ends)}; {_names(waits)} {verb} busy {spare} of that time."


def _limit_reason(limit: ShadowPrice) -> str:
    saved = _time(abs(limit.per_bandwidth or 0.0) * _GIGABYTE)
    return f"{limit.name} holds it back: {limit.shift or 'loosened'}, it would save {saved} per GB/s to begin with."


def _slack_reason(region: Region, b: Array) -> list[str]:
    """Name the limits that the split would meet anyway."""
    slack = [
        each.name
        for each in region.constraints[1:]
        if each.bound - float(np.array(each.coefficients) @ b) > _SLACK * region.budget
    ]
    if not slack:
        return []
    return [f"Not active, for the split stays clear of {'it' if len(slack) == 1 else 'them'}: {', '.join(slack)}."]


def _budget_reason(limits: Sequence[ShadowPrice]) -> list[str]:
    """Say what a smaller budget would do at the same network cost, where a larger one costs time."""
    smaller = next((each.smaller for each in limits if each.name == "budget"), None)
    if smaller is None:
        return []
    if smaller > 0:
        return [
            "The budget is more than this network cost wants: at the same cost a smaller one would leave more for dear "
            f"dimensions, and save {_time(smaller * _GIGABYTE)} per GB/s to begin with."
        ]
    return ["At this network cost the budget is neither too large nor too small: either would save no time."]


def _unknown_reason(limits: Sequence[ShadowPrice]) -> list[str]:
    return [f"The shadow price of {each.name} is unknown: {each.unknown}." for each in limits if each.unknown]


def _overlap_reason(model: StepModel, b: Array) -> list[str]:
    both = model.y > 0
    if not both.any():
        return []
    rates = model.rates(b)
    hidden = both & (model.x * rates[model.sx] >= (model.g + model.y * rates[model.sy]) * (1 - TIE))
    share = float(model.count[hidden].sum() / model.count[both].sum())
    if share == 0:
        return ["Overlap: no weight gradient hides wholly behind an input-gradient collective."]
    return [f"Overlap: {share:.0%} of the layers with both hide the weight gradient behind the input gradient."]


def _cost_reason(b: Array, prices: Array, bound: Bound) -> str:
    each = ", ".join(f"${price * _GIGABYTE:,.0f}" for price in prices)
    return (
        f"One GB/s per NPU costs {each} in dimensions 1 to {len(b)}: dear dimensions get only what pays, until more "
        f"network saves {_time(float(bound.rows[-1]))} per dollar."
    )


def _balance_reason(model: StepModel, bound: Bound, b: Array, budget: ShadowPrice) -> list[str]:
    used = model.shapes > 0
    # the volume of each stream that nothing hides, over all its dimensions
    exposed = np.where(used, bound.stream_volumes / np.where(used, model.shapes, 1.0), 0.0).sum(axis=1)
    exposed *= model.shapes.sum(axis=1)
    counted = [s for s in range(len(model.streams)) if exposed[s] > 0]
    apart = used[counted].sum(axis=0).max(initial=0) <= 1 and (tied(model, b) == used)[counted].all()
    if len(counted) > 1 and apart:
        volumes = " : ".join(f"{exposed[s] / _GIGABYTE:.4g}" for s in counted)
        shares = " : ".join(f"{float(b[used[s]].sum() / b.sum()):.1%}" for s in counted)
        labels = " and ".join(model.streams[s].label for s in counted)
        return [f"Between {labels}, bandwidth goes as the square root of exposed bytes: {volumes} GB give {shares}."]
    if counted:
        price = _time((budget.per_bandwidth or 0.0) * _GIGABYTE)
        return [f"More budget saves {price} per GB/s wherever it is spent: no shift between dimensions helps."]
    return ["No collective is exposed: bandwidth does not change the iteration time."]


def _names(dimensions: Sequence[int] | NDArray[np.intp]) -> str:
    numbers = [str(int(i) + 1) for i in dimensions]
    if len(numbers) == 1:
        return f"dimension {numbers[0]}"
    return f"dimensions {', '.join(numbers[:-1])} and {numbers[-1]}"


def _time(seconds: float) -> str:
    return format_si(seconds, "s", 3)

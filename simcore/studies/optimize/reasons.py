"""Why a split is what it is: the numbers of a plan in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import Bound
from simcore.models.bandwidth.dimensions import TIE, tied
from simcore.models.bandwidth.plan import BandwidthPlan
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.shadow import UNSTEADY, ShadowPrice
from simcore.models.bandwidth.target import Target
from simcore.models.training.closed_form import StepModel
from simcore.units import format_si

Array = NDArray[np.float64]

_GIGABYTE = 1e9
_SLACK = 1e-6
"""Room between a split and a limit, as a share of the budget, from which the limit is called inactive."""


def reasons(plan: BandwidthPlan) -> list[str]:
    """Say in sentences why the split of a plan is what it is."""
    model, region, limits, free = plan.model, plan.region, plan.shadow_prices, plan.free
    b, prices, per_cost = np.array(plan.bandwidths), np.array(plan.prices), plan.target is Target.PER_COST
    sentences = [_stream_reason(model, s, b) for s in range(len(model.streams))]
    sentences += _overlap_reason(model, b)
    active = [limit for limit in limits if limit.per_bandwidth and limit.name != "budget"]
    sentences += [_limit_reason(limit) for limit in active]
    sentences += _slack_reason(region, b)
    sentences += _unknown_reason(limits)
    if per_cost:
        sentences += _budget_reason(limits)
        sentences.append(_cost_reason(b, prices, plan.bound))
    elif not active and len(region.rows) == 1:
        sentences += _balance_reason(model, plan.bound, b, limits[0])
    idle = [i for i in range(len(b)) if not (model.shapes[:, i] > 0).any()]
    if idle:
        sentences.append(f"{_names(idle).capitalize()} {'carries' if len(idle) == 1 else 'carry'} nothing.")
    if free:
        rest = "the split nearest to equal shares" if per_cost else "the cheapest, then nearest to equal shares,"
        sentences.append(
            f"{_names(free).capitalize()} could be split otherwise at the same objective; {rest} is given."
        )
    if plan.equal_products:
        sentences.append("Networks of other costs have the same time x cost; the cheapest is given.")
    return sentences


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


def moved(limit: ShadowPrice) -> str:
    """Say which way to move an active equality, such as ``b1 smaller``; an empty string for anything else."""
    if not limit.direction:
        return ""
    what = "the left side" if limit.dimension is None else f"b{limit.dimension + 1}"
    return f"{what} {'larger' if limit.direction > 0 else 'smaller'}"


def unknown(limit: ShadowPrice) -> str:
    """Say why a shadow price is unknown; an empty string where it is known."""
    if limit.unknown == UNSTEADY:
        return "the saving per unit changes with every step that numbers of double precision can tell apart"
    return limit.unknown


def _limit_reason(limit: ShadowPrice) -> str:
    saved = _time(abs(limit.per_bandwidth or 0.0) * _GIGABYTE)
    return f"{limit.name} holds it back: {moved(limit) or 'loosened'}, it would save {saved} per GB/s to begin with."


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
    return [f"The shadow price of {each.name} is unknown: {unknown(each)}." for each in limits if each.unknown]


def _overlap_reason(model: StepModel, b: Array) -> list[str]:
    both = model.weight_volume > 0
    if not both.any():
        return []
    rates = model.rates(b)
    hidden = both & (
        model.input_volume * rates[model.input_stream]
        >= (model.weight_compute + model.weight_volume * rates[model.weight_stream]) * (1 - TIE)
    )
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

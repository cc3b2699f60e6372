"""Fitting the constants of a stack to measured iterations: which rows, by what measure, and how sure they are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.models.training.parallel.stack import Stack
from simcore.numerals import as_real
from simcore.studies.validate.runs import Predictor, Run
from simcore.units import counted

SHARE = 10
"""One row in so many of a stack is fitted to."""

LEAST = 3
"""Rows that a stack is fitted to at least, where it has them."""

NOISE = 0.05
"""How far equal measurements of iterations lie apart, in the mean; it weighs rows against what is known beforehand."""


class Known(NamedTuple):
    """What is known of a constant beforehand: its median, and the spread of its logarithm."""

    median: float
    spread: float


BEFOREHAND: Mapping[str, Known] = {
    "products": Known(0.75, 0.25), "launch": Known(2e-5, 0.8), "network": Known(0.75, 0.6),
}  # fmt: skip
"""Constants that are fitted, and what is taken for known of them: few rows say little of some."""

STARTS = tuple((0.7, launch, network) for launch in (8e-6, 5e-5) for network in (0.8, 0.4))
"""Where the search for constants begins."""

POOLED = 10
"""Rows of its own from which on a stack has an interval of its own."""


def chosen(runs: Sequence[Run], where: Callable[[Run], bool] | None = None) -> list[Run]:
    """Return the rows that a stack is fitted to: a tenth, evenly over the size of model, sequence and cluster.

    Parameters
    ----------
    runs : sequence of Run
        Of one stack.
    where : callable, optional
        Names the rows instead.
    """
    if where is not None:
        return [run for run in runs if where(run)]
    ranked = sorted(runs, key=_rank)
    count = max(-(-len(ranked) // SHARE), min(LEAST, len(ranked)))
    return [ranked[int((i + 0.5) * len(ranked) / count)] for i in range(count)]


def _rank(run: Run) -> tuple[float, float, float, str]:
    sizes = (as_real(run.row[name]) or 0.0 for name in ("params_b", "seq_len", "gpus"))
    return *sizes, run.row.get("row_id", "")  # type: ignore[return-value]  # three numbers and a text


def fit_stack(name: str, runs: Sequence[Run], source: str = "") -> Stack:
    """Return the stack whose predictions are nearest to rows, by the logarithm of their ratio (Huber's loss).

    Parameters
    ----------
    name : str
        Of the stack.
    runs : sequence of Run
        What it is fitted to.
    source : str
        Where they come from.
    """
    from scipy.optimize import minimize

    predictor = Predictor()

    def loss(logs: NDArray[np.float64]) -> float:
        stack = _of("", np.exp(logs))
        misses = math.fsum(_miss(math.log(predictor.once(run, stack) / run.measured) / NOISE) for run in runs)
        beside = (
            (log - math.log(known.median)) ** 2 / 2 / known.spread**2
            for log, known in zip(logs, BEFOREHAND.values(), strict=True)
        )
        return misses + math.fsum(beside)

    steps, best = np.diag([0.15, 0.5, 0.3]), None
    for start in np.log(STARTS):
        options: Any = {"maxfev": 120, "initial_simplex": [start, *(start + steps)], "xatol": 1e-3, "fatol": 1e-3}
        found = minimize(loss, start, method="Nelder-Mead", options=options)
        best = found if best is None or found.fun < best.fun else best
    assert best is not None
    constants = [float(f"{value:.4g}") for value in np.exp(best.x)]
    ids = frozenset(run.row.get("row_id", "") for run in runs)
    first = runs[0].iteration
    return replace(
        _of(name, constants), rows=len(runs), source=source, fitted=ids, attention=first.attention,
        overlap_tensor=all(run.iteration.layout.overlap_tensor for run in runs),
        stops_early=all(run.iteration.layout.stops_early for run in runs),
    )  # fmt: skip


def _miss(off: float) -> float:
    """Return what a row adds to the search, off by so many times the noise: half its square, from 1 on as a line."""
    return off * off / 2 if abs(off) < 1 else abs(off) - 0.5


def _of(name: str, constants: Iterable[float]) -> Stack:
    """Return a stack of some constants, in the order of `BEFOREHAND`."""
    products, launch, network = map(float, constants)
    return Stack(name, products, launch, network)


def expressed(runs: Sequence[Run]) -> list[Run]:
    """Return the rows whose layout fits their model and machine."""
    predictor, stack = Predictor(), Stack("")
    kept = []
    for run in runs:
        try:
            predictor.once(run, stack)
        except InputError:
            continue
        kept.append(run)
    return kept


@dataclass(frozen=True)
class Fitted:
    """A stack, and how it was found.

    Attributes
    ----------
    stack : Stack
        With its interval.
    ratios : tuple of float
        Measured over predicted time of the rows that it was not fitted to.
    """

    stack: Stack
    ratios: tuple[float, ...]


def fitted(name: str, runs: Sequence[Run], where: Callable[[Run], bool] | None = None) -> Fitted:
    """Fit a stack to some of its rows, and hold it against the others; the interval is `with_intervals`'."""
    mine = chosen(runs, where)
    stack = fit_stack(name, mine, "; ".join(dict.fromkeys(run.row["source"] for run in runs)))
    return held_against(replace(stack, split=_split(mine)), runs)


def held_against(stack: Stack, runs: Sequence[Run]) -> Fitted:
    """Hold a stack against the rows that it was not fitted to."""
    predictor = Predictor()
    others = [run for run in runs if run.row.get("row_id", "") not in stack.fitted]
    ratios = tuple(run.measured / predictor.seconds(run, stack) for run in others)
    return Fitted(replace(stack, held=len(ratios)), ratios)


def of_all(name: str, runs: Sequence[Run]) -> tuple[Stack, list[str]]:
    """Fit a stack to all of a user's rows; its interval is that of leaving each out in turn, or of `LEAST` parts.

    Returns
    -------
    tuple of Stack and list of str
        The stack, and what was fitted to what.
    """
    stack = fit_stack(name, runs, "; ".join(dict.fromkeys(run.row["source"] for run in runs)))
    stack = replace(stack, split=_split(runs))
    parts, predictor, logs = min(FOLDS, len(runs)), Predictor(), []
    for part in range(parts) if parts > 1 else ():
        others = [run for at, run in enumerate(runs) if at % parts != part]
        left_out = fit_stack("", others)
        logs += [math.log(run.measured / predictor.seconds(run, left_out)) for run in runs[part::parts]]
    single = Fitted(stack, tuple(math.exp(log) for log in logs))
    known = [math.log(end) for end in (STANDING.low, STANDING.high)]
    stack = replace(_with_interval(single, known), held=len(logs))
    constants = f"products {stack.products:.3g}, launch {stack.launch * 1e6:.3g} us, network {stack.network:.3g}"
    told = [f"Three constants were fitted to {counted(len(runs), 'row')}: {constants}."]
    if logs:
        off = statistics.fmean(abs(math.exp(-log) - 1) for log in logs)
        told.append(f"Rows that were left out in turn are off by {off:.1%} in the mean.")
    else:
        told.append("One row says nothing of its own error: the interval is that of all stacks.")
    told += _doubts(stack, runs)
    return stack, told


def _doubts(stack: Stack, runs: Sequence[Run]) -> list[str]:
    """Say which rows do not fit, and which constants no device or network can have."""
    told, predictor = [], Predictor()
    far = [run for run in runs if abs(predictor.seconds(run, stack) / run.measured - 1) > FAR]
    if far:
        names = ", ".join(
            run.row.get("row_id") or f"{run.row['model']} of {run.measured:g} s" for run in far[:MOST_NAMED]
        )
        told.append(f"Off by more than {FAR:.0%} all the same: {names}. Check their sizes, degrees and times.")
    above = [name for name in ("products", "network") if getattr(stack, name) > 1 + FAR]
    if above:
        told.append(
            f"{' and '.join(above).capitalize()} above what the profile or the network has: rows that the constants do "
            "not explain, or another device or network."
        )
    unsure = [name for name, sure in stack.identified.items() if not sure]
    if unsure:
        told.append(f"The rows do not identify {', '.join(unsure)}: two halves of them differ, or they are too few.")
    return told


FAR = 0.25
"""A row is named that is off by more than this share."""

MOST_NAMED = 5
"""Rows that are named at most."""

FOLDS = 5
"""Parts of a user's rows, each of which is left out in turn."""

STANDING = Stack("", low=0.85, high=1.25)
"""Interval that few rows are pooled with, about that of all stacks of the zoo."""


def _split(runs: Sequence[Run]) -> tuple[float, ...]:
    if len(runs) < 2 * LEAST:
        return ()
    halves = [fit_stack("", runs[at::2]) for at in (0, 1)]
    pairs = (
        (first, second) for first, second in zip(*((h.products, h.launch, h.network) for h in halves), strict=True)
    )
    return tuple(abs(first - second) / (first + second) * 2 for first, second in pairs)


def with_intervals(each: Sequence[Fitted]) -> list[Fitted]:
    """Return stacks with intervals: 90 % of the rows that they were not fitted to.

    Fewer rows than `POOLED` widen the interval of all stacks' rows together, so that it holds them too.
    """
    pooled = [math.log(ratio) for one in each for ratio in one.ratios]
    ends = [float(end) for end in np.quantile(pooled, (0.05, 0.95))] if pooled else [-0.2, 0.2]
    return [replace(one, stack=_with_interval(one, ends)) for one in each]


def _with_interval(one: Fitted, ends: Sequence[float]) -> Stack:
    logs = [math.log(ratio) for ratio in one.ratios]
    if len(logs) < POOLED:  # few rows widen what all stacks have
        low, high = min([*logs, ends[0]]), max([*logs, ends[1]])
    else:
        low, high = (float(end) for end in np.quantile(logs, (0.05, 0.95)))
    low, high = min(low, 0.0), max(high, 0.0)
    return replace(one.stack, low=float(f"{math.exp(low):.4g}"), high=float(f"{math.exp(high):.4g}"))


def usual(name: str, stacks: Sequence[Stack], runs: Mapping[str, Sequence[Run]]) -> Stack:
    """Return the stack that stands in where none was measured: medians of the constants of those that were.

    Its interval is that of all rows, each stack weighing the same.
    """
    stack = _of(name, (statistics.median(getattr(one, key) for one in stacks) for key in BEFOREHAND))
    predictor, pairs = Predictor(), []
    for one in stacks:
        own = runs[one.name]
        pairs += [(math.log(run.measured / predictor.seconds(run, stack)), 1 / len(own)) for run in own]
    pairs.sort()
    weights = np.cumsum([weight for _, weight in pairs])
    low, high = (pairs[int(np.searchsorted(weights, share * weights[-1]))][0] for share in (0.05, 0.95))
    return replace(
        stack, low=float(f"{math.exp(low):.4g}"), high=float(f"{math.exp(high):.4g}"), held=len(pairs),
        source="medians of the other stacks of the zoo",
    )  # fmt: skip

"""Why a layout is the best: what it comes to with one thing changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.search import Found, Tried

CHANGED = {
    "tp": "TP", "cp": "CP", "pp": "PP", "vp": "VP", "ep": "EP", "micro_batch": "micro-batches of",
    "recompute": "recompute", "zero": "ZeRO",
}  # fmt: skip
"""What may be chosen, to how it is written. DP and the number of micro-batches follow."""


@dataclass(frozen=True)
class Reason:
    """The best layout with one thing changed.

    Attributes
    ----------
    what : str
        For example ``TP 4``.
    result : Evaluation
        The iteration with it.
    short : float
        What its worst rank lacks [B]; 0 where it fits.
    grows : str
        The part of the iteration that grows most over the best layout's; empty where none does.
    seconds : float
        By how much it grows [s].
    """

    what: str
    result: Evaluation
    short: float
    grows: str
    seconds: float


def reasons(evaluator: Evaluator, found: Found, best: Evaluation, capacity: float) -> tuple[Reason, ...]:
    """Return what the best layout comes to with the next smaller, and the next larger, of each thing that was tried."""
    return tuple(
        _reason(name, evaluator.evaluate(tried.layout), best, capacity)
        for name in CHANGED
        for tried in _beside(name, best.layout, found.points)
    )


def _beside(name: str, layout: Layout, points: tuple[Tried, ...]) -> Iterator[Tried]:
    """Yield the layouts that differ in one thing: of numbers the nearest ones, of recomputation all."""
    others = {}
    for tried in points:
        if all(getattr(tried.layout, other) == getattr(layout, other) for other in CHANGED if other != name):
            others[getattr(tried.layout, name)] = tried
    own = getattr(layout, name)
    if not isinstance(own, int) or name == "recompute":
        yield from (tried for value, tried in others.items() if value != own)
        return
    below, above = [value for value in others if value < own], [value for value in others if value > own]
    yield from (others[value] for value in (*sorted(below)[-1:], *sorted(above)[:1]))


def _reason(name: str, result: Evaluation, best: Evaluation, capacity: float) -> Reason:
    value = getattr(result.layout, name)
    growth = {part: seconds - best.parts[part] for part, seconds in result.parts.items()}
    part = max(growth, key=lambda each: growth[each])
    return Reason(
        f"{CHANGED[name]} {getattr(value, 'value', value)}", result, max(0.0, result.worst.reserved - capacity),
        part if growth[part] > 0 else "", max(0.0, growth[part]),
    )  # fmt: skip


def distinct(found: Found, most: int) -> tuple[Evaluation, ...]:
    """Return the best layouts that differ in TP, CP, PP or EP, the fastest first."""
    best: dict[tuple[int, ...], Evaluation] = {}
    for one in found.best:
        layout = one.layout
        best.setdefault((layout.tp, layout.cp, layout.pp, layout.ep), one)
        if len(best) == most:
            break
    return tuple(best.values())

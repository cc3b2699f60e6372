"""What every prediction of a training iteration carries: its 90 % interval, its terms, and what both rest on."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simcore.models.training.parallel.placement import Placement
from simcore.models.training.parallel.stack import Stack
from simcore.models.training.terms import COLLECTIVES, Interval, Kernels, TermError, interval_of
from simcore.readers.term_errors import OTHER_GROUPS, read_term_errors
from simcore.results import Result, Table
from simcore.units import counted, format_si

WHOLE = "iteration"
"""What the interval of a stack is of: not of a term, but of all together."""


@dataclass(frozen=True, kw_only=True)
class Predicted(Result, ABC):
    """A predicted training iteration.

    Attributes
    ----------
    terms : mapping of str to float
        What the time rests on, see `simcore.models.training.terms.TERMS` [s].
    between : Interval
        Between what times nine of ten measured iterations should be, and what says so.
    """

    terms: Mapping[str, float]
    between: Interval

    @property
    def interval(self) -> tuple[float, float] | None:
        """Between what times nine of ten measured iterations should be [s]; None where a term was never measured."""
        return self.between.ends

    def interval_dict(self) -> dict[str, Any]:
        """Return interval, terms and what they rest on as plain containers."""
        return {
            "interval_90": None if self.interval is None else list(self.interval),
            "interval_rests_on": dict(self.between.rests),
            "terms": dict(self.terms),
        }

    def terms_table(self, seconds: float) -> Table:
        """Return the terms of a time [s] with their shares and what the interval of each rests on."""
        rests = self.between.rests
        rows = [
            (name, spent, spent / seconds, rests.get(name, rests.get(WHOLE, ""))) for name, spent in self.terms.items()
        ]
        return Table(["term", "time", "share", "rests_on"], rows, {"time": "s"})

    def interval_sentences(self) -> list[str]:
        """Say what the time rests on, and what the interval does."""
        total = sum(self.terms.values())
        if not total:
            return []
        shares = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in self.terms.items())
        if WHOLE in self.between.rests:
            return [f"The time rests on {shares}."]
        each = "; ".join(f"{name}: {why}" for name, why in self.between.rests.items())
        return [f"The time rests on {shares}.", f"The interval rests on {each}."]


def interval_words(interval: tuple[float, float] | None) -> str:
    """Say between what times measured iterations should be."""
    if interval is None:
        return "no 90 % interval: a part of the time was never held against measurements, see below"
    low, high = (format_si(end, "s", 4) for end in interval)
    return f"90 % of measured iterations: {low} to {high}"


def interval_of_stack(stack: Stack, seconds: float) -> Interval:
    """Return the interval of an iteration with the constants of a stack."""
    of = f"{counted(stack.held, 'measured iteration')} that no constant of stack {stack.name} was fitted to"
    alone = f"other stacks' rows, as nothing was held out of those of stack {stack.name}"
    return Interval(stack.interval(seconds), {WHOLE: of if stack.held else alone})


def interval_without_stack(terms: Mapping[str, float], kernels: Kernels, placement: Placement | None) -> Interval:
    """Return the interval of an iteration from those of its terms.

    Parameters
    ----------
    terms : mapping of str to float
        What it rests on [s].
    kernels : Kernels
        Where the time of kernels comes from.
    placement : Placement or None
        Where groups lie, with the measured collectives that were asked for; None where links alone are known.
    """
    errors = {**read_term_errors(), **kernels.errors()}
    if placement is not None and placement.collectives is not None:
        errors[COLLECTIVES] = _of_collectives(placement)
    return interval_of(terms, errors)


def _of_collectives(placement: Placement) -> TermError:
    """Return how far off measured collectives are: the widest of those that were asked for."""
    other = read_term_errors()[OTHER_GROUPS]
    used = [timing for _, _, timing in placement.used()]
    known = [timing.basis == "measured" and timing.error is not None for timing in used]
    measured = [curve for timing, sure in zip(used, known, strict=True) if sure for curve in timing.curves]
    scaled = not all(known) or not measured
    low, high = min((one.low for one in measured), default=1.0), max((one.high for one in measured), default=1.0)
    if not scaled:
        return TermError(low, high, f"sizes held out of the fit of {sum(one.rows for one in measured):,} collectives")
    return TermError(min(low, other.low), max(high, other.high), other.basis)

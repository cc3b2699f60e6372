"""What is said of a model's memory on GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.report import Block, Grid, Headline, Sentences, grid
from simcore.studies.deployment.outcome import LayoutOutcome
from simcore.studies.deployment.texts import ASSUMED, GIB, layout_text, memory_grid, under
from simcore.units import format_si

LARGEST = 8
"""Operators whose activations are listed; the others are summed up."""


def report(result: LayoutOutcome) -> list[Block]:
    """Return whether it fits, what ranks hold, the largest activations, and what makes it fit."""
    return [
        Headline(_headline(result), "\n".join(under(result.evaluation, result.tried, result.capacity))),
        memory_grid(result.evaluation.memory),
        _activations(result),
        Sentences("", sentences(result)),
    ]


def sentences(result: LayoutOutcome) -> list[str]:
    """Return what makes it fit, and what is assumed."""
    return list(_sentences(result))


def _headline(result: LayoutOutcome) -> str:
    machine, layout = result.deployment.evaluator.machine, result.evaluation.layout
    fits = "fits" if result.fits else "does not fit"
    return (
        f"{result.deployment.name}, sequence {result.deployment.sequence:,}, {fits} on {layout.gpus} "
        f"{machine.profile.name}"
    )


def _activations(result: LayoutOutcome) -> Grid:
    """Return the operators that keep most on the worst rank."""
    worst = result.evaluation.worst
    ranked = sorted(worst.operators.items(), key=lambda one: (-one[1], one[0]))
    total = sum(worst.operators.values()) or 1.0
    shown, rest = ranked[:LARGEST], sum(size for _, size in ranked[LARGEST:])
    rows = [(path, f"{size / GIB:.2f}", f"{size / total:.1%}") for path, size in shown]
    if rest:
        rows.append((f"{len(ranked) - LARGEST} others", f"{rest / GIB:.2f}", f"{rest / total:.1%}"))
    return grid(f"activations of rank {worst.rank}", "GiB", "share", rows=rows)


def _sentences(result: LayoutOutcome) -> Iterator[str]:
    remedy = result.change
    if remedy is not None:
        need = f"{remedy.result.worst.reserved / GIB:.1f} GiB, {format_si(remedy.result.time, 's', 4)} per iteration"
        yield f"What makes it fit at least cost in time: {remedy.what} ({layout_text(remedy.result.layout)}): {need}."
    elif not result.fits:
        yield "Nothing that was tried makes it fit: single changes, two of them, or more GPUs."
    yield ASSUMED

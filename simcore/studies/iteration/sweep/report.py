"""What is said of a sweep: a row for each value, what each step gains, and which is the last one worth it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.studies.deployment.intervals import interval_words
from simcore.studies.deployment.words import degrees, each_words, gib, model_words, stack_words
from simcore.studies.iteration.sweep.outcome import WORTH, SweepOutcome
from simcore.units import format_si

_LABELS = {"nic": "NIC per GPU"}


def label(name: str) -> str:
    """Return how a reader sees a field.

    Examples
    --------
    >>> label("nic"), label("micro_batch")
    ('NIC per GPU', 'micro-batch')
    """
    return _LABELS.get(name, name.replace("_", "-"))


def report(result: SweepOutcome) -> list[Block]:
    """Return the head, a row for each value, and what each step gains."""
    return [Headline(_headline(result), "\n".join(_under(result))), _grid(result), Sentences("", sentences(result))]


def sentences(result: SweepOutcome) -> list[str]:
    """Return what each step gains, and which is the last one that is worth it."""
    return [*_steps(result), *_advice(result), *_price(result), *_layouts(result), *_misfits(result)]


def _headline(result: SweepOutcome) -> str:
    first = result.points[0].result
    machine, sequence = first.deployment.evaluator.machine, each_words(first.deployment.sequence)
    gpus = "" if result.name == "gpus" else f" {first.deployment.gpus:,}"
    values = ", ".join(point.shown for point in result.points)
    what = f"{first.deployment.name}, {sequence}" if result.name != "sequence" else first.deployment.name
    return f"{what}, on{gpus} {machine.profile.name}, network {machine.topology.name}: {label(result.name)} of {values}"


def _under(result: SweepOutcome) -> Iterator[str]:
    first = result.points[0].result
    batch = "" if result.name in {"global_batch", "gpus"} else f"global batch {first.deployment.global_batch:,}, "
    yield f"{first.evaluation.layout.number_format.name}, {batch}{model_words(first.deployment.model)}"
    yield stack_words(first.deployment.evaluator.machine.stack)
    if result.name == "nic":
        yield "bandwidths are of one direction"
    if first.interval is not None:
        yield f"at {result.points[0].shown} {interval_words(first.interval)}"


def _grid(result: SweepOutcome) -> Grid:
    priced = any(point.cost is not None for point in result.points)
    names = ["time", "tokens/s", "gain", "exposed", "exposed share", "GiB", *(["network"] if priced else [])]
    columns = [Column(label(result.name)), *map(Column, names), Column("layout", left=True)]
    rows = []
    for point, gain in zip(result.points, result.gains, strict=True):
        one, layout = point.result, point.result.evaluation.layout
        cells = [
            point.shown, format_si(point.time, "s"), f"{one.tokens_per_second:,.0f}",
            "" if gain is None else f"{gain:+.1%}", format_si(point.exposed, "s"),
            f"{point.exposed / point.time:.1%}", gib(one.evaluation.worst.reserved) + ("" if one.fits else " !"),
        ]  # fmt: skip
        cells += [dollars(point.cost)] if point.cost is not None else []
        rows.append([*cells, f"{degrees(layout)}, batch {layout.micro_batch}, recompute {layout.recompute.value}"])
    return Grid(columns, rows, keys=1)


def dollars(amount: float) -> str:
    """Write an amount of money.

    Examples
    --------
    >>> dollars(2.5e6), dollars(900.0)
    ('$2.5 M', '$900')
    """
    return f"${amount / 1e6:.4g} M" if abs(amount) >= 1e6 else f"${amount:,.0f}"


def _steps(result: SweepOutcome) -> Iterator[str]:
    for (before, after), gain in zip(pairwise(result.points), result.gains[1:], strict=True):
        assert gain is not None  # of the first value alone
        times = f"{format_si(before.time, 's')} to {format_si(after.time, 's')}"
        waits = f"{format_si(before.exposed, 's')} to {format_si(after.exposed, 's')}"
        yield (
            f"From {before.shown} to {after.shown}: {times} per iteration, {_gained(gain)} tokens per second; exposed "
            f"communication {waits}."
        )


def _gained(gain: float) -> str:
    return f"{abs(gain):.1%} {'more' if gain >= 0 else 'fewer'}"


def _advice(result: SweepOutcome) -> Iterator[str]:
    """Say how far it pays to go, by the share of tokens per second that a step gains."""
    last, points, gains = result.last_worth, result.points, result.gains
    what = "NICs of " if result.name == "nic" else f"{label(result.name)} "
    gain = gains[last]
    if gain is None:
        yield f"No step gains {WORTH:.0%} and fits, so that {what}{points[0].shown} will do."
        return
    verb = "Buy" if result.name == "nic" else "Take"
    text = f"{verb} {what}{points[last].shown}: the step to it gains {gain:.1%}, the last that gains {WORTH:.0%}"
    if last + 1 == len(points):
        yield f"{text}. No value after it was tried."
        return
    following, fit = gains[last + 1] or 0.0, "" if points[last + 1].result.fits else ", and does not fit"
    yield f"{text}. The next one, {points[last + 1].shown}, brings {_gained(following)} tokens per second{fit}."


def _price(result: SweepOutcome) -> Iterator[str]:
    """Say what steps cost beside what they gain."""
    for (before, after), gain in zip(pairwise(result.points), result.gains[1:], strict=True):
        if before.cost is not None and after.cost is not None and gain is not None:
            more = after.cost - before.cost
            per = f", {dollars(more / (100 * gain))} for each percent" if gain > 0 and more > 0 else ""
            yield f"The network of {after.shown} costs {dollars(more)} more than that of {before.shown}{per}."


def _layouts(result: SweepOutcome) -> Iterator[str]:
    """Say that what is left open differs from value to value."""
    layouts = {
        (one.tp, one.cp, one.pp, one.vp, one.ep, one.micro_batch, one.zero, one.recompute)
        for one in (point.result.evaluation.layout for point in result.points)
    }
    if len(layouts) > 1 and result.name in {"nic", "stragglers"}:
        yield (
            "Each value has the layout that is fastest for it, so that exposed communication may grow where time falls."
            " Give PP, micro-batch and recompute to keep one."
        )


def _misfits(result: SweepOutcome) -> Iterator[str]:
    out = [point for point in result.points if not point.result.fits]
    if out:
        yield f"Out of memory at {', '.join(point.shown for point in out)}: marked with an exclamation mark."

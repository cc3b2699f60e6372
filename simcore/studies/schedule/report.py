"""What is said of a training schedule: a row for each step, memory by kind, and what each step changed."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.models.training.parallel.memory import KINDS
from simcore.models.training.workload import parameters_words
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.studies.deployment.words import degrees, each_words, gib, stack_words
from simcore.studies.schedule.outcome import ScheduleOutcome, Stepped
from simcore.units import format_si


def report(result: ScheduleOutcome) -> list[Block]:
    """Return the iteration after each step: rates, parts of the time, memory by kind."""
    layout = result.rows[0].evaluation.layout
    head = f"{result.name}, {each_words(result.sequence)}, on {layout.gpus} {result.device}, network {result.network}"
    batch = "the largest batch that fits" if result.largest else f"batch {layout.global_batch:,}"
    micro = "" if layout.pp == 1 else f" in micro-batches of {layout.micro_batch}"
    under = (
        f"{parameters_words(result.parameters)}, {layout.number_format.name}, {batch}{micro}\n"
        f"{degrees(layout)}, ZeRO {layout.zero}\n"
        f"{stack_words(result.stack)}"
    )
    return [
        Headline(head, under), _rates(result), _parts(result), _memory(result), Sentences("", sentences(result)),
    ]  # fmt: skip


def _rates(result: ScheduleOutcome) -> Grid:
    rows, before = [], None
    for row in result.rows:
        one = row.evaluation
        share = "" if result.peak is None else f"{one.flops / result.peak:.1%}"
        rows.append((
            row.step, f"{one.layout.global_batch:,}", format_si(one.time, "s", 4), f"{row.rate:.4g}",
            "" if before is None else _change(row.rate / before.rate - 1),
            f"{one.flops / 1e12:.1f}", share, gib(one.worst.reserved), "yes" if row.fits else "NO",
        ))  # fmt: skip
        before = row
    names = ("batch", "time", "samples/s", "change", "TFLOP/s", "MFU", "GiB", "fits")
    return Grid([Column("step", left=True), *map(Column, names)], rows, keys=1)


def _change(share: float) -> str:
    return f"{share:+.1%}" if abs(share) >= 5e-4 else "0.0%"


def _parts(result: ScheduleOutcome) -> Grid:
    names = [name for name in result.last.evaluation.parts if any(row.evaluation.parts[name] for row in result.rows)]
    rows = [(row.step, *(format_si(row.evaluation.parts[name], "s", 3) for name in names)) for row in result.rows]
    return Grid([Column("step", left=True), *map(Column, names)], rows, keys=1)


def _memory(result: ScheduleOutcome) -> Grid:
    kinds = [kind for kind in KINDS if any(row.evaluation.worst.kinds[kind] for row in result.rows)]
    rows = [(row.step, *(gib(row.evaluation.worst.kinds[kind]) for kind in kinds)) for row in result.rows]
    return Grid([Column("GiB of the worst rank", left=True), *map(Column, kinds)], rows, keys=1)


def sentences(result: ScheduleOutcome) -> list[str]:
    """Return what each step changed most."""
    return list(_sentences(result))


def _sentences(result: ScheduleOutcome) -> Iterator[str]:
    for before, after in zip(result.rows, result.rows[1:], strict=False):
        yield f"{after.step}: {changed(before, after)}."
    if len(result.rows) > 1:
        yield f"All steps together: {result.speedup:.3g} times the samples per second."
    if result.peak is not None and any(row.evaluation.flops > result.peak for row in result.rows):
        yield "A rate above the peak is one of convolutions that multiply less than is counted (Winograd)."
    if result.stack is None:
        yield "No constant is fitted: kernels and collectives are those of the profile and of the network."


def changed(before: Stepped, after: Stepped) -> str:
    """Say what a step changed: the part of the time that changed most, memory, and the batch."""
    of, to = before.evaluation, after.evaluation
    words = []
    if of.layout.global_batch != to.layout.global_batch:
        words.append(f"batch {of.layout.global_batch:,} to {to.layout.global_batch:,}")
    else:
        moved = {name: to.parts[name] - of.parts[name] for name in to.parts}
        most = max(moved, key=lambda name: abs(moved[name]))
        if abs(moved[most]) > 1e-4 * of.time:
            sign = "+" if moved[most] > 0 else "-"
            words.append(f"{most} {sign}{format_si(abs(moved[most]), 's', 3)}")
    held = to.worst.reserved - of.worst.reserved
    if abs(held) > 2**20:
        words.append(f"memory {'+' if held > 0 else '-'}{gib(abs(held))} GiB")
    return ", ".join(words) or "nothing measurable"

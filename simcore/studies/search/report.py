"""What is said of a search of layouts: the best one, the runners-up, and why."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.studies.deployment.texts import ASSUMED, GIB, layout_text
from simcore.studies.search.outcome import Neighbour, SearchOutcome
from simcore.units import counted, format_si

ALIKE = 0.005
"""Changes that cost less than this share of the iteration count as none."""


def report(result: SearchOutcome) -> list[Block]:
    """Return the best layout, the runners-up, and why."""
    tables = [_listed(result)] if result.listed else []
    return [Headline(_headline(result), "\n".join(_under(result))), *tables, Sentences("Why", sentences(result))]


def sentences(result: SearchOutcome) -> list[str]:
    """Return why the best layout is the best, and what was left out."""
    return list(_sentences(result))


def _headline(result: SearchOutcome) -> str:
    deployment = result.deployment
    return (
        f"{deployment.name}, sequence {deployment.sequence:,}, global batch {deployment.global_batch:,}, "
        f"on {deployment.gpus} {deployment.evaluator.machine.profile.name}: "
        f"{counted(result.found.tried, 'layout')} tried, {len(result.found.best):,} fit"
    )


def _under(result: SearchOutcome) -> Iterator[str]:
    best, smallest = result.best, result.found.smallest
    if best is not None:
        yield f"best: {layout_text(best.layout)}"
        yield (
            f"{format_si(best.time, 's', 5)} per iteration, {best.tokens / best.time:,.0f} tokens/s, "
            f"{best.flops / 1e12:.1f} TFLOP/s per GPU (MFU {best.flops / result.peak:.1%}), "
            f"{best.worst.reserved / GIB:.1f} of {result.capacity / GIB:.1f} GiB"
        )
    elif smallest is not None:
        yield "OUT OF MEMORY: no layout fits. The one that needs least:"
        yield (
            f"{layout_text(smallest.layout)}: rank {smallest.worst.rank} needs {smallest.worst.reserved / GIB:.1f} of "
            f"{result.capacity / GIB:.1f} GiB"
        )


def _listed(result: SearchOutcome) -> Grid:
    """Return the fastest layouts, one for each set of TP, CP, PP and EP."""
    names = ("tp", "cp", "pp", "vp", "ep", "dp")
    used = [name for name in names if any(getattr(one.layout, name) > 1 for one in result.listed)]
    heads = [*(name.upper() for name in used), "batch", "ZeRO", "recompute", "time", "against best", "MFU", "GiB"]
    columns = [Column(head, left=head == "recompute") for head in heads]
    first = result.listed[0].time
    rows = []
    for one in result.listed:
        layout, degrees = one.layout, [str(getattr(one.layout, name)) for name in used]
        took = format_si(one.time, "s", 4), f"{one.time / first - 1:+.1%}"
        batch, share = f"{layout.micro_batches} x {layout.micro_batch}", f"{one.flops / result.peak:.1%}"
        need = f"{one.worst.reserved / GIB:.1f}"
        rows.append((*degrees, batch, str(layout.zero), layout.recompute.value, *took, share, need))
    return Grid(columns, rows)


def _sentences(result: SearchOutcome) -> Iterator[str]:
    best = result.best
    if best is not None:
        for one in result.neighbours:
            said = _why(one, best, result.capacity)
            if said:
                yield said
        yield "Layouts with the same TP, CP, PP and EP are listed once, as their fastest."
    for place, count in result.found.refused.items():
        yield f"{count:,} layouts cannot be run: {place}."
    yield f"{result.found.misfits:,} layouts need more memory than there is. {ASSUMED}"


def _why(one: Neighbour, best: Evaluation, capacity: float) -> str:
    """Say what a change of the best layout would cost; nothing where it changes next to nothing."""
    if one.result is None:
        return f"{one.what}: cannot be run, expected {one.reason}."
    short = one.result.worst.reserved - capacity
    if short > 0:
        return f"{one.what}: {short / GIB:.1f} GiB more than there is."
    slower = one.result.time / best.time - 1
    if slower < ALIKE:
        return ""
    part, growth = one.grown(best)
    return f"{one.what}: {slower:+.1%}; most is {part}, {format_si(growth, 's', 3)} more."

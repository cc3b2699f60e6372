"""What is said of a search of layouts."""

from __future__ import annotations

from simcore.errors import with_fields
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.studies.deployment.intervals import interval_words
from simcore.studies.deployment.words import degrees, details, gib, model_words, stack_words, taken_words
from simcore.studies.search.outcome import SearchOutcome
from simcore.studies.search.reasons import Reason
from simcore.units import counted, format_si


def report(result: SearchOutcome) -> list[Block]:
    """Return the best layout, where its time goes, the runners-up, and what it comes to with one thing changed."""
    best = result.best
    asked = f"{result.name} on {counted(result.gpus, 'GPU')} {result.device}, global batch {result.global_batch:,}"
    sizes = f"{model_words(result.model)}, {taken_words(result.sequence)}, {result.precision}"
    if best is None:
        return [Headline(f"no layout fits: {asked}", f"{sizes}\n{_smallest(result)}"), Sentences("", sentences(result))]
    said = filter(None, [stack_words(result.stack), result.collectives])
    under = "\n".join((sizes, f"{degrees(best.layout)}; {details(best.layout)}", *said, *_facts(result, best)))
    blocks: list[Block] = [Headline(asked, under), _parts(best)]
    blocks.append(_ranking(result))
    if result.reasons:
        blocks.append(_why(result, best))
    return [*blocks, Sentences("", sentences(result))]


def _facts(result: SearchOutcome, best: Evaluation) -> list[str]:
    share = "" if result.peak is None else f", MFU {best.flops / result.peak:.1%}"
    stage = "" if best.layout.pp == 1 else f" (pipeline stage {best.worst.rank})"
    return [
        f"iteration {format_si(best.time, 's')}: {best.tokens / best.time:,.0f} tokens/s, "
        f"{best.flops / 1e12:.1f} TFLOP/s per GPU{share}",
        *([] if result.stack is None else [interval_words(result.stack.interval(best.time))]),
        f"memory {gib(best.worst.reserved)} of {gib(result.capacity)} GiB{stage}",
    ]


def _smallest(result: SearchOutcome) -> str:
    """Say what comes closest where nothing fits."""
    one = result.found.smallest
    assert one is not None  # a search that can run nothing is refused
    return (
        f"The least is needed by {degrees(one.layout)}; {details(one.layout)}:\n"
        f"{gib(one.worst.reserved)} of {gib(result.capacity)} GiB in pipeline stage {one.worst.rank}. "
        "simcore memory says what makes it fit."
    )


def _parts(best: Evaluation) -> Block:
    rows = [(part, format_si(seconds, "s"), f"{seconds / best.time:.1%}") for part, seconds in best.parts.items()]
    columns = [Column("part of the iteration", left=True), Column("time"), Column("share")]
    return Grid(columns, [row for row, seconds in zip(rows, best.parts.values(), strict=True) if seconds], keys=1)


def _ranking(result: SearchOutcome) -> Block:
    names = ("TP", "CP", "PP", "VP", "EP", "DP", "batch", "recompute", "ZeRO", "time", "TFLOP/s", "GiB")
    rows = []
    for rank, one in enumerate(result.listed, 1):
        layout = one.layout
        sizes = (layout.tp, layout.cp, layout.pp, layout.vp, layout.ep, layout.dp, layout.micro_batch)
        rows.append((
            f"{rank}", *map(str, sizes), layout.recompute.value, f"{layout.zero}", format_si(one.time, "s"),
            f"{one.flops / 1e12:.1f}", gib(one.worst.reserved),
        ))  # fmt: skip
    return Grid([Column("rank"), *(Column(name, left=name == "recompute") for name in names)], rows, keys=1)


def _why(result: SearchOutcome, best: Evaluation) -> Block:
    rows = [(each.what, format_si(each.result.time, "s"), _because(each, best)) for each in result.reasons]
    return Grid([Column("one change", left=True), Column("time"), Column("why not", left=True)], rows, keys=1)


def _because(each: Reason, best: Evaluation) -> str:
    """Say why a change is no better."""
    if each.short:
        return f"does not fit: {gib(each.short)} GiB too much"
    slower = each.result.time - best.time
    if slower <= 0:
        return f"as fast, {gib(each.result.worst.reserved)} GiB"
    return f"{slower / best.time:.1%} slower: {format_si(each.seconds, 's')} more of {each.grows}"


def sentences(result: SearchOutcome) -> list[str]:
    """Say how many layouts were tried, and what became of them."""
    found = result.found
    said = [
        f"{counted(found.tried, 'layout')} tried: {len(found.points) - found.misfits:,} fit, {found.misfits:,} need "
        "more memory than there is."
    ]
    if found.refused:
        reasons = ", ".join(f"{with_fields(place)} {count:,}" for place, count in found.refused.items())
        said.append(f"Refused, by what was wrong: {reasons}.")
    if len(result.listed) > 1:
        said.append("A row of the ranking is the fastest layout of its TP, CP, PP and EP.")
    return said

"""What studies of a layout say alike: the layout in one line, whether it fits, and what each rank holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.memory import CONTEXT, FRAGMENTED, KINDS, RankMemory
from simcore.report import Grid, grid

GIB = 2.0**30
"""Bytes of a GiB [B]."""

ASSUMED = (
    f"Reserved memory is allocated memory, {FRAGMENTED:.0%} of what comes and goes, and {CONTEXT / 1e9:.2g} GB of "
    "context beside it (both assumed)."
)
"""How reserved memory comes about."""

FEW = 8
"""Ranks that a table of memory shows at most; of more it shows the first, the worst and the last."""


def layout_text(layout: Layout) -> str:
    """Return a layout in one line, degrees of 1 left out.

    Examples
    --------
    >>> layout_text(Layout(tp=8, pp=2, dp=4, micro_batch=1, micro_batches=16))
    'TP 8 x PP 2 x DP 4, 16 micro-batches of 1, 1F1B, bf16'
    """
    degrees = [
        f"{name.upper()} {getattr(layout, name)}" for name in ("tp", "cp", "pp", "dp") if getattr(layout, name) > 1
    ]
    text = " x ".join(degrees) or "1 GPU"
    text += f", VP {layout.vp}" * (layout.vp > 1) + f", EP {layout.ep}" * (layout.ep > 1)
    text += f", {layout.micro_batches:,} micro-batch{'es' * (layout.micro_batches > 1)} of {layout.micro_batch}"
    if layout.pp > 1:
        text += f", {layout.order}"
    text += ", sequence-parallel" * (layout.sequence_parallel and layout.tp > 1)
    if layout.zero:
        text += f", ZeRO-{layout.zero}"
    if layout.recompute is not Recompute.NONE:
        blocks = "" if layout.recompute_layers is None else f" in {layout.recompute_layers} blocks a chunk"
        text += f", recompute {layout.recompute.value}{blocks}"
    return f"{text}, {layout.number_format.name}"


def under(evaluation: Evaluation, tried: int | None, capacity: float) -> Iterator[str]:
    """Yield what belongs under a headline: the layout, how it was chosen, and whether it fits.

    Parameters
    ----------
    evaluation : Evaluation
        Of the layout.
    tried : int or None
        Layouts that were tried to settle what was left open; None where nothing was.
    capacity : float
        Memory of a GPU that programs may use [B].
    """
    layout, worst = evaluation.layout, evaluation.worst
    good = worst.reserved <= capacity
    yield f"{layout_text(layout)}; global batch {layout.global_batch:,}"
    if tried is not None:
        what = "fastest that fits" if good else "one that needs least memory, as none fits,"
        yield f"what was not given is chosen: the {what} of {tried:,} layouts"
    need = f"{worst.reserved / GIB:.1f} GiB of {capacity / GIB:.1f} GiB"
    verdict = "fits: rank {} needs most memory, {}" if good else "OUT OF MEMORY: rank {} needs {}"
    yield verdict.format(worst.rank, need)


def memory_grid(ranks: Sequence[RankMemory]) -> Grid:
    """Return what ranks hold by kind, in GiB: all where they are few, else the first, the worst and the last."""
    shown = list(ranks)
    if len(ranks) > FEW:
        worst = max(ranks, key=lambda one: one.reserved)
        shown = [ranks[at] for at in sorted({0, worst.rank, len(ranks) - 1})]
    kinds = [kind for kind in KINDS if any(one.kinds[kind] for one in ranks)]
    rows = [(kind, *(f"{one.kinds[kind] / GIB:.2f}" for one in shown)) for kind in kinds]
    totals = [(name, *(f"{getattr(one, name) / GIB:.2f}" for one in shown)) for name in ("allocated", "reserved")]
    return grid("GiB", *(f"rank {one.rank}" for one in shown), rows=[*rows, *totals])

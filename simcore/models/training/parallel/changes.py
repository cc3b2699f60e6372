"""Single changes of a layout: which of them makes it fit, or makes it faster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from simcore.errors import InputError
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.parallel.search import fits


@dataclass(frozen=True)
class Change:
    """A change of a layout, and what it comes to.

    Attributes
    ----------
    what : str
        For example ``recompute full``.
    result : Evaluation
        The iteration with it.
    """

    what: str
    result: Evaluation


def changes_of(layout: Layout) -> Iterator[tuple[str, Layout]]:
    """Yield the single changes that keep the GPUs and the global batch: what they are called, and what they make.

    Examples
    --------
    >>> [what for what, _ in changes_of(Layout(dp=2, fused_attention=True))][:3]
    ['TP 2', 'CP 2', 'PP 2']
    """
    for name in ("tp", "cp", "pp"):
        if layout.dp % 2 == 0 and not layout.stage_layers:
            more = {name: 2 * getattr(layout, name), "dp": layout.dp // 2, "micro_batches": 2 * layout.micro_batches}
            cut = layout.sequence_parallel or (name == "tp" and layout.tp == 1)
            yield f"{name.upper()} {more[name]}", replace(layout, **more, sequence_parallel=cut)
        if getattr(layout, name) % 2 == 0 and layout.micro_batches % 2 == 0 and not layout.stage_layers:
            less = {name: getattr(layout, name) // 2, "dp": 2 * layout.dp, "micro_batches": layout.micro_batches // 2}
            yield f"{name.upper()} {less[name]}", _settled(replace(layout, **less))
    for stage in (1, 2, 3):
        if layout.replicas > 1 and layout.zero != stage and (stage < 3 or layout.pp == 1):
            yield f"ZeRO {stage}", replace(layout, zero=stage)
    for recompute in Recompute:
        useless = recompute is Recompute.SELECTIVE and layout.fused_attention
        if recompute is not layout.recompute and not useless:
            yield f"recompute {recompute.value}", replace(layout, recompute=recompute, recompute_layers=None)
    if layout.micro_batch > 1:
        half = {"micro_batch": layout.micro_batch // 2, "micro_batches": layout.micro_batches * 2}
        if layout.micro_batch % 2 == 0:
            yield f"micro-batches of {half['micro_batch']}", replace(layout, **half)  # type: ignore[arg-type]  # the same
    if layout.micro_batches % 2 == 0:
        twice = {"micro_batch": 2 * layout.micro_batch, "micro_batches": layout.micro_batches // 2}
        yield f"micro-batches of {twice['micro_batch']}", replace(layout, **twice)  # type: ignore[arg-type]  # the same
    if layout.tp > 1 and not layout.sequence_parallel:
        yield "sequence parallelism", replace(layout, sequence_parallel=True)
    if not layout.fused_attention:
        yield "fused attention", replace(layout, fused_attention=True)
    if layout.pp > 1 and layout.order == "1F1B" and not layout.stage_layers:
        yield "VP 2", replace(layout, vp=2, order="interleaved")
    if not layout.overlap:
        yield "overlap", replace(layout, overlap=True)


def best_change(evaluator: Evaluator, layout: Layout, *, below: float = float("inf")) -> Change | None:
    """Return the single change that fits and is fastest, if any takes less than `below` [s]."""
    device = evaluator.machine.profile.device
    best: Change | None = None
    for what, changed in changes_of(layout):
        try:
            result = evaluator.evaluate(changed)
        except InputError:
            continue
        least = below if best is None else best.result.time
        if result.time < least and fits(result, device):
            best = Change(what, result)
    return best


def best_pair(evaluator: Evaluator, layout: Layout) -> Change | None:
    """Return the two changes after one another that fit and are fastest, if any do."""
    best: Change | None = None
    for what, changed in changes_of(layout):
        then = best_change(evaluator, changed, below=float("inf") if best is None else best.result.time)
        if then is not None:
            best = Change(f"{what} and {then.what}", then.result)
    return best


def _settled(layout: Layout) -> Layout:
    """Return a layout without what needs a degree above 1."""
    if layout.pp == 1 and layout.vp > 1:
        layout = replace(layout, vp=1, order="1F1B")
    return replace(layout, sequence_parallel=layout.sequence_parallel and layout.tp > 1)

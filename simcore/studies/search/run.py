"""``simcore search``: the fastest layout of a model's training on so many GPUs that fits."""

from __future__ import annotations

import itertools
import time

from simcore.errors import InputError, field
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.search import capacity, search_layouts
from simcore.progress import tracked
from simcore.results import Provenance, versions
from simcore.studies.deployment.layouts import MOST_LAYOUTS, Deployed, deployed, refused
from simcore.studies.deployment.words import by_reason, collectives_notes, collectives_words, with_options
from simcore.studies.request import study
from simcore.studies.search.reasons import distinct, reasons
from simcore.studies.search.request import SearchRequest
from simcore.studies.search.result import SearchResult

"""Gets how many of how many layouts were tried, and a word."""


@study(SearchRequest)
def search(request: SearchRequest) -> SearchResult:
    """Search the layouts of a model on so many GPUs, and rank those that fit by their time.

    Raises
    ------
    InputError
        If something is missing, or no layout can be run with what is given.

    Examples
    --------
    >>> result = search("gpt-1.3b", gpus=8, device="v100-32gb", precision="fp16", global_batch=32, pp=1)
    >>> result.best.layout.tp, result.best.layout.dp
    (1, 8)
    """
    started = time.process_time()
    deployment = deployed(request, open_all=True)
    evaluator = deployment.evaluator
    layouts = _layouts(deployment)
    found = search_layouts(evaluator, tracked(layouts, "layouts"))
    if found.smallest is None:
        raise refused(deployment, found)
    device = evaluator.machine.profile.device
    most, listed = capacity(device), distinct(found, request.top)
    form = deployment.base.number_format
    measured = collectives_notes(evaluator.placement(listed[0].layout)) if listed else []
    notes = [*(with_options(note) for note in deployment.notes), *_kernels(deployment, listed[:1]), *measured]
    return SearchResult(
        name=deployment.name,
        device=device.name,
        model=deployment.model,
        precision=form.name,
        gpus=deployment.gpus,
        global_batch=deployment.global_batch,
        sequence=deployment.sequence,
        found=found,
        listed=listed,
        reasons=reasons(evaluator, found, listed[0], most) if listed else (),
        capacity=most,
        peak=device.peaks.get(form.products),
        collectives=collectives_words(evaluator.placement(listed[0].layout), request.collectives) if listed else "",
        stack=evaluator.machine.stack,
        warnings=tuple(notes),
        provenance=Provenance(
            command=request.study, inputs=request.inputs(), sha256=deployment.sha256,
            counts={"layouts": found.tried}, versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )  # fmt: skip


def _layouts(deployment: Deployed) -> list[Layout]:
    """Return the layouts that are left open.

    Raises
    ------
    InputError
        If there are more than can be tried.
    """
    layouts = list(itertools.islice(deployment.layouts(), MOST_LAYOUTS + 1))
    if len(layouts) > MOST_LAYOUTS:
        found = f"more than {MOST_LAYOUTS:,} layouts of {deployment.gpus:,} GPUs"
        remedy = f"Give a degree that is known, such as {field('tp')} 8 or {field('cp')} 1."
        raise InputError("layout", found, "fewer", remedy)
    return layouts


def _kernels(deployment: Deployed, best: tuple[Evaluation, ...]) -> list[str]:
    """Return what to know of the kernels of the best layout, of which others were tried too."""
    evaluator = deployment.evaluator.afresh()
    for one in best:
        evaluator.evaluate(one.layout)
    return by_reason(evaluator.kernel_notes(deployment.base))

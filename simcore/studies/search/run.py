"""``simcore search``: the best layout of a model on GPUs, the runners-up, and why."""

from __future__ import annotations

import itertools
import time

from simcore.errors import InputError
from simcore.models.training.parallel.changes import changes_of
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.search import capacity, search_layouts
from simcore.results import Provenance, versions
from simcore.studies.deployment.layouts import MOST_LAYOUTS, Deployed, deployed, notes_of, refuse
from simcore.studies.request import study
from simcore.studies.search.outcome import Neighbour
from simcore.studies.search.request import SearchRequest
from simcore.studies.search.result import SearchResult


@study(SearchRequest)
def search(request: SearchRequest) -> SearchResult:
    """Find the best layout of a model on GPUs: all that the request leaves open are evaluated.

    Raises
    ------
    InputError
        If an input is wrong, or no layout of what is given can be run.

    Examples
    --------
    >>> result = search("gpt-1.3b", gpus=8, device="a100-80gb", global_batch=64)
    >>> result.best.time == min(one.time for one in result.found.best)
    True
    """
    started = time.process_time()
    deployment = deployed(request, open_all=True)
    layouts = list(itertools.islice(deployment.layouts(), MOST_LAYOUTS + 1))
    found = search_layouts(deployment.evaluator, layouts[:MOST_LAYOUTS])
    if found.smallest is None:
        refuse(deployment)
    cut = () if len(layouts) <= MOST_LAYOUTS else (f"more than {MOST_LAYOUTS:,} layouts: give some degrees",)
    best = found.best[0] if found.best else None
    clock = deployment.evaluator.clock(deployment.base)
    return SearchResult(
        deployment=deployment,
        found=found,
        listed=_apart(found.best, request.top),
        capacity=capacity(deployment.evaluator.machine.profile.device),
        neighbours=() if best is None else tuple(_neighbours(deployment, best)),
        warnings=(*cut, *deployment.notes, *notes_of(clock.notes)),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(
                sequence=deployment.sequence, global_batch=deployment.global_batch,
                precision=deployment.base.number_format.name,
            ).inputs(),
            sha256=deployment.sha256,
            counts={"layouts": found.tried},
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )  # fmt: skip


def _apart(best: tuple[Evaluation, ...], top: int) -> tuple[Evaluation, ...]:
    """Return the fastest layout of each set of degrees, so that a list does not repeat one in small variations."""
    shown: dict[tuple[int, ...], Evaluation] = {}
    for one in best:
        layout = one.layout
        shown.setdefault((layout.tp, layout.cp, layout.pp, layout.ep), one)
        if len(shown) == top:
            break
    return tuple(shown.values())


def _neighbours(deployment: Deployed, best: Evaluation) -> list[Neighbour]:
    """Return the best layout with one thing changed each."""
    neighbours = []
    for what, layout in changes_of(best.layout):
        try:
            neighbours.append(Neighbour(what, deployment.evaluator.evaluate(layout)))
        except InputError as error:
            neighbours.append(Neighbour(what, None, error.expected))
    return neighbours

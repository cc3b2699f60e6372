"""``simcore memory``: whether a model's training fits on GPUs, on which rank it does not, and what makes it fit."""

from __future__ import annotations

import time

from simcore.errors import InputError
from simcore.models.training.parallel.changes import Change, best_change, best_pair
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.search import capacity, fits, search_layouts
from simcore.results import Provenance, versions
from simcore.studies.deployment.layouts import Deployed, chosen, deployed, settled_inputs
from simcore.studies.memory.request import MemoryRequest
from simcore.studies.memory.result import MemoryResult
from simcore.studies.request import study

MOST_GPUS = 65536
"""GPUs that are tried at most to make a model fit."""


@study(MemoryRequest)
def memory(request: MemoryRequest) -> MemoryResult:
    """Say what every GPU holds in a training iteration of a model, and whether it fits.

    Raises
    ------
    InputError
        If an input is wrong, or the degrees do not fit the model or the GPUs.

    Examples
    --------
    >>> result = memory("llama-2-7b", gpus=8, device="v100-32gb", tp=8, pp=1, micro_batch=1)
    >>> result.fits, result.evaluation.worst.rank
    (True, 0)
    """
    started = time.process_time()
    deployment = deployed(request)
    evaluation, found = chosen(deployment)
    device = deployment.evaluator.machine.profile.device
    return MemoryResult(
        deployment=deployment,
        evaluation=evaluation,
        tried=None if found is None else found.tried,
        capacity=capacity(device),
        change=None if fits(evaluation, device) else _remedy(request, deployment, evaluation),
        warnings=deployment.notes,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(**settled_inputs(deployment, evaluation)).inputs(),
            sha256=deployment.sha256,
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _remedy(request: MemoryRequest, deployment: Deployed, evaluation: Evaluation) -> Change | None:
    """Return the cheapest change that makes a layout fit: a single one, two, or as many GPUs as are needed."""
    change = best_change(deployment.evaluator, evaluation.layout) or best_pair(deployment.evaluator, evaluation.layout)
    if change is not None:
        return change
    gpus = 2 * deployment.gpus
    open_request = request.resolved(
        tp=None, cp=None, pp=None, vp=None, ep=None, dp=None, micro_batch=None, recompute=None, zero=None,
        recompute_layers=None, stage_layers=None, sequence=deployment.sequence,
    )  # fmt: skip
    while gpus <= MOST_GPUS:
        wider = open_request.resolved(gpus=gpus, global_batch=None)
        try:
            more = deployed(wider)
        except InputError:  # a network of a fixed size
            return None
        found = search_layouts(more.evaluator, more.layouts())
        if found.best:
            return Change(f"{gpus:,} GPUs", found.best[0])
        gpus *= 2
    return None

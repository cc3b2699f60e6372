"""``simcore memory``: what each GPU holds in a training iteration, and whether it fits."""

from __future__ import annotations

import time

from simcore.models.training.parallel.search import capacity, fits
from simcore.readers.devices import default_network
from simcore.results import Provenance, versions
from simcore.studies.deployment.layouts import chosen, deployed
from simcore.studies.deployment.words import chosen_words, with_options
from simcore.studies.memory.remedy import cheapest
from simcore.studies.memory.request import MemoryRequest
from simcore.studies.memory.result import MemoryResult
from simcore.studies.request import study


@study(MemoryRequest)
def memory(request: MemoryRequest) -> MemoryResult:
    """Count what each GPU holds in a training iteration, say whether it fits, and what makes it fit.

    Raises
    ------
    InputError
        If something is missing, or the degrees fit neither the model nor the GPUs.

    Examples
    --------
    >>> result = memory("gpt-1.3b", gpus=8, device="v100-32gb", precision="fp16", tp=1, pp=1)
    >>> result.fits, round(result.evaluation.worst.reserved / 2**30)
    (True, 14)
    """
    started = time.process_time()
    deployment = deployed(request, stand_in=True)
    evaluation, _ = chosen(deployment)
    device = deployment.evaluator.machine.profile.device
    fit = fits(evaluation, device)
    timed = request.network is not None or default_network(device.name) is not None
    return MemoryResult(
        name=deployment.name,
        device=device.name,
        model=deployment.model,
        evaluation=evaluation,
        sequence=deployment.sequence,
        capacity=capacity(device),
        chosen=chosen_words(request),
        timed=timed,
        remedy=None if fit else cheapest(request, deployment, evaluation),
        top=request.top,
        warnings=tuple(with_options(note) for note in deployment.notes),
        provenance=Provenance(
            command=request.study, inputs=request.inputs(), sha256=deployment.sha256, versions=versions("numpy")
        ),
        cpu_seconds=time.process_time() - started,
    )

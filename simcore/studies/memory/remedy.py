"""What makes a layout fit that does not: one change, two of them, or more GPUs."""

from __future__ import annotations

from simcore.errors import InputError
from simcore.models.training.parallel.changes import Change, best_change, best_pair
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.studies.deployment.layouts import Deployed, chosen, deployed
from simcore.studies.deployment.words import degrees, details
from simcore.studies.memory.request import MemoryRequest

MOST_GPUS = 16_384
"""GPUs that are tried at most."""


def cheapest(request: MemoryRequest, deployment: Deployed, evaluation: Evaluation) -> Change | None:
    """Return the fastest of single changes that fit; if there is none, of pairs; if there is none, the fewest GPUs."""
    evaluator, layout = deployment.evaluator, evaluation.layout
    return best_change(evaluator, layout) or best_pair(evaluator, layout) or _more_gpus(request, deployment)


def _more_gpus(request: MemoryRequest, deployment: Deployed) -> Change | None:
    """Return the best layout on the smallest number of GPUs, by doubling, that has one that fits."""
    gpus = 2 * deployment.gpus
    while gpus <= MOST_GPUS:
        open_degrees = dict.fromkeys(
            ("tp", "cp", "pp", "vp", "ep", "dp", "micro_batch", "recompute", "recompute_layers", "stage_layers")
        )
        batch = deployment.global_batch
        wider = request.resolved(**open_degrees, gpus=gpus, global_batch=batch, order="1F1B")
        try:
            result, found = chosen(deployed(wider, stand_in=True))
        except InputError:  # a network of a fixed size, or a global batch that so many replicas cannot share
            return None
        if found is None or found.best:
            return Change(f"{gpus} GPUs: {degrees(result.layout)}, {details(result.layout)}", result)
        gpus *= 2
    return None

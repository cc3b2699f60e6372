"""What makes a layout fit that does not: one change, two of them, or more GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import InputError
from simcore.models.training.parallel.changes import best_change, changes_of
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.studies.deployment.layouts import Deployed, chosen, deployed
from simcore.studies.deployment.words import degrees, details
from simcore.studies.memory.request import MemoryRequest

MOST_GPUS = 16_384
"""GPUs that are tried at most."""


@dataclass(frozen=True)
class Remedy:
    """What makes a layout fit.

    Attributes
    ----------
    what : str
        For example ``recompute full``.
    result : Evaluation
        The iteration with it.
    """

    what: str
    result: Evaluation


def cheapest(request: MemoryRequest, deployment: Deployed, evaluation: Evaluation) -> Remedy | None:
    """Return the fastest of single changes that fit; if there is none, of pairs; if there is none, the fewest GPUs."""
    evaluator, layout = deployment.evaluator, evaluation.layout
    single = best_change(evaluator, layout)
    if single is not None:
        return Remedy(single.what, single.result)
    best: Remedy | None = None
    for what, changed in changes_of(layout):
        limit = float("inf") if best is None else best.result.time
        second = best_change(evaluator, changed, below=limit)
        if second is not None:
            best = Remedy(f"{what} and {second.what}", second.result)
    return best or _more_gpus(request, deployment)


def _more_gpus(request: MemoryRequest, deployment: Deployed) -> Remedy | None:
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
            return Remedy(f"{gpus} GPUs: {degrees(result.layout)}, {details(result.layout)}", result)
        gpus *= 2
    return None

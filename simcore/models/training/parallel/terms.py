"""What a predicted iteration rests on: kernels and collectives that were measured, data sheets, fitted constants."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.predict import Prediction
from simcore.models.training.operator_maker import adam_update
from simcore.models.training.operators import Operation
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.passes import passes
from simcore.models.training.terms import COLLECTIVES, FITTED, LINKS, TERMS, Kernels, kernels_of

_NETWORK = (
    "tensor-parallel", "context-parallel", "expert-parallel", "pipeline messages", "data-parallel",
)  # fmt: skip


def terms_of(evaluator: Evaluator, evaluation: Evaluation) -> tuple[dict[str, float], Kernels]:
    """Return how much of an iteration rests on what [s], and its kernels.

    Without its stack an iteration is made of kernels and of what the network adds. The bubble is shared out as the
    kernels are, which it waits for. What the stack changes is the fitted constants', which may take from the others
    where they speed it up.

    Parameters
    ----------
    evaluator : Evaluator
        That predicted it.
    evaluation : Evaluation
        What it predicted.
    """
    bare = evaluator
    if evaluator.machine.stack is not None:
        bare = evaluator.afresh(evaluator.machine._replace(stack=None))
    parts = (evaluation if bare is evaluator else bare.evaluate(evaluation.layout)).parts
    network = math.fsum(parts[name] for name in _NETWORK)
    seconds = math.fsum(parts.values()) - network
    kernels = kernels_of(_calls(bare, evaluation))
    found = kernels.shared(seconds)
    found[COLLECTIVES if evaluator.machine.collectives is not None else LINKS] = network
    if bare is not evaluator:
        found[FITTED] = evaluation.time - seconds - network
    return {name: found[name] for name in TERMS if found.get(name)}, kernels


def _calls(evaluator: Evaluator, evaluation: Evaluation) -> Iterator[tuple[Prediction, float]]:
    """Yield the kernels of an iteration and of its update, with how often each runs."""
    layout, clock = evaluation.layout, evaluator.clock(evaluation.layout)
    for section in evaluator.operators(layout).sections:
        for one in section.operators:
            every = passes(one)
            weights = one.operation is Operation.LINEAR
            for call in (*every.forward, *every.input_gradient, *every.weight_gradient):
                yield clock.predicted(call, weights=weights), section.count * layout.micro_batches
    update = adam_update(evaluation.worst.parameters, 1)
    yield clock.others.seconds(KernelCall(update.kernel, update.shape, dtype="fp32")), 1

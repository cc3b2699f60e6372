"""What a predicted iteration rests on: kernels and collectives that were measured, data sheets, fitted constants."""

from __future__ import annotations

import math

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.predict import SHEET
from simcore.models.training.operator_maker import adam_update
from simcore.models.training.operators import Operation, passes
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator
from simcore.models.training.parallel.sharding import sharded_operators

TERMS = (
    "kernels that were measured", "kernels derived from other devices", "kernels from data sheets",
    "collectives fitted to measurements", "network from data sheets", "fitted constants",
)  # fmt: skip
"""What the terms of a prediction are called; they add up to it."""

_OF_ORIGIN = {SHEET: TERMS[2], "published": TERMS[2], "derived": TERMS[1]}

_NETWORK = (
    "tensor-parallel", "context-parallel", "expert-parallel", "pipeline messages", "data-parallel",
)  # fmt: skip


def terms_of(evaluator: Evaluator, evaluation: Evaluation) -> dict[str, float]:
    """Return how much of an iteration rests on what [s]; fitted constants may take from it where they speed it up.

    Without its stack an iteration is made of kernels and of what the network adds. The bubble is shared out as the
    kernels are, which it waits for. What the stack changes is the fitted constants'.

    Parameters
    ----------
    evaluator : Evaluator
        That predicted it.
    evaluation : Evaluation
        What it predicted.
    """
    bare = evaluator
    if evaluator.machine.stack is not None:
        bare = Evaluator(evaluator.model, evaluator.sequence, evaluator.machine._replace(stack=None))
    parts = (evaluation if bare is evaluator else bare.evaluate(evaluation.layout)).parts
    network = math.fsum(parts[name] for name in _NETWORK)
    kernels = math.fsum(parts.values()) - network
    origins = _origins(bare, evaluation)
    whole = math.fsum(origins.values()) or 1.0
    found = {name: kernels * seconds / whole for name, seconds in origins.items()}
    found[TERMS[3] if evaluator.machine.collectives is not None else TERMS[4]] = network
    if bare is not evaluator:
        found[TERMS[5]] = evaluation.time - kernels - network
    return {name: found[name] for name in TERMS if found.get(name)}


def _origins(evaluator: Evaluator, evaluation: Evaluation) -> dict[str, float]:
    """Return the time of the kernels of a micro-batch, and of the update, by where they come from [s]."""
    layout, times = evaluation.layout, dict.fromkeys(TERMS[:3], 0.0)
    clock = evaluator.clock(layout)
    for section in sharded_operators(evaluator.model, evaluator.sequence, layout).sections:
        for one in section.operators:
            every = passes(one)
            weights = one.operation is Operation.LINEAR
            for call in (*every.forward, *every.input_gradient, *every.weight_gradient):
                made = (clock.compute if weights else clock.others).seconds(call)
                times[_OF_ORIGIN.get(made.origin, TERMS[0])] += section.count * made.seconds * layout.micro_batches
    update = adam_update(evaluation.worst.parameters, 1)
    made = clock.others.seconds(KernelCall(update.kernel, update.shape, dtype="fp32"))
    times[_OF_ORIGIN.get(made.origin, TERMS[0])] += made.seconds
    return times

"""``simcore train MODEL``: time and memory of a training iteration on GPUs, before the run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.network.chunk_counts import AUTO, fastest, is_settled, settled_count
from simcore.models.network.conventions import PHYSICAL
from simcore.models.network.schedulers.ascending import Ascending
from simcore.models.training.masked import MaskedOperators
from simcore.models.training.parallel.changes import best_change
from simcore.models.training.parallel.evaluation import Evaluation, Evaluator, Machine
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.search import capacity, fits
from simcore.models.training.parallel.simulate import Simulated, simulate
from simcore.models.training.parallel.terms import terms_of
from simcore.models.training.simulated import Settings
from simcore.models.training.terms import Interval, Kernels
from simcore.results import Provenance, versions
from simcore.studies.deployment.intervals import interval_of_stack, interval_without_stack
from simcore.studies.deployment.layouts import Deployed, chosen, deployed, settled_inputs
from simcore.studies.deployment.masks import masks_of
from simcore.studies.deployment.words import by_reason, collectives_notes
from simcore.studies.inputs import check_chunks
from simcore.studies.iteration.request import IterationRequest
from simcore.studies.iteration.result import IterationResult
from simcore.studies.request import study

_COUNT = re.compile(r"\s*([0-9]+\.?[0-9]*(?:e[0-9]+)?)\s*([KMBGT]?)\s*\Z", re.IGNORECASE)
_TIMES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}

WORTH = 0.99
"""A change is worth a word where an iteration takes less than this share of its time."""


@study(IterationRequest)
def iteration(request: IterationRequest) -> IterationResult:
    """Predict time and memory of a training iteration on GPUs.

    Raises
    ------
    InputError
        If an input is wrong, or the degrees do not fit the model or the GPUs.

    Examples
    --------
    >>> result = iteration("gpt-1.3b", gpus=8, device="a100-80gb", tp=2, pp=1, micro_batch=4, global_batch=64)
    >>> result.fits, result.evaluation.layout.dp
    (True, 4)
    """
    check_chunks(field("chunks"), request.chunks)
    tokens = None if request.tokens is None else token_count(request.tokens)
    started = time.process_time()
    deployment = _masked(request, deployed(request))
    evaluation, found = chosen(deployment)
    tried, deployment = deployment.evaluator, _alone(deployment, evaluation.layout)
    device = deployment.evaluator.machine.profile.device
    good = fits(evaluation, device)
    below = WORTH * evaluation.time if good else float("inf")
    chunks, simulated = _simulated(request, deployment.evaluator, evaluation.layout)
    change = best_change(tried, evaluation.layout, below=below)
    measured = collectives_notes(deployment.evaluator.placement(evaluation.layout))
    if simulated is not None:
        measured += _of_simulation(chunks, deployment.evaluator.machine, simulated.time / evaluation.time - 1)
    terms, kernels = terms_of(deployment.evaluator, evaluation)
    settled = settled_inputs(deployment, evaluation)
    return IterationResult(
        deployment=deployment,
        evaluation=evaluation,
        tried=None if found is None else found.tried,
        capacity=capacity(device),
        change=change,
        simulated=simulated,
        chunks=chunks,
        training_tokens=tokens,
        terms=terms,
        between=_interval(deployment.evaluator, evaluation, terms, kernels),
        warnings=(*deployment.notes, *by_reason(deployment.evaluator.kernel_notes(evaluation.layout)), *measured),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(**settled, tokens=tokens).inputs(),
            sha256=deployment.sha256,
            versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _masked(request: IterationRequest, deployment: Deployed) -> Deployed:
    """Return a deployment whose operators run under the masks that the request names."""
    machine = deployment.evaluator.machine
    masks, hashes = masks_of(request, deployment.model, deployment.sequence, machine.profile)
    if masks is None:
        return deployment
    operators = MaskedOperators(deployment.evaluator.schedule, masks)
    evaluator = Evaluator(deployment.model, deployment.sequence, machine._replace(tiles=masks.tiles), operators)
    notes = (*deployment.notes, masks.words)
    return replace(deployment, evaluator=evaluator, sha256={**deployment.sha256, **hashes}, notes=notes)


def _interval(evaluator: Evaluator, evaluation: Evaluation, terms: Mapping[str, float], kernels: Kernels) -> Interval:
    """Return the interval that the stack has, or that of the terms."""
    if evaluator.machine.stack is not None:
        return interval_of_stack(evaluator.machine.stack, evaluation.time)
    return interval_without_stack(terms, kernels, evaluator.placement(evaluation.layout))


def _simulated(request: IterationRequest, evaluator: Evaluator, layout: Layout) -> tuple[int, Simulated | None]:
    """Return the iteration chunk by chunk, where that was asked for, and in how many chunks."""
    count = settled_count(request.chunks)
    if request.loop != "simulate":
        return count, None
    if is_settled(request.chunks, Ascending, PHYSICAL):
        return count, simulate(evaluator, layout, Settings(chunks=count))
    return fastest(lambda each: simulate(evaluator, layout, Settings(chunks=each)), lambda one: one.time)


def _alone(deployment: Deployed, layout: Layout) -> Deployed:
    """Return a deployment whose evaluator has seen one layout alone: its notes are of no other that was tried."""
    evaluator = deployment.evaluator.afresh()
    evaluator.evaluate(layout)
    return replace(deployment, evaluator=evaluator)


def _of_simulation(chunks: int, machine: Machine, more: float) -> Iterator[str]:
    """Say what the simulation chunk by chunk leaves out, and why it may take longer."""
    if machine.collectives is not None:
        yield "the simulation chunk by chunk takes what links allow, not what was measured of collectives"
    if machine.spread:
        yield "the simulation chunk by chunk knows no stragglers"
    if more > APART and chunks > 1:
        yield (
            f"the simulation cuts each collective into {chunks} chunks, each with its own latency: small "
            f"collectives take longer; {field('chunks')} {AUTO} takes the fastest number"
        )


APART = 0.1
"""A simulation is explained that takes longer than the closed form by more than this share."""


def token_count(text: float | str) -> float:
    """Return a number of tokens: 300B is 300 billion, 2T two trillion.

    Examples
    --------
    >>> token_count("2T"), token_count("300B"), token_count(1e9)
    (2000000000000.0, 300000000000.0, 1000000000.0)
    """
    expected = "a number of tokens above 0, such as 300B or 2T"
    match = _COUNT.match(text) if isinstance(text, str) else None
    count = float(match[1]) * _TIMES[match[2].upper()] if match else 0.0 if isinstance(text, str) else float(text)
    if not 0 < count < 1e30:
        raise InputError(field("tokens"), f"'{text}'", expected)
    return count

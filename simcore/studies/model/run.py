"""``simcore model``: what was read of a transformer, its parameters and its work, counted on its operators."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator

from simcore.errors import field
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.operators import Operation, Operator, OperatorList, passes
from simcore.models.training.transformer import operators_of
from simcore.readers.models import ModelInput, read_model
from simcore.results import Provenance, versions
from simcore.studies.model.outcome import PARTS
from simcore.studies.model.request import ModelRequest
from simcore.studies.model.result import ModelResult
from simcore.studies.request import study

UNKNOWN_CONTEXT = 2048
"""Tokens of the sequence where neither the request nor the file says how many."""


@study(ModelRequest)
def model(request: ModelRequest) -> ModelResult:
    """Read a transformer, and count its parameters and its work.

    Raises
    ------
    InputError
        If the file is not understood, naming the field.

    Examples
    --------
    >>> result = model("bert-base")
    >>> result.parameters, result.sequence
    (108496896, 384)
    """
    started = time.process_time()
    read = read_model(request.model, field("model"))
    source = read.value
    sequence, warnings = _sequence(request, source)
    run = Batch(sequence, 1, element=1, causal_half=request.causal == "half")
    listed = operators_of(source.architecture, run)
    towers = [] if source.architecture.tower is None else [_tower(source.architecture.tower)]
    forward, training = _flop(listed)
    return ModelResult(
        name=read.name,
        source=source,
        sequence=sequence,
        causal=request.causal,
        parts={part: round(count) for part, count in _parts(listed, towers).items()},
        idle=round(_idle(listed, source.architecture)),
        block_parameters=round(_sum(_blocks(listed))),
        flop_per_token_forward=forward / sequence,
        flop_per_token_training=training / sequence,
        warnings=tuple(warnings),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(sequence=sequence).inputs(),
            sha256={"model": read.sha256},
            versions=versions(),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _sequence(request: ModelRequest, source: ModelInput) -> tuple[int, list[str]]:
    """Return the tokens of a sequence, and what to know of them."""
    fixed = source.architecture.sequence
    if fixed is not None and source.architecture.vocabulary is None:
        return fixed, [*source.notes(None)]
    if request.sequence is not None or source.sequence is not None:
        return request.sequence or source.sequence or 0, [*source.notes(request.sequence)]
    said = f"{source.place} names no sequence: {UNKNOWN_CONTEXT:,} tokens are taken; --sequence gives others"
    return UNKNOWN_CONTEXT, [*source.notes(None), said]


def _tower(tower: Transformer) -> OperatorList:
    return operators_of(tower, Batch(tower.sequence or 1, 1, element=1))


def _counted(listed: OperatorList) -> Iterator[tuple[str, Operator, int]]:
    """Yield every operator once, with the section that it is in and how often the model has it."""
    for section in listed.sections:
        for one in section.operators:
            yield section.path, one, section.count


def _sum(operators: Iterable[tuple[str, Operator, int]]) -> float:
    return math.fsum(count * one.parameters for _, one, count in operators)


def _blocks(listed: OperatorList) -> list[tuple[str, Operator, int]]:
    return [each for each in _counted(listed) if each[0]]


def _parts(listed: OperatorList, towers: list[OperatorList]) -> dict[str, float]:
    """Return the parameters of each part."""
    parts = dict.fromkeys(PARTS, 0.0)
    for _, one, count in _counted(listed):
        parts[_part(one)] += count * one.parameters
    parts["vision tower"] = math.fsum(tower.parameters for tower in towers)
    return parts


def _part(one: Operator) -> str:
    path = one.path.removeprefix("encoder.")
    if one.operation is Operation.NORM:
        return "norms"
    if path.startswith(("feed_forward.experts", "feed_forward.router")):
        return "experts"
    first = path.partition(".")[0]
    return {
        "attention": "attention",
        "cross_attention": "attention",
        "feed_forward": "feed-forward",
        "output": "output",
    }.get(first, "embedding")


def _idle(listed: OperatorList, architecture: Transformer) -> float:
    """Return the parameters of experts that a token does not pass."""
    experts = architecture.experts
    if experts is None:
        return 0.0
    routed = [each for each in _counted(listed) if each[1].path.startswith("feed_forward.experts.")]
    return _sum(routed) * (1 - experts.per_token / experts.count)


def _flop(listed: OperatorList) -> tuple[float, float]:
    """Return the work of all products in the forward pass, and in all passes [FLOP]."""
    forward, every = 0.0, 0.0
    for _, one, count in _counted(listed):
        each = passes(one)
        calls = [call.work for call in each.forward if call.kernel == "gemm"]
        back = [call.work for call in (*each.input_gradient, *each.weight_gradient) if call.kernel == "gemm"]
        forward += count * math.fsum(calls)
        every += count * math.fsum([*calls, *back])
    return forward, every

"""``simcore model``: what was read of a model, its parameters and its work, counted on its operators."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from simcore.errors import field
from simcore.models.compute.compute_model import PUBLISHED_RATE
from simcore.models.training.architecture import Batch
from simcore.models.training.listing import operators_of
from simcore.models.training.operators import OperatorList
from simcore.models.training.traffic import all_calls, forward_calls, totals
from simcore.readers.models import ModelInput, read_model
from simcore.readers.read import Read
from simcore.results import Provenance, versions
from simcore.studies.model.count import block_parameters, idle_parameters, parts_of, rows_of
from simcore.studies.model.request import ModelRequest
from simcore.studies.model.result import ModelResult
from simcore.studies.request import study

UNKNOWN_CONTEXT = 2048
"""Tokens of the sequence where neither the request nor the file says how many."""


@study(ModelRequest)
def model(request: ModelRequest) -> ModelResult:
    """Read a model, and count its parameters, its work and its bytes.

    Raises
    ------
    InputError
        If the file is not understood, naming the field.

    Examples
    --------
    >>> result = model("bert-base")
    >>> result.parameters, result.sequence
    (108496896, 384)
    >>> result = model("resnet50", batch=32)
    >>> result.parameters, round(result.flop_per_sample_forward / 1e9, 3)
    (25557032, 8.178)
    """
    started = time.process_time()
    read, said = _read(request)
    source = read.value
    sequence, warnings = _sequence(request, source)
    run = source.run(sequence, request.batch or source.batch or 1, request.causal)
    listed, element, samples = operators_of(source.architecture, run), source.element, run.sequences
    forward, read_and_written = totals(forward_calls(listed), element)
    training, moved = totals(all_calls(listed), element)
    return ModelResult(
        name=read.name,
        source=source,
        sequence=sequence,
        batch=samples,
        causal=request.causal,
        parts=parts_of(source.architecture, listed, _towers(source), element),
        idle=idle_parameters(source.architecture, listed, element),
        block_parameters=block_parameters(listed, element),
        flop_per_sample_forward=forward / samples,
        flop_per_sample_training=training / samples,
        bytes_forward=read_and_written,
        bytes_training=moved,
        operators=rows_of(listed, element) if request.operators else None,
        warnings=(*said, *warnings),
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(sequence=sequence, batch=samples).inputs(),
            sha256={"model": read.sha256},
            versions=versions(),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _read(request: ModelRequest) -> tuple[Read[ModelInput], list[str]]:
    """Return a model as it was read, or captured, and what to know of it."""
    if not request.of_module:
        return read_model(request.model, field("model")), []
    from simcore.real.capture import capture  # which needs torch

    spec = str(request.model)
    got = capture(spec, request.example, keep_going=request.keep_going, place=field("model"))
    said = [f"operators that are not understood, counted as the bytes that they move: {_named(got.unknown)}"]
    unused = [f"parameters that no operator uses: {', '.join(got.unused)}"]
    source = ModelInput(
        got.model, got.element, PUBLISHED_RATE, None, got.batch, 1, None, spec, assumed=frozenset({"rate"})
    )
    digest = sha256(Path(spec.rpartition(":")[0]).read_bytes()).hexdigest()
    return Read(source, spec, digest), [*(said if got.unknown else []), *(unused if got.unused else [])]


def _named(unknown: Mapping[str, int]) -> str:
    return ", ".join(f"aten.{name} ({count})" for name, count in unknown.items())


def _sequence(request: ModelRequest, source: ModelInput) -> tuple[int | None, list[str]]:
    """Return the tokens of a sequence, and what to know of them."""
    transformer = source.transformer
    if transformer is None:
        return request.sequence, []  # which is refused where it is given
    if transformer.sequence is not None and transformer.vocabulary is None:
        return transformer.sequence, [*source.notes(None)]
    if request.sequence is not None or source.sequence is not None:
        return request.sequence or source.sequence or 0, [*source.notes(request.sequence)]
    said = f"{source.place} names no sequence: {UNKNOWN_CONTEXT:,} tokens are taken; --sequence gives others"
    return UNKNOWN_CONTEXT, [*source.notes(None), said]


def _towers(source: ModelInput) -> list[OperatorList]:
    tower = None if source.transformer is None else source.transformer.tower
    return [] if tower is None else [operators_of(tower, Batch(tower.sequence or 1, 1, source.element))]

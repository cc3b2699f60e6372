"""``simcore tune``: the batch, recomputation, parallelism and kernels that train fastest, from few measurements."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from simcore.errors import InputError, field
from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.tuning.cells import Asked, Cell, Measure
from simcore.models.training.tuning.space import RATIOS, Space
from simcore.models.training.tuning.strategies import STRATEGIES
from simcore.readers.devices import host_bandwidth
from simcore.readers.models import read_model
from simcore.readers.spaces import read_space
from simcore.results import Provenance, versions
from simcore.studies.deployment.layouts import sized
from simcore.studies.deployment.machine import machine_of
from simcore.studies.deployment.words import by_reason, collectives_notes, gib, parameters_of, with_options
from simcore.studies.inputs import bandwidth, part_hash
from simcore.studies.request import study
from simcore.studies.tune.certificate import Certificate, certify
from simcore.studies.tune.measuring import OfFunction, function_of, of_model, of_table, table_of
from simcore.studies.tune.predicted import Predictions, Predictor, lightest, predict
from simcore.studies.tune.request import TuneRequest
from simcore.studies.tune.result import TuneResult

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Sequences for each GPU of the batches that are tried where no space is given."""


@study(TuneRequest)
def tune(request: TuneRequest) -> TuneResult:
    """Search batch, recomputation, parallelism and kernels of a model's training for the highest rate.

    Raises
    ------
    InputError
        If an input is wrong, or nothing in the space fits.
    RunError
        If a function that measures fails.

    Examples
    --------
    >>> result = tune("opt-350m", gpus=8, device="v100-32gb", sequence=1024, most=4)
    >>> result.best.parallel, len(result.rates)
    ('zero3', 4)
    """
    started = time.process_time()
    for name, given in (("gpus", request.gpus), ("device", request.device)):
        if given is None:
            example = "8" if name == "gpus" else "v100-32gb"
            raise InputError(field(name), "nothing", "it, to know what the model is trained on",
                             f"Add {field(name)} {example}.")  # fmt: skip
    read = read_model(request.model, field("model"))
    chosen = machine_of(request, request.precision)
    model, sequence, notes = sized(read.value, request.sequence, request.encoder_sequence)
    space, table, hashes = _space(request, model)
    predictor = Predictor(request, model, sequence, chosen.machine, space.rounding)
    predictions = predict(predictor, space)
    strategy = request.strategy or _usual(request)
    plan, rates = None, dict[Cell, float | None]()
    if strategy == "certified":
        plan = _certified(predictor, space, _host(request, chosen.machine.profile.device.name))
    else:
        rates = _searched(request, strategy, predictor, predictions, table)
    best = plan.cell if plan is not None else max(rates, key=lambda cell: rates[cell] or 0.0)
    return TuneResult(
        name=read.name, device=chosen.machine.profile.device.name, network=chosen.machine.topology.name,
        gpus=chosen.machine.topology.npus, sequence=sequence,
        parameters=parameters_of(model), space=space, strategy=strategy, source=_source(request),
        predictions=predictions, rates=rates, capacity=predictor.capacity, certificate=plan,
        stack=chosen.machine.stack,
        warnings=(*(with_options(note) for note in (*notes, *chosen.notes)), *_notes(predictor, best)),
        provenance=Provenance(
            command=request.study, inputs=request.inputs(), sha256={"model": read.sha256, **hashes, **chosen.sha256},
            counts={"cells": len(predictions.evaluations), "measured": len(rates)}, versions=versions("numpy"),
        ),
        cpu_seconds=time.process_time() - started,
    )  # fmt: skip


def _source(request: TuneRequest) -> str:
    return "table" if request.measured is not None else "function" if request.measure is not None else "model"


def _usual(request: TuneRequest) -> str:
    return "exhaustive" if _source(request) == "model" else "predict-then-measure"


def _usual_space(model: Architecture, gpus: int) -> Space:
    """Return what is searched where nobody says what."""
    batches = tuple(gpus * size for size in SIZES)
    if not isinstance(model, Transformer):
        return Space(batches, RATIOS, ("zero3",), ("",))
    heads = model.kv_heads or model.heads or model.hidden
    parallel = ("zero3", *([f"tp={gpus}"] if gpus > 1 and heads % gpus == 0 else []))
    return Space(batches, RATIOS, parallel, ("", "sdpa"))


def _space(request: TuneRequest, model: Architecture) -> tuple[Space, Mapping[Cell, float | None], dict[str, str]]:
    """Return the space, the table of measurements where there is one, and hashes of what was read."""
    usual = _usual_space(model, request.gpus or 1)
    hashes: dict[str, str] = {}
    space = usual
    if request.space is not None:
        read = read_space(request.space, usual)
        space, hashes["space"] = read.value, read.sha256
    table: dict[Cell, float | None] = {}
    if request.measured is not None:
        one = space if request.space is not None else Space((), (), ("zero3",), ("sdpa",))
        file, table = table_of(request, one.parallel[0], one.kernels[0])
        hashes["measured"] = file.sha256
        if request.space is None:
            space = Space((), (), (), (), cells=tuple(table))
    if isinstance(request.measure, str):
        function_of(request)  # refused before anything is predicted
        path = request.measure.rpartition(":")[0]
        hashes |= part_hash("measure", Path(path) if path.endswith(".py") else None)
    return space, table, hashes


def _searched(
    request: TuneRequest,
    strategy: str,
    predictor: Predictor,
    predictions: Predictions,
    table: Mapping[Cell, float | None],
) -> dict[Cell, float | None]:
    """Search, and return what was measured.

    Raises
    ------
    InputError
        If nothing that was measured fits.
    """  # fmt: skip
    measure: Measure = of_model(predictions)
    if request.measured is not None:
        measure = of_table(table, str(request.measured))
    elif request.measure is not None:
        measure = OfFunction(function_of(request), None if request.log is None else Path(request.log))
    asked = Asked(measure, most=request.most)
    STRATEGIES[strategy](predictions.guesses(), asked, predictor.capacity)
    if asked.best is None:
        raise _nothing(predictor, predictions, len(asked.rates))
    return asked.rates


def _nothing(predictor: Predictor, predictions: Predictions, measured: int) -> InputError:
    """Return the error where nothing fits: how little is missing, and the cheapest change."""
    needs = {cell: one.worst.reserved for cell, one in predictions.evaluations.items()}
    least = min(needs, key=lambda cell: needs[cell])
    found = f"{len(needs)} cells, none of the {measured} measured ones runs"
    expected = f"one that fits into {gib(predictor.capacity)} GiB; {least} needs {gib(needs[least])} GiB as predicted"
    remedy = lightest(predictor, list(needs)) or f"Give more {field('gpus')}, or another {field('device')}."
    return InputError(field("space"), found, expected, remedy)


def _certified(predictor: Predictor, space: Space, host: float) -> Certificate:
    plan, choices = certify(predictor, space, host)
    if plan is None:
        found = f"{len(choices)} batches, of which none fits even with all blocks recomputed"
        remedy = lightest(predictor, list(space.all())) or f"Give more {field('gpus')}."
        raise InputError(field("space"), found, f"one that fits into {gib(predictor.capacity)} GiB", remedy)
    return plan


def _host(request: TuneRequest, device: str) -> float:
    """Return what a GPU sends to its host [B/s]; 0 where nobody says."""
    if request.host_link is not None:
        return bandwidth(request.host_link, field("host_link"), least="above 0")
    return host_bandwidth(device) or 0.0


def _notes(predictor: Predictor, best: Cell) -> tuple[str, ...]:
    """Return what to know of the kernels and collectives of the best cell."""
    evaluator = predictor.evaluator(best.steps, best.ratio)
    one: Evaluation | None = predictor.evaluate(best)
    assert one is not None
    return (*by_reason(evaluator.kernel_notes(one.layout)), *collectives_notes(evaluator.placement(one.layout)))

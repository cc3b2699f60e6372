"""``simcore verify``: a torch module after a training schedule, against the module itself."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

from simcore.errors import InputError, RunError, SimcoreError, field
from simcore.progress import tell
from simcore.real.verify.case import Ways, texts_of
from simcore.real.verify.launch import Verified, verified
from simcore.results import Provenance, versions
from simcore.studies.request import study
from simcore.studies.verify.inputs import Inputs, inputs_of
from simcore.studies.verify.request import VerifyRequest
from simcore.studies.verify.result import VerifyResult
from simcore.units import counted


@study(VerifyRequest)
def verify(request: VerifyRequest) -> VerifyResult:
    """Run a module's forward and backward pass before a schedule and after it, and compare.

    Raises
    ------
    InputError
        If an input is wrong, or a step changes nothing.
    RunError
        If a rank gives no answer in time.
    MissingExtraError
        If torch is not installed.
    """
    started = time.process_time()
    given = inputs_of(request)
    _check_device(given)
    found = verified(given.case, request.timeout, tell)
    return VerifyResult(
        name=given.name, device=request.device, ways=given.case.ways, schedule=given.schedule, verified=found,
        breaking="" if found.equal else _breaking(given, request.timeout),
        warnings=_warnings(given),
        provenance=Provenance(
            command=request.study, inputs=request.resolved(ranks=given.case.ways.ranks).inputs(), sha256=given.sha256,
            seed=request.seed, versions=versions("torch"),
        ),
        cpu_seconds=time.process_time() - started,
    )  # fmt: skip


def _check_device(given: Inputs) -> None:
    """Refuse ranks that have no GPU of their own."""
    if given.case.device == "cpu":
        return
    from simcore.real.verify.launch import gpus

    ranks, there = given.case.ways.ranks, gpus()
    if ranks > there:
        found = f"cuda for {counted(ranks, 'rank')}, and {counted(there, 'GPU')}"
        raise InputError(field("device"), found, "a GPU for each rank", f"Leave {field('device')} out.")


def _breaking(given: Inputs, timeout: float) -> str:
    """Return the first step, or steps that belong together, after which results differ."""
    counts = list(given.schedule.complete())
    for start, end in pairwise(counts):
        names = {step.primitive.name for step in given.schedule.steps[:end]}
        if end < counts[-1] and _same(given, end, names, timeout):
            continue
        return given.schedule.words(start, end)
    return ""


def _same(given: Inputs, end: int, names: set[str], timeout: float) -> bool:
    """Say whether the first steps alone leave results as they are."""
    case, ways = given.case, given.case.ways
    ways = Ways(ways.tp if "shard" in names else 1, ways.pp if "cut" in names else 1, ways.data)
    stages = case.stages if "cut" in names else ()
    try:
        first: Verified = verified(
            replace(case, steps=texts_of(given.schedule)[:end], ways=ways, stages=stages), timeout
        )
    except RunError:
        return False
    except SimcoreError:  # alone a step may not apply
        return True
    return first.equal


def _warnings(given: Inputs) -> tuple[str, ...]:
    """Say where modules are not fused."""
    if not any(step.primitive.name.startswith("fuse") and step.primitive.name != "fuse_qkv"
               for step in given.schedule.steps):  # fmt: skip
        return ()
    from simcore.calibrate.measure import compiler

    if compiler.fuser(given.case.device) != compiler.WITHOUT:
        return ()
    return (f"there is no compiler for Inductor: modules are traced with {compiler.WITHOUT}, which fuses nothing",)

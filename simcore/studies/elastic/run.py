"""``simcore elastic run``: real elastic training, and the same job on processes that do not change."""

from __future__ import annotations

import tempfile
import time
from hashlib import sha256
from pathlib import Path

from simcore.errors import field
from simcore.outputs import check_file
from simcore.progress import tell
from simcore.real.elastic.checkpoint import previous
from simcore.real.elastic.job import Job, Place
from simcore.real.elastic.plan import parse_stages
from simcore.real.elastic.run import check, compare, train_job, train_reference
from simcore.results import Provenance, versions
from simcore.studies.elastic.request import ElasticRequest
from simcore.studies.elastic.result import ElasticResult
from simcore.studies.request import study


@study(ElasticRequest)
def elastic(request: ElasticRequest) -> ElasticResult:
    """Train a model with logical workers that share processes, and compare it with a process for each, bit for bit.

    Processes run under torch.distributed.elastic's agent.

    Raises
    ------
    InputError
        If the plan does not hold the workers, the model cannot be made or has an operator that is not deterministic, or
        the checkpoint is of another run or cut short.
    MissingExtraError
        If torch is not installed.
    RunError
        If a process dies more often than it may, or the disk is full.

    Examples
    --------
    >>> result = elastic("mlp", workers=3, stages="3x1, 1x3", batches=4)
    >>> [stage.losses_equal for stage in result.stages], result.samples_equal
    ([True, True], True)
    """
    started = time.process_time()
    plan = parse_stages(request.stages, request.workers)
    hashes = _file(request.model)
    job = Job(
        model=request.model, workers=request.workers, plan=plan, batches=request.batches, batch=request.batch,
        determinism=request.determinism, reduce=request.reduce, device=request.device, seed=request.seed,
        loader_workers=request.loader_workers, model_sha256=hashes.get("model", ""),
    )  # fmt: skip
    check(job)
    with tempfile.TemporaryDirectory(prefix="simcore-elastic-") as folder:
        place = Place(Path(folder), _checkpoint(request, Path(folder)))
        parts = len(plan) + 1  # the stages, and the reference
        ours = train_job(job, place, lambda done: tell("stages trained", done, parts))
        tell("stages trained", parts - 1, parts)
        reference = train_reference(job, Path(folder))
        tell("stages trained", parts, parts)
    return ElasticResult(
        request=request,
        stages=tuple(compare(job, ours, reference)),
        ours=ours,
        reference=reference,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved(stages=tuple(stage.text for stage in plan)).inputs(),
            sha256=hashes,
            seed=request.seed,
            versions=versions("numpy", "torch"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _checkpoint(request: ElasticRequest, folder: Path) -> Path:
    """Return where the checkpoint lies: where the user wants it, or with what is thrown away."""
    if request.checkpoint is None:
        return folder / "checkpoint"
    path = Path(request.checkpoint)
    check_file(path, option=field("checkpoint"))
    check_file(previous(path), option=field("checkpoint"), own="checkpoint")
    return path


def _file(model: str) -> dict[str, str]:
    """Return the hash of a user's file, by which its checkpoint is known; nothing where there is none to read."""
    path, colon, _ = model.rpartition(":")
    if not colon or not Path(path).is_file():
        return {}
    return {"model": sha256(Path(path).read_bytes()).hexdigest()}

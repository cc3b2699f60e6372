"""Where a simulated training iteration comes from: its inputs as they were resolved, and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from simcore.models.training.pipeline import PipelineOrder
from simcore.models.training.simulated import IterationRun
from simcore.models.training.transformer import Variant
from simcore.results import Provenance, versions
from simcore.studies.train.inputs import Scene
from simcore.studies.train.iteration import Iteration


def provenance(
    scene: Scene,
    simulated: Iteration,
    run: IterationRun,
    hashes: Mapping[str, str],
    compute: Mapping[str, str],
    *,
    network: str | Path,
    budget: float | str | None,
    split: str | Sequence[float],
    workload: str | Path,
    communicator: str | Path | None,
    sequence: int | None,
    batch: int | None,
    variant: Variant,
) -> Provenance:
    """Return how to make an iteration again.

    Parameters
    ----------
    scene, simulated, run
        What ran where, and what became of it.
    hashes : mapping
        Of the files that were read, by role.
    compute : mapping
        Inputs that say where compute times came from.
    network, budget, split, workload, communicator, sequence, batch, variant
        Inputs as they were given, see `simcore.studies.train.run.train`.
    """
    settings, cut, found = simulated.settings, simulated.cut, scene.workload
    inputs = {
        "network": str(network), "budget": None if budget is None else sum(scene.bandwidths), "split": split,
        "bandwidths": list(scene.bandwidths), "workload": str(workload), "tp": found.tp, "dp": found.dp,
        "communicator": None if communicator is None else str(communicator), "sequence": sequence, "batch": batch,
        "variant": variant, "loop": simulated.loop.value, "recompute": simulated.recompute,
        "chunks": settings.chunks, "schedule": settings.schedule.value, "convention": settings.convention.value,
        "compute_scale": simulated.compute_scale, "zero": simulated.zero,
        "stages": 1 if cut is None else cut.stages, "micro_batches": None if cut is None else cut.micro_batches,
        "order": (PipelineOrder.ONE_F_ONE_B if cut is None else cut.order).value,
        **compute,
    }  # fmt: skip
    stages = "" if cut is None else f" x {cut.stages} stages"
    counts = {"events": run.events}
    if settings.record:
        counts["phases"] = len(run.phases)
    return Provenance(
        command="train",
        inputs=inputs,
        sha256=hashes,
        notes=[f"{found.name}: TP {found.tp} x DP {found.dp}{stages}"],
        counts=counts,
        versions=versions("simpy"),
    )

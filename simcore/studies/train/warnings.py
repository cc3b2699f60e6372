"""What a reader must know of a simulated training iteration: sentences for `simcore train`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from simcore.models.network.collectives import Collective
from simcore.models.network.graph import ring_sharing, sharing
from simcore.models.network.mapping import Axis
from simcore.models.network.topology import Block
from simcore.models.training.simulated import Settings
from simcore.studies.deployment.inputs import Parallelism
from simcore.studies.inputs import in_gigabytes
from simcore.studies.train.deployment import Deployment, PartialGroup
from simcore.studies.train.outcome import PipelineReport
from simcore.studies.train.request import TrainRequest
from simcore.units import format_si


def warnings(
    request: TrainRequest,
    settings: Settings,
    deployment: Deployment,
    partial: Sequence[PartialGroup],
    pipeline: PipelineReport | None,
    iteration_time: float,
) -> list[str]:
    """Return sentences on what inputs did not do, left out or changed unasked.

    Parameters
    ----------
    request : TrainRequest
        What was asked for.
    settings : Settings
        How collectives were simulated.
    deployment : Deployment
        Network, workload and groups.
    partial : sequence of PartialGroup
        Groups that cover part of a fully connected dimension.
    pipeline : PipelineReport or None
        Of several stages.
    iteration_time : float
        The iteration [s].
    """
    sentences = [*_unused(request, deployment), *_smaller_batch(deployment, pipeline, iteration_time)]
    schedule = settings.schedule.name
    if settings.convention.always_ascending and schedule != "ascending":
        sentences.append(f"The schedule {schedule} had no effect: ASTRA-sim 2 always runs the ascending one.")
    for parallel, d, factor in _shared_rings(deployment):
        group = deployment.groups.sizes(parallel)[d]
        sentences.append(
            f"{parallel.value} groups cover {group} of the {deployment.topology.dimensions[d].size} NPUs of "
            f"dimension {d + 1}, a ring. Each is timed as a ring of its own with the whole bandwidth, as the "
            f"closed form has it; on the links that are there its all-reduce takes {factor:g} times as long in "
            "this dimension."
        )
    sentences += [
        f"{each.parallel} groups cover {each.group} of the {each.size} NPUs of dimension {each.dimension + 1}, "
        f"which is fully connected. Such a group keeps b/(n-1) per peer: {each.usable / 1e9:.5g} of "
        f"{each.whole / 1e9:.5g} GB/s, as simulated."
        for each in partial
    ]
    if request.communicator is not None:
        sentences += Parallelism(groups=deployment.groups).cautions(deployment.topology)
    if request.split == "optimal" and request.zero:
        sentences.append(
            "--split optimal is the closed form's best for plain data parallelism; it does not know that ZeRO-3 "
            "gathers parameters too. Compare it with --split equal and bandwidths of your own."
        )
    if request.split == "optimal" and pipeline is not None:
        sentences.append(
            "--split optimal is the closed form's best for the collectives; it knows no transfers between pipeline "
            "stages. Compare it with --split equal and bandwidths of your own."
        )
    return sentences


def _unused(request: TrainRequest, deployment: Deployment) -> list[str]:
    """Say that a budget took the place of bandwidths that the network comes with."""
    own = deployment.own
    if request.budget is None or min(own, default=0) <= 0 or own == deployment.bandwidths:
        return []
    split, total = in_gigabytes(own), in_gigabytes([sum(own)])
    how = {"equal": "the budget is split in equal parts", "optimal": "the budget is split as is best"}
    took = how.get(str(request.split), "those of --split take their place")
    return [
        f"Network {deployment.topology.name} comes with bandwidths of its own, {split} GB/s, which are not used: "
        f"{took}. --network {request.network} in place of NETWORK and BUDGET uses them, and so "
        f"does --split {split} with a budget of {total}."
    ]


def _smaller_batch(deployment: Deployment, pipeline: PipelineReport | None, iteration_time: float) -> list[str]:
    """Say that stages took the place of replicas, so that an iteration is of fewer samples."""
    if pipeline is None or pipeline.whole_dp is None:
        return []
    stages, dp, whole = pipeline.pipeline.stages, deployment.workload.dp, pipeline.whole_dp
    if dp >= whole:
        return []
    here, each = format_si(iteration_time, "s", 5), format_si(iteration_time / dp, "s")
    return [
        f"{stages} stages x DP {dp} in place of DP {whole}: at the same batch per replica the global batch is "
        f"{Fraction(dp, whole)} of that without stages. Compare times per replica: {here} / {dp} = {each} here, the "
        f"time without stages / {whole} there."
    ]


def _shared_rings(deployment: Deployment) -> list[tuple[Axis, int, float]]:
    """Return groups that cover part of a ring: their kind, the dimension (from 0), and `sharing` of its links."""
    rings = []
    for index, dimension in enumerate(deployment.topology.dimensions):
        if dimension.block is not Block.RING:
            continue
        taken = deployment.groups.npus[index]  # in explicit groups some NPUs may be idle
        for axis in deployment.axes:
            size, step = deployment.groups.along(axis)[index]
            if not 1 < size < dimension.size:
                continue
            if taken == dimension.size:
                factor = float(ring_sharing(size, step, taken))
            else:
                factor = sharing(dimension, deployment.groups.divide(axis, index, taken), Collective.ALL_REDUCE)
            rings.append((axis, index, factor))
    return rings

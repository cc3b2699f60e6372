"""A deployment for ``simcore train``: a workload under a parallelism on a network with bandwidths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcore.errors import InputError, did_you_mean, field, written
from simcore.models.bandwidth.plan import best_split
from simcore.models.bandwidth.region import make_region
from simcore.models.bandwidth.target import Target
from simcore.models.network.bounds import usable_bandwidth
from simcore.models.network.mapping import Axis, Groups, map_stages
from simcore.models.network.ports import ports
from simcore.models.network.topology import Block, Topology
from simcore.models.training.closed_form import StepModel, StepTime, compile_step
from simcore.models.training.program import Loop
from simcore.models.training.workload import Workload
from simcore.readers.network_string import NetworkSpec
from simcore.studies.deployment.inputs import Parallelism
from simcore.studies.inputs import bandwidth, parse_budget, refuse_shared
from simcore.studies.train.request import TrainRequest

_SUM = 1e-3
"""Bandwidths given one by one may miss the budget by this share: they are often rounded to 0.01 GB/s."""


@dataclass(frozen=True)
class Deployment:
    """A workload under a parallelism on a network.

    Attributes
    ----------
    topology : Topology
        The network.
    bandwidths : tuple of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    workload : Workload
        What an iteration is.
    groups : Groups
        Sizes of its groups along each dimension.
    stages : tuple of int
        Pipeline stages along each dimension.
    own : tuple of float
        Bandwidths that the network comes with [B/s], whether used or not; empty where it has none.
    """

    topology: Topology
    bandwidths: tuple[float, ...]
    workload: Workload
    groups: Groups
    stages: tuple[int, ...]
    own: tuple[float, ...] = ()

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The groups of the parallelism, and whatever else its collectives run in."""
        return tuple(dict.fromkeys((Axis.TENSOR, Axis.DATA, *self.workload.axes())))


def deploy(
    request: TrainRequest, recompute: bool, workload: Workload, named: NetworkSpec, degrees: Parallelism
) -> Deployment:
    """Map a workload onto a network and give the network its bandwidths.

    Parameters
    ----------
    request : TrainRequest
        Budget, split and stages, and the iteration for which an optimal split is made.
    recompute : bool
        Whether activations are recomputed.
    workload : Workload
        What runs.
    named : NetworkSpec
        The network, with the bandwidths that it brings.
    degrees : Parallelism
        What the request says of the groups.
    """
    topology, own, split = named.topology, named.bandwidths or (), request.split
    stages = request.stages if workload.pipeline is None else workload.pipeline.stages
    sizes, part = map_stages(topology, stages)
    groups = degrees.place(part, workload)
    if request.budget is None:
        if split != "equal":
            found = f"'{split}' beside a network that brings its bandwidths"
            raise InputError(field("split"), found, "one of the two", f"Leave {field('split')} out.")
        return Deployment(topology, own, workload, groups, sizes, own)
    refuse_shared(topology, field("network"))
    total = parse_budget(request.budget, field("budget"))
    dimensions = len(topology.dimensions)
    if split == "equal":
        bandwidths = [total / dimensions] * dimensions
    elif split == "optimal":
        loop, scale = Loop(request.loop).closed_form, request.compute_scale
        model = compile_step(workload, groups, loop, recompute, scale, recompute)
        # only what is used can be planned for: without traffic every split is as good
        bandwidths = [total / dimensions] * dimensions
        if model.streams:
            region = make_region(total, dimensions)
            bandwidths = best_split(model, region, np.ones(dimensions), Target.PERF)[0].bandwidths.tolist()
    else:
        bandwidths = _given(split, dimensions, total, str(request.network))
    return Deployment(topology, tuple(bandwidths), workload, groups, sizes, own)


def _given(split: str | Sequence[float], dimensions: int, total: float, network: str) -> list[float]:
    """Return bandwidths that were given one by one, which must make up the budget."""
    expected = f"equal, optimal, or {dimensions} bandwidths in GB/s with commas, one per dimension of network {network}"
    if not isinstance(split, Iterable):
        raise InputError(field("split"), written(split), expected)
    words: list[str | float] = list(split.split(",")) if isinstance(split, str) else list(split)
    if len(words) != dimensions:
        hint = did_you_mean(str(words[0]), ["equal", "optimal"]) if len(words) == 1 else ""
        raise InputError(field("split"), f"'{split}'", expected, hint)
    bandwidths = [bandwidth(word.strip() if isinstance(word, str) else word, field("split")) for word in words]
    if min(bandwidths) <= 0:
        remedy = "Give each some, however little: what is sent over a dimension without any never arrives."
        raise InputError(field("split"), f"'{split}'", "bandwidths above 0", remedy)
    if abs(sum(bandwidths) - total) > _SUM * total:
        remedy = f"Make them {total / 1e9:g} in all, or give {sum(bandwidths) / 1e9:g} as the budget."
        raise InputError(
            field("split"), f"{sum(bandwidths) / 1e9:g} GB/s in all", f"the budget, {total / 1e9:g} GB/s", remedy
        )
    return bandwidths


@dataclass(frozen=True)
class PartialGroup:
    """A group that covers part of a fully connected dimension, and so has part of its links.

    Attributes
    ----------
    parallel : str
        Which groups: ``tensor-parallel``, ``data-parallel`` or another one.
    dimension : int
        From 0.
    group, size : int
        NPUs of the group there, and of the dimension.
    usable, whole : float
        Bandwidth of one NPU towards its group, and into the dimension [B/s].
    """

    parallel: str
    dimension: int
    group: int
    size: int
    usable: float
    whole: float


def partial_groups(deployment: Deployment) -> list[PartialGroup]:
    """Return the groups that cover part of a fully connected dimension."""
    partial = []
    for axis in deployment.axes:
        sizes = deployment.groups.sizes(axis)
        for index, (dimension, group) in enumerate(zip(deployment.topology.dimensions, sizes, strict=True)):
            if dimension.block is Block.FULLY_CONNECTED and 1 < group < dimension.size:
                whole = deployment.bandwidths[index]
                usable = usable_bandwidth(dimension, whole, group)
                partial.append(PartialGroup(axis.value, index, group, dimension.size, usable, whole))
    return partial


def closed_form(
    deployment: Deployment,
    loop: Loop,
    recompute: bool,
    compute_scale: float,
    partial: Sequence[PartialGroup] = (),
) -> StepTime:
    """Return the closed form of an iteration; groups in `partial` have their own links only."""
    topology = deployment.topology
    model = compile_step(deployment.workload, deployment.groups, loop, recompute, compute_scale, recompute, topology)
    shared = ports(topology)
    bandwidths = (*deployment.bandwidths, *(port.bandwidth for port in shared))
    return _through_ports(_with_links(model, partial), list(shared.values())).split(bandwidths)


def _through_ports(model: StepModel, shared: Sequence[Sequence[int]]) -> StepModel:
    """Add a column for each port that dimensions share: the bytes of all of them together."""
    columns = [model.shapes[:, list(behind)].sum(axis=1) for behind in shared]
    return replace(model, shapes=np.column_stack([model.shapes, *columns])) if columns else model


def _with_links(model: StepModel, partial: Sequence[PartialGroup]) -> StepModel:
    """Charge partial groups for the links that they have: more bytes per B/s of the dimension."""
    shapes = model.shapes.copy()
    for row, stream in enumerate(model.streams):
        for each in partial:
            if stream.label.startswith(f"{each.parallel} "):
                shapes[row, each.dimension] *= each.whole / each.usable
    return replace(model, shapes=shapes)

"""Inputs of ``simcore train``: from words to a network with bandwidths, a workload and its groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simcore.errors import InputError, did_you_mean, written
from simcore.models.network.bounds import usable_bandwidth
from simcore.models.network.mapping import Groups, map_stages
from simcore.models.network.topology import Block, Topology
from simcore.models.training.closed_form import StepModel, StepTime, TrainingLoop, compile_step
from simcore.models.training.program import Loop
from simcore.models.training.workload import Workload
from simcore.readers.network_string import NetworkSpec
from simcore.studies.evaluate.grid import PERF, solve
from simcore.studies.inputs import Parallelism, bandwidth, parse_budget

_SUM = 1e-3
"""Bandwidths given one by one may miss the budget by this share: they are often rounded to 0.01 GB/s."""


@dataclass(frozen=True)
class Scene:
    """What runs where.

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


def load_scene(
    network: str | Path,
    budget: float | str | None,
    workload: Workload,
    named: NetworkSpec,
    split: str | Sequence[float],
    stages: int,
    model_loop: TrainingLoop,
    recompute: bool,
    compute_scale: float,
    degrees: Parallelism,
) -> Scene:
    """Map a workload onto a network and give the network its bandwidths.

    Parameters
    ----------
    network : str or Path
        What the user called it, for messages.
    budget : float or str or None
        Bandwidth of one NPU in all; None where the network's own are the bandwidths.
    workload : Workload
        What runs.
    named : NetworkSpec
        The network, with the bandwidths that it brings.
    split : str or sequence of float
        ``equal``, ``optimal``, or bandwidths: numbers in B/s, or text in GB/s separated by commas.
    stages : int
        Pipeline stages.
    model_loop, recompute, compute_scale
        The closed form's iteration, for which an optimal split is made.
    degrees : Parallelism
        What options say of the groups.
    """
    topology, own = named.topology, named.bandwidths or ()
    sizes, part = map_stages(topology, stages)
    groups = degrees.place(part, workload)
    if budget is None:
        if split != "equal":
            found = f"'{split}' beside --network, which brings its bandwidths"
            raise InputError("--split", found, "one of the two", "Leave --split out.")
        return Scene(topology, own, workload, groups, sizes, own)
    total = parse_budget(budget)
    dimensions = len(topology.dimensions)
    if split == "equal":
        bandwidths = [total / dimensions] * dimensions
    elif split == "optimal":
        model = compile_step(workload, groups, model_loop, recompute, compute_scale, recompute)
        # only what is used can be planned for: without traffic every split is as good
        bandwidths = [total / dimensions] * dimensions
        if model.streams:
            bandwidths = solve(model, total, np.ones(dimensions), PERF).bandwidths.tolist()
    else:
        bandwidths = _given(split, dimensions, total, str(network))
    return Scene(topology, tuple(bandwidths), workload, groups, sizes, own)


def _given(split: str | Sequence[float], dimensions: int, total: float, network: str) -> list[float]:
    """Return bandwidths that were given one by one, which must make up the budget."""
    expected = f"equal, optimal, or {dimensions} bandwidths in GB/s with commas, one per dimension of network {network}"
    if not isinstance(split, Iterable):
        raise InputError("--split", written(split), expected)
    words: list[str | float] = list(split.split(",")) if isinstance(split, str) else list(split)
    if len(words) != dimensions:
        hint = did_you_mean(str(words[0]), ["equal", "optimal"]) if len(words) == 1 else ""
        raise InputError("--split", f"'{split}'", expected, hint)
    found = [bandwidth(word.strip() if isinstance(word, str) else word, "--split") for word in words]
    if min(found) <= 0:
        remedy = "Give each some, however little: what is sent over a dimension without any never arrives."
        raise InputError("--split", f"'{split}'", "bandwidths above 0", remedy)
    if abs(sum(found) - total) > _SUM * total:
        remedy = f"Make them {total / 1e9:g} in all, or give {sum(found) / 1e9:g} as the budget."
        raise InputError("--split", f"{sum(found) / 1e9:g} GB/s in all", f"the budget, {total / 1e9:g} GB/s", remedy)
    return found


def closed_loop(loop: Loop) -> TrainingLoop:
    """Return the closed form's loop that is nearest to a simulated one."""
    return TrainingLoop.NO_OVERLAP if loop is Loop.NO_OVERLAP else TrainingLoop.OVERLAP


@dataclass(frozen=True)
class PartialGroup:
    """A group that covers part of a fully connected dimension, and so has part of its links.

    Attributes
    ----------
    parallel : str
        ``tensor-parallel`` or ``data-parallel``.
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


def partial_groups(scene: Scene) -> list[PartialGroup]:
    """Return the groups that cover part of a fully connected dimension."""
    found = []
    for parallel, sizes in (("tensor-parallel", scene.groups.tp), ("data-parallel", scene.groups.dp)):
        for index, (dimension, group) in enumerate(zip(scene.topology.dimensions, sizes, strict=True)):
            if dimension.block is Block.FULLY_CONNECTED and 1 < group < dimension.size:
                whole = scene.bandwidths[index]
                usable = usable_bandwidth(dimension, whole, group)
                found.append(PartialGroup(parallel, index, group, dimension.size, usable, whole))
    return found


def closed_form(
    scene: Scene, loop: TrainingLoop, recompute: bool, compute_scale: float, partial: Sequence[PartialGroup] = ()
) -> StepTime:
    """Return the closed form of an iteration; groups in `partial` have their own links only."""
    model = compile_step(scene.workload, scene.groups, loop, recompute, compute_scale, recompute)
    return _with_links(model, partial).split(scene.bandwidths)


def _with_links(model: StepModel, partial: Sequence[PartialGroup]) -> StepModel:
    """Charge partial groups for the links that they have: more bytes per B/s of the dimension."""
    shapes = model.shapes.copy()
    for row, stream in enumerate(model.streams):
        for each in partial:
            if stream.label.startswith(each.parallel):
                shapes[row, each.dimension] *= each.whole / each.usable
    return replace(model, shapes=shapes)

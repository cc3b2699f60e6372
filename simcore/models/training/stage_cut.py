"""Cuts a workload into pipeline stages: which layers each has, and what goes from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from simcore.errors import InputError, field
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.program import blocks
from simcore.models.training.workload import Workload


def stage_layers(workload: Workload, stages: int, uneven: Sequence[int] = (), chunks: int = 1) -> list[range]:
    """Cut a workload into stages of whole blocks.

    Parameters
    ----------
    workload : Workload
        All layers.
    stages : int
        Parts: stages, or model chunks of all stages.
    uneven : sequence of int
        Blocks of each; empty for as many in each.
    chunks : int
        Parts of a stage, for messages.

    Raises
    ------
    InputError
        If the blocks cannot be shared out evenly, or are not as many as `uneven` says.
    """
    ranges = blocks(workload, range(len(workload.layers)))
    if uneven:
        if len(uneven) != stages or sum(uneven) != len(ranges) or min(uneven) < 1:
            found = f"{', '.join(map(str, uneven))}, {sum(uneven)} blocks in {len(uneven)} parts"
            expected = f"{len(ranges)} blocks of workload '{workload.name}' in {stages} parts of at least one"
            raise InputError(field("stage_layers"), found, expected, "Give a number for each part.")
        ends = list(accumulate(uneven))
        return [range(ranges[end - n].start, ranges[end - 1].stop) for end, n in zip(ends, uneven, strict=True)]
    if len(ranges) % stages:
        counted = "a number of stages" if chunks == 1 else "a product"
        expected = f"{counted} that divides the {len(ranges)} blocks of workload '{workload.name}'"
        fits = ", ".join(str(each) for each in range(1, len(ranges) + 1) if len(ranges) % each == 0)
        choice = "" if chunks == 1 else f"stages and {field('vp')} whose product is "
        remedy = f"Choose {choice}one of {fits}"
        if len(ranges) == 2:
            remedy += (
                ". The zoo's workloads hold two blocks of their model, as published; for more stages copy the entry to "
                "a file with the model's real number in field 'layers'"
            )
        found = str(stages) if chunks == 1 else f"{stages // chunks} stages x {chunks} model chunks = {stages}"
        raise InputError(field("stages"), found, expected, f"{remedy}.")
    each = len(ranges) // stages
    return [range(ranges[i * each].start, ranges[(i + 1) * each - 1].stop) for i in range(stages)]


def boundary_sizes(workload: Workload, parts: Sequence[range]) -> list[float]:
    """Return the bytes that an NPU of each stage but the last hands on, for the whole batch [B].

    They are the activations of the stage's last layer. A layer file need not say them; then they are what the last
    forward collective in a tensor-parallel group leaves on each NPU.

    Parameters
    ----------
    workload : Workload
        All layers.
    parts : sequence of range
        Layers of each stage.

    Raises
    ------
    InputError
        If neither is known.
    """
    sizes = []
    for layers in parts[:-1]:
        last = workload.layers[layers[-1]]
        size = _left_by_collective(workload) if last.activations is None else last.activations
        if size is None:
            raise InputError(
                f"workload '{workload.name}'",
                f"layer '{last.name}' at the end of a stage, without the size of its activations",
                "the bytes that go from stage to stage, or a forward collective that tells them",
                "Add activations=BYTES at the end of the layer's line.",
            )
        sizes.append(size)
    return sizes


def _left_by_collective(workload: Workload) -> float | None:
    """Return what the last forward collective leaves on each NPU [B]; None where there is none."""
    phases = [layer.forward for layer in workload.layers if layer.forward.collective is not None]
    phases = [phase for phase in phases if phase.group in {None, Axis.TENSOR}]
    if not phases:
        return None
    last = phases[-1]
    if last.collective is Collective.ALL_GATHER:
        return last.size * workload.tp
    return last.size / workload.tp if last.collective is Collective.REDUCE_SCATTER else last.size

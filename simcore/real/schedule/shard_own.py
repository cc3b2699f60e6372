"""Weights of a user's module that are cut over ranks, each as its step says; importing this module needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from simcore.errors import InputError, field
from simcore.models.training.schedule import Step
from simcore.real.schedule.paths import patterns_of, refused
from simcore.real.schedule.shard import COLUMNS, ROWS, TABLE, check_sizes, cut_alone

EXPECTED = "shard=columns or shard=rows with the path of a torch.nn.Linear, or shard with that of a torch.nn.Embedding"


def cut_own(root: nn.Module, mesh: DeviceMesh, steps: Mapping[int, Step]) -> dict[int, tuple[str, ...]]:
    """Cut the products and tables that steps name over the ranks of a mesh, in place.

    Columns of a product make a part of its output on each rank, and rows read such a part. With ``sync`` partial
    outputs are summed after rows, and partial gradients before columns.

    Parameters
    ----------
    root : nn.Module
        A module that is no model of simcore.
    mesh : DeviceMesh
        The ranks.
    steps : mapping of int to Step
        The steps ``shard`` and ``sync`` by their places in a schedule.

    Returns
    -------
    dict of int to tuple of str
        What each step cuts or sums.

    Raises
    ------
    InputError
        If a step names something else, the ranks do not divide a size, or a weight is another module's too.
    """
    ways: dict[str, str] = {}
    done: dict[int, tuple[str, ...]] = {}
    for at, step in steps.items():
        if step.primitive.name == "shard":
            own = dict(_ways(root, step))
            ways |= own
            done[at] = tuple(own)
    for at, step in steps.items():
        if step.primitive.name == "sync":
            patterns = patterns_of(root, step) if step.path else ()
            done[at] = tuple(path for path in ways if not step.path or any(one.covers(path) for one in patterns))
            if not done[at]:
                raise InputError(field("steps"), f"{step}, where nothing is sharded", "the path of a step shard")
    check_sizes(root, ways, mesh.size())
    _check_shared(root, ways)
    summed = {path for at, step in steps.items() if step.primitive.name == "sync" for path in done[at]}
    with torch.no_grad():
        for path, kind in ways.items():
            if path in summed:
                parallelize_module(root.get_submodule(path), mesh, _style(kind))
            else:
                cut_alone(root.get_submodule(path), mesh, kind)
    return done


def _style(kind: str) -> ColwiseParallel | RowwiseParallel:
    if kind == COLUMNS:
        return ColwiseParallel()
    return RowwiseParallel(input_layouts=Replicate()) if kind == TABLE else RowwiseParallel()


def _ways(root: nn.Module, step: Step) -> Iterator[tuple[str, str]]:
    """Yield the paths that a step shard names, and how each is cut."""
    if not step.path:
        raise InputError(field("steps"), f"{step} of a module of your own, without a path", EXPECTED)
    patterns = patterns_of(root, step)
    matched = [(path, one) for path, one in root.named_modules() if any(each.names(path) for each in patterns)]
    if not matched:
        raise refused(root, step, [])
    for path, one in matched:
        if isinstance(one, nn.Embedding) and step.value in (None, ROWS):
            yield path, TABLE
        elif isinstance(one, nn.Linear) and step.value in (COLUMNS, ROWS):
            yield path, str(step.value)
        else:
            raise InputError(field("steps"), f"{step}, where {path} is a {type(one).__name__}", EXPECTED)


def _check_shared(root: nn.Module, ways: Mapping[str, str]) -> None:
    """Refuse a weight that another module has too: the two would be parted."""
    owners: dict[int, list[str]] = {}
    for path, one in root.named_modules():
        for weight in one.parameters(recurse=False):
            owners.setdefault(id(weight), []).append(path)
    for path in ways:
        for weight in root.get_submodule(path).parameters(recurse=False):
            others = [each for each in owners[id(weight)] if each != path]
            if others:
                found = f"shard of {path}, whose weights are those of {others[0]} too"
                raise InputError(field("steps"), found, "weights of one module", "Leave the step out.")

"""Weights that are cut over ranks, and the sums that this needs, with torch's `parallelize_module`; needs torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    PrepareModuleOutput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.nn import functional

from simcore.errors import InputError, field
from simcore.models.training.schedule import Step
from simcore.real.convolutional import WideBottleneck
from simcore.real.language import Attention, Embedding, FeedForward, Output
from simcore.real.schedule.convolutions import CHANNELS, GATHER, IN, OUT, cut_layer
from simcore.real.schedule.paths import patterns_of

COLUMNS, ROWS, TABLE = "columns", "rows", "table"
"""How weights are cut: what a product makes, what it reads, and the rows of a table of tokens."""


def kinds(root: nn.Module) -> dict[str, str]:
    """Return how each product and table is cut that tensor parallelism cuts, by path.

    Examples
    --------
    >>> from simcore.models.training.language import gpt
    >>> from simcore.real.language import language_model
    >>> list(kinds(language_model(gpt(48, 1, 4, vocabulary=100, positions=16))).items())[4:6]
    [('block.0.attention.output', 'rows'), ('block.0.feed_forward.up', 'columns')]
    """
    found: dict[str, str] = {}
    for path, part in root.named_modules(remove_duplicate=False):
        found |= {f"{path}.{name}" if path else name: kind for name, kind in _own(part)}
    return found


def _own(part: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the products and tables of a module, and how each is cut."""
    if isinstance(part, Attention):
        yield from ((name, COLUMNS) for name in ("query", "key", "value"))
        yield "output", ROWS
    elif isinstance(part, FeedForward):
        yield from ([("up", COLUMNS)] if isinstance(part.up, nn.Linear)
                    else [("up.gate", COLUMNS), ("up.product", COLUMNS)])  # fmt: skip
        yield "down", ROWS
    elif isinstance(part, Embedding):
        yield "tokens", TABLE
    elif isinstance(part, Output) and part.product is not None:
        yield "product", COLUMNS
    elif isinstance(part, WideBottleneck):
        yield from {"conv1": OUT, "bn1": CHANNELS, "relu1": "", "conv2": IN, "conv3": GATHER}.items()


def parts_of(root: nn.Module, step: Step) -> list[str]:
    """Return the products and tables that a step shards or sums."""
    patterns = patterns_of(root, step)
    return [path for path in kinds(root) if any(pattern.covers(path) for pattern in patterns)]


def cut(
    root: nn.Module, mesh: DeviceMesh, sharded: Collection[str], summed: Collection[str], *, sequence: bool = False
) -> None:
    """Cut products and tables over the ranks of a mesh, in place.

    Products that read the same rows share one of each: its gradient is summed once, as torchtitan has it. Logits stay
    cut over the vocabulary. What is sharded and not summed computes with its part alone, and sends nothing.

    Parameters
    ----------
    root : nn.Module
        The model.
    mesh : DeviceMesh
        The ranks.
    sharded, summed : collection of str
        Paths of products and tables that are cut, and of those whose partial results are summed.
    sequence : bool
        Whether what stands between the products is cut along the sequence.

    Raises
    ------
    InputError
        If the ranks do not divide a size, or one of two modules that share weights is cut alone.
    """
    ways = {path: kind for path, kind in kinds(root).items() if path in sharded}
    check_sizes(root, ways, mesh.size())
    shares = _shares_weights(root, ways)
    plan = dict(_plan(root, ways, summed, Shard(1) if sequence else Replicate()))
    if sequence:
        plan |= _along_sequence(root)
    with torch.no_grad():
        _cut_alone(root, mesh, ways, summed)
    done: set[nn.Module] = set()
    for path, style in plan.items():
        part = root.get_submodule(path)
        if part not in done:  # an encoder has its decoder's table
            parallelize_module(part, mesh, style)
        done.add(part)
    if sequence:
        _positions_along_sequence(root, mesh)
    if shares:
        root.get_submodule("output.product").weight = root.get_submodule("embedding.tokens").weight


def _cut_alone(root: nn.Module, mesh: DeviceMesh, ways: Mapping[str, str], summed: Collection[str]) -> None:
    """Cut what torch has no style for: convolutions, and what computes with its own weights alone."""
    for path, kind in ways.items():
        if kind in {OUT, IN, GATHER, CHANNELS}:
            cut_layer(root.get_submodule(path), mesh, kind, summed=path in summed)
        elif kind and not _is_summed(path, ways, summed):
            cut_alone(root.get_submodule(path), mesh, kind)


def _shares_weights(root: nn.Module, ways: Mapping[str, str]) -> bool:
    """Say whether the output layer has the embedding's weights, which are cut; then both are."""
    there = ["embedding.tokens" in ways, "output.product" in ways]
    if not _tied(root) or not any(there):
        return False
    if not all(there):
        found = "one of embedding and output, which share weights"
        raise InputError(field("steps"), found, "shard for both or none", "Add output: shard and output: sync.")
    return True


def _tied(root: nn.Module) -> bool:
    """Say whether the output layer has the embedding's weights."""
    output, embedding = getattr(root, "output", None), getattr(root, "embedding", None)
    if not isinstance(output, Output) or not isinstance(embedding, Embedding) or output.product is None:
        return False
    return output.product.weight is embedding.tokens.weight


def check_sizes(root: nn.Module, ways: Mapping[str, str], ranks: int) -> None:
    """Refuse ranks that do not divide what is cut."""
    for path, kind in ways.items():
        part, parent = root.get_submodule(path), root.get_submodule(path.rpartition(".")[0])
        weight: Any = getattr(part, "weight", None)
        if weight is None:  # an activation works on what it is given
            continue
        size = weight.shape[1 if kind in {ROWS, IN} else 0]
        if isinstance(parent, Attention):
            size //= parent.width
        if size % ranks:
            what = f"{size} heads" if isinstance(parent, Attention) else f"{size} {kind}"
            found = f"{ranks} ranks for {what} of {path}"
            raise InputError(field("ranks"), found, f"a divisor of {size}", f"Give {field('ranks')} that divide it.")


def _is_summed(path: str, ways: Mapping[str, str], summed: Collection[str]) -> bool:
    """Say whether partial results of a part are summed; products of the same rows share the sum of the first."""
    return path in summed if ways[path] != COLUMNS else _first(path) in summed


def _first(path: str) -> str:
    """Return the first of the products that read the same rows; K and V read an encoder's in cross attention."""
    module, _, name = path.rpartition(".")
    if name == "value" or (name == "key" and not module.endswith("cross_attention")):
        return f"{module}.key" if module.endswith("cross_attention") else f"{module}.query"
    return f"{module}.gate" if name == "product" and module.endswith(".up") else path


def _plan(root: nn.Module, ways: Mapping[str, str], summed: Collection[str], rows: Any) -> Iterator[tuple[str, Any]]:
    """Yield torch's style of each part that is summed, and of the places where gradients are."""
    of_torch = [path for path, kind in ways.items() if kind in {COLUMNS, ROWS, TABLE}]
    there = [path for path in of_torch if _is_summed(path, ways, summed)]
    for path in there:
        if ways[path] == TABLE:
            yield path, RowwiseParallel(input_layouts=Replicate(), output_layouts=rows)
        elif ways[path] == ROWS:
            yield path, RowwiseParallel(output_layouts=rows)
        else:
            logits = path.rpartition(".")[2] == "product" and not path.endswith("up.product")
            yield path, ColwiseParallel(output_layouts=Shard(-1), use_local_output=not logits)
    shared = PrepareModuleOutput(output_layouts=rows, desired_output_layouts=Replicate(), use_local_output=False)
    yield from ((_place(path), shared) for path in there if ways[path] == COLUMNS)
    for path, part in root.named_modules():
        if isinstance(part, Attention) and part.relative and f"{path}.query" in ways:
            yield f"{path}.core", PrepareModuleInput(
                input_kwarg_layouts={"bias": Replicate()}, desired_input_kwarg_layouts={"bias": Shard(1)},
                use_local_output=True,
            )  # fmt: skip


def _place(path: str) -> str:
    """Return where the gradient of what a product reads is summed."""
    module, _, name = path.rpartition(".")
    if module.endswith(".up"):
        module = module.removesuffix(".up")
    cross = module.endswith("cross_attention") and name in {"key", "value"}
    return f"{module}.{'memory' if cross else 'inputs'}"


def cut_alone(part: nn.Module, mesh: DeviceMesh, kind: str) -> None:
    """Cut a part of a model that computes with its own weights alone."""
    ways = {COLUMNS: (Shard(0), Shard(0)), ROWS: (Shard(1), Replicate()), TABLE: (Shard(0), None)}[kind]
    for name, way in zip(("weight", "bias"), ways, strict=True):
        weight = getattr(part, name, None)
        if weight is not None and way is not None:
            setattr(part, name, nn.Parameter(distribute_tensor(weight.detach(), mesh, [way])))
    forward: Any = _table_alone if kind == TABLE else _product_alone
    object.__setattr__(part, "forward", partial(forward, part))


def _product_alone(part: nn.Linear, x: Tensor) -> Tensor:
    bias = None if part.bias is None else _local(part.bias)
    return functional.linear(x, _local(part.weight), bias)


def _table_alone(part: nn.Embedding, numbers: Tensor) -> Tensor:
    """Look up the rows that this rank has; others are 0."""
    table: Any = part.weight
    mine: Tensor = table.to_local()
    count = mine.shape[0]
    at = numbers - count * table.device_mesh.get_local_rank()
    here = (at >= 0) & (at < count)
    looked: Tensor = functional.embedding(at.clamp(0, count - 1), mine) * here[..., None]
    return looked


def _local(one: Any) -> Tensor:
    local: Tensor = one.to_local() if isinstance(one, DTensor) else one
    return local


def _along_sequence(root: nn.Module) -> dict[str, Any]:
    """Return how norms are cut along the sequence."""
    norms = (nn.LayerNorm, nn.RMSNorm)
    return {path: SequenceParallel() for path, part in root.named_modules() if isinstance(part, norms)}


def _positions_along_sequence(root: nn.Module, mesh: DeviceMesh) -> None:
    """Let each rank look up the vectors of its own positions."""
    embedding = getattr(root, "embedding", None)
    if isinstance(embedding, Embedding) and embedding.positions is not None:
        places = PrepareModuleInput(input_layouts=Replicate(), desired_input_layouts=Shard(0))
        parallelize_module(embedding.positions, mesh, places)
        style = SequenceParallel(sequence_dim=0, use_local_output=True)
        parallelize_module(embedding.positions, mesh, style)

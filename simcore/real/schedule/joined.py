"""One product in place of several of the same rows; importing this module needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard
from torch.nn import functional


class Joined(nn.Module):
    """A product whose columns are those of several products.

    Where tensor parallelism has cut those, each rank joins its own parts. So the columns of rank 0 come first, then
    those of rank 1: `apart` gives them back in order.

    Attributes
    ----------
    rows : dict of str to int
        Rows of the weights of each on one rank, by name.
    """

    def __init__(self, products: Mapping[str, Any]) -> None:
        super().__init__()
        self.rows = {name: _local(one.weight).shape[0] for name, one in products.items()}
        first = next(iter(products.values()))
        mesh = first.weight.device_mesh if isinstance(first.weight, DTensor) else None
        self.shards = 1 if mesh is None else mesh.size()
        weights, biases = ([getattr(one, kind) for one in products.values()] for kind in ("weight", "bias"))
        self.weight = nn.Parameter(_cat(weights, mesh))
        self.bias = None if biases[0] is None else nn.Parameter(_cat(biases, mesh))

    def forward(self, x: Tensor) -> Tensor:
        """Return all columns of this rank."""
        cut = isinstance(x, DTensor)
        weight = self.weight if cut else _local(self.weight)
        return functional.linear(x, weight, self.bias if cut or self.bias is None else _local(self.bias))

    def apart(self, whole: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the part of each product in a tensor that all ranks have gathered."""
        by_rank = whole.view(self.shards, -1, *whole.shape[1:])
        parts: tuple[Tensor, ...] = torch.split(by_rank, list(self.rows.values()), 1)
        for name, part in zip(self.rows, parts, strict=True):
            yield name, part.flatten(0, 1)


def _local(one: Tensor) -> Tensor:
    return one.to_local() if isinstance(one, DTensor) else one


def _cat(parts: list[Tensor], mesh: Any) -> Tensor:
    joined = torch.cat([_local(one) for one in parts])
    return joined if mesh is None else DTensor.from_local(joined, mesh, [Shard(0)])

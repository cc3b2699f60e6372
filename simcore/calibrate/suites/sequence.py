"""Sequences of different lengths through a linear layer: padded to the longest, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.models.compute.sparse.composed import positions_index

if TYPE_CHECKING:
    from torch import Tensor


def valid(lengths: Tensor, longest: int) -> Tensor:
    """Return which positions hold a token.

    Parameters
    ----------
    lengths : Tensor of int, shape (batch,)
        Tokens of each sequence, 0 to `longest`.
    longest : int
        Positions.

    Returns
    -------
    Tensor of bool, shape (batch, longest)
    """
    import torch

    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def listed(lengths: Tensor, longest: int) -> Tensor:
    """Return the flat positions that hold a token, see `valid`: the index that packing needs."""
    return valid(lengths, longest).flatten().nonzero()[:, 0]


def padded_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply every position, padding included.

    Parameters
    ----------
    x : Tensor, shape (batch, longest, inner)
        Zeros after each sequence's end.
    weight : Tensor, shape (inner, outer)
        Weights.

    Returns
    -------
    Tensor, shape (batch, longest, outer)
    """
    return x @ weight


def packed_linear(x: Tensor, weight: Tensor, positions: Tensor) -> Tensor:
    """Multiply only positions that hold a token (PIT's m-axis): gather, multiply, scatter.

    Parameters
    ----------
    x, weight : Tensor
        See `padded_linear`.
    positions : Tensor of int
        Flat positions that hold a token, from `listed`.

    Returns
    -------
    Tensor, shape (batch, longest, outer)
    """
    batch, longest, inner = x.shape
    out = x.new_zeros(batch * longest, weight.shape[1])
    out.index_copy_(0, positions, x.reshape(-1, inner).index_select(0, positions) @ weight)
    return out.view(batch, longest, -1)


BATCHES = {
    "cpu": ((16, 128, 512, 512), (32, 64, 256, 768)),
    "cuda": ((32, 128, 1024, 4096), (4, 2048, 768, 3072)),
}
"""Sequences, positions, features in and out."""

VALID = (0.125, 0.25, 0.5, 0.75)
"""Shares of positions that hold a token: no fit sees any, times are predicted from parts."""

INDEXED = {
    "cpu": ((1024, 0.5), (4096, 0.25), (4096, 0.75), (16384, 0.5)),
    "cuda": ((1024, 0.5), (2048, 0.25), (2048, 0.75), (16384, 0.5)),
}
"""Positions and the share that holds a token: what the index is fitted on, none of it in `BATCHES`."""

INDEXED_UNSEEN = (8192, 0.125)
"""The same, held out, beside the index of every batch of `BATCHES`, which the packed product needs."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the sequences' cases, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for positions, share in INDEXED[kind]:
        yield _index_case(kind, positions, share, held_out=False)
    unseen = {(batch * longest, share): None for batch, longest, _, _ in BATCHES[kind] for share in VALID}
    for positions, share in {**unseen, INDEXED_UNSEEN: None}:  # batches of as many positions share one
        yield _index_case(kind, positions, share, held_out=True)
    for sizes in BATCHES[kind]:
        for share in VALID:
            for way in ("padded", "packed"):
                yield _linear_case(kind, way, *sizes, share)


def _linear_case(kind: str, way: str, batch: int, longest: int, inner: int, outer: int, share: float) -> Case:
    dtype = "fp32" if kind == "cpu" else "fp16"
    tokens = round(batch * longest * share)

    def make_inputs(number: int) -> Inputs:
        where = valid(_lengths(batch, longest, tokens, number), longest).to(kind)
        x = random_tensor((batch, longest, inner), dtype, kind, 2 * number) * where[:, :, None]
        return x, random_tensor((inner, outer), dtype, kind, 2 * number + 1), where.flatten().nonzero()[:, 0]

    def run(x: Any, weight: Any, positions: Any) -> Any:
        return padded_linear(x, weight) if way == "padded" else packed_linear(x, weight, positions)

    def check(output: Any, inputs: Inputs) -> float:
        return relative_error(output[:2], inputs[0][:2].double() @ inputs[1].double())

    shape = {"batch": batch, "longest": longest, "inner": inner, "outer": outer, "valid": tokens}
    return Case(f"sequence-{way}", dtype, shape, make_inputs, run, check, held_out=True)


def _lengths(batch: int, longest: int, tokens: int, seed: int) -> Any:
    """Return random lengths that add up to so many tokens."""
    torch = require_torch()
    places = torch.randperm(batch * longest, generator=torch.Generator().manual_seed(seed))[:tokens]
    return torch.bincount(places // longest, minlength=batch)


def _index_case(kind: str, positions: int, share: float, held_out: bool) -> Case:
    """Return the case of listing the positions that hold a token of sequences of 128."""
    longest = 128
    tokens = round(positions * share)

    def make_inputs(number: int) -> Inputs:
        return (_lengths(positions // longest, longest, tokens, number).to(kind),)

    def run(lengths: Any) -> Any:
        return listed(lengths, longest)

    return Case("index-sequence", "bool", positions_index(positions, tokens), make_inputs, run, None, held_out)

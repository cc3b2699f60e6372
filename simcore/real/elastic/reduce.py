"""The sum of the gradients of all logical workers, bit for bit as a ring of one process each makes it.

Floating-point sums depend on their order. Gloo's all-reduce cuts the buffer into a chunk per rank, and sums chunk c in
the order c - 1, c - 2, ..., c of ranks (modulo their number), see ``gloo/allreduce.cc``. DistributedDataParallel puts
gradients into buckets first, so that the mapping of parameters to buckets decides which order a gradient gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch._C._distributed_c10d import GradBucket

SEGMENT = 1 << 20
"""Bytes of a segment of gloo's ring at most [B]."""

CAP = 25 << 20
"""Bytes of a bucket of DistributedDataParallel at most; the first is smaller [B]."""

Mapping = list[list[int]]
"""Of each bucket the numbers of its parameters, in their order in the buffer."""


def ring_chunks(elements: int, ranks: int, size: int = 4) -> list[tuple[int, int]]:
    """Return where each rank's chunk begins and ends in a buffer of a ring.

    Gloo cuts the buffer into at least two segments per rank, of whole elements, and gives each rank as many.

    Parameters
    ----------
    elements : int
        Of the buffer.
    ranks : int
        Of the ring.
    size : int
        Bytes of an element [B].

    Examples
    --------
    >>> ring_chunks(1000, 3)
    [(0, 334), (334, 668), (668, 1000)]
    """
    total = elements * size
    segments = -(-max(-(-total // SEGMENT), 2 * ranks) // ranks) * ranks
    segment = -(-total // segments)
    chunk = -(-segment // size) * (segments // ranks)
    return [(min(elements, rank * chunk), min(elements, (rank + 1) * chunk)) for rank in range(ranks)]


def ring_sum(rows: torch.Tensor) -> torch.Tensor:
    """Return the sum of rows, one per rank, as a ring of them makes it.

    Parameters
    ----------
    rows : tensor of shape (ranks, elements)
        What each rank gives.
    """
    ranks, elements = rows.shape
    total = rows.new_empty(elements)
    for chunk, (begin, end) in enumerate(ring_chunks(elements, ranks, rows.element_size())):
        order = [(chunk - 1 - step) % ranks for step in range(ranks)]
        total[begin:end] = _folded(rows[:, begin:end], order)
    return total


def ordered_sum(rows: torch.Tensor) -> torch.Tensor:
    """Return the sum of rows in the order of their numbers; `rows` as in `ring_sum`."""
    return _folded(rows, range(len(rows)))


def _folded(rows: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    total = rows[order[0]].clone()
    for number in order[1:]:
        total += rows[number]
    return total


def first_mapping(parameters: Sequence[torch.Tensor]) -> Mapping:
    """Return the buckets that DistributedDataParallel starts with: one of all parameters in the module's order."""
    return [list(range(len(parameters)))]


def rebuilt_mapping(parameters: Sequence[torch.Tensor], arrivals: Sequence[int]) -> Mapping:
    """Return the buckets that it rebuilds behind the first mini-batch: parameters as their gradients were ready.

    Parameters
    ----------
    parameters : sequence of tensor
        Those that are trained, in the module's order.
    arrivals : sequence of int
        Their numbers in the order in which gradients were ready.
    """
    from torch._C._distributed_c10d import _DEFAULT_FIRST_BUCKET_BYTES, _compute_bucket_assignment_by_size

    in_order, limits = [parameters[number] for number in arrivals], [_DEFAULT_FIRST_BUCKET_BYTES, CAP]
    buckets, _ = _compute_bucket_assignment_by_size(in_order, limits, [False] * len(arrivals), list(arrivals))
    return [list(bucket) for bucket in buckets]


def reduced(rows: torch.Tensor, sizes: Sequence[int], mapping: Mapping, order: str) -> torch.Tensor:
    """Return the mean of all logical workers' gradients.

    Parameters
    ----------
    rows : tensor of shape (workers, elements)
        Gradients of each logical worker, parameter behind parameter.
    sizes : sequence of int
        Elements of each parameter.
    mapping : list of list of int
        Parameters of each bucket; ``ordered`` takes no notice of it.
    order : {'ring', 'ordered'}
        Order of the sum.
    """
    import torch

    if order == "ordered":
        return ordered_sum(rows) / len(rows)
    # DistributedDataParallel divides before it sums
    parts = list(torch.split(rows * (1.0 / len(rows)), list(sizes), dim=1))
    sums: list[torch.Tensor] = [parts[0]] * len(parts)
    for bucket in mapping:
        total = ring_sum(torch.cat([parts[number] for number in bucket], 1))
        for number, part in zip(bucket, torch.split(total, [sizes[number] for number in bucket]), strict=True):
            sums[number] = part
    return torch.cat(sums)


def gather_and_sum(bucket: GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Sum a bucket in the order of ranks: the hook of DistributedDataParallel for ``ordered``."""
    import torch
    import torch.distributed as dist

    own = bucket.buffer()
    rows = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(rows, own)
    future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    future.set_result(ordered_sum(torch.stack(rows)) / len(rows))
    return future

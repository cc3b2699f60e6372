"""The samples of an epoch and each logical worker's order of them: the same whatever processes load them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch


class _Numbered:
    """A dataset whose items say their number."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> tuple[int, Any]:
        return number, self.dataset[number]


def mini_batches(
    dataset: Any, worker: int, workers: int, *, batch: int, seed: int = 0, first: int = 0, shuffle: bool = True,
    drop_last: bool = True, loader_workers: int = 0,
) -> Iterator[tuple[list[int], Any]]:  # fmt: skip
    """Yield the mini-batches of a logical worker from one of them on, epoch after epoch, without an end.

    Parameters
    ----------
    dataset : sized, with items by number
        All samples.
    worker, workers : int
        Number of the logical worker, and how many there are: worker r takes every sample at places r, r + workers, ...
        of the shuffled epoch, as `torch.utils.data.DistributedSampler` deals them out.
    batch : int
        Samples of a mini-batch.
    seed : int
        Of the order; each epoch has its own.
    first : int
        The mini-batch of the job to begin with, in mid epoch too.
    shuffle, drop_last : bool
        Whether samples are shuffled, and whether those that fill no mini-batch of all workers are left out.
    loader_workers : int
        Processes that load; 0 for none.

    Yields
    ------
    (list of int, batch)
        Numbers of the samples, and what the loader makes of them.

    Examples
    --------
    >>> numbers, _ = next(mini_batches(range(100), 1, 4, batch=3, first=2, shuffle=False))
    >>> numbers
    [25, 29, 33]
    """
    torch = require_torch()
    data = torch.utils.data
    sampler = data.DistributedSampler(_Numbered(dataset), workers, worker, shuffle, seed, drop_last)
    sampled = data.BatchSampler(sampler, batch, drop_last)
    epoch, left = divmod(first, len(sampled))
    while True:
        sampler.set_epoch(epoch)
        # its own generator: the default one is the logical worker's, and a loader that is made anew draws from it
        generator = torch.Generator().manual_seed(seed)
        loader = data.DataLoader(
            _Numbered(dataset), batch_sampler=list(sampled)[left:], num_workers=loader_workers, generator=generator
        )
        for numbers, loaded in loader:
            yield numbers.tolist(), loaded
        epoch, left = epoch + 1, 0


def epoch_length(samples: int, workers: int, batch: int) -> int:
    """Return the mini-batches of an epoch of each logical worker, where those that are not full are left out.

    Examples
    --------
    >>> epoch_length(262, 4, 4)
    16
    """
    return samples // workers // batch

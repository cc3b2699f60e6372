"""What a reader must know of compute times that a profile predicted: its name, its error, and every caution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from simcore.models.compute.expected import SEEN
from simcore.models.training.workload import KernelTime, Workload

BLOCKS_ALONE = "blocks alone: the model has no vocabulary, so embedding, output layer and update are left out"
"""Note on a model without a vocabulary."""


def notes_on(workloads: Sequence[Workload]) -> list[str]:
    """Return how the files of some workloads were understood, and the notes on compute that a profile predicted.

    The expected error is the mean over the different kernel calls, weighted by their time.
    """
    of_files = list(dict.fromkeys(caution for each in workloads for caution in each.cautions))
    times = [each.times for each in workloads if each.times is not None]
    if not times:
        return of_files
    costs = list({(cost.layer, cost.direction, cost.call): cost for each in times for cost in each.costs}.values())
    error = mean_error(costs)
    known = "no measured error" if error is None else f"expected error of a kernel {error:.1%}"
    known += ", nothing held out" if all(cost.prediction.basis == SEEN for cost in costs) and error is not None else ""
    sources = ", ".join(dict.fromkeys(each.source for each in times))
    cautions = dict.fromkeys(caution for each in times for caution in each.cautions)
    alone = () if any(each.complete for each in times) else (BLOCKS_ALONE,)
    waits = _waiting([each.costs for each in times])
    return [*of_files, f"compute from profile {sources}, {known}", *cautions, *waits, *_of_kernels(costs), *alone]


def number_formats(workloads: Sequence[Workload]) -> str:
    """Return the number formats that the products of some workloads ran in, with commas; empty without a profile."""
    return ", ".join(dict.fromkeys(each.times.dtype for each in workloads if each.times is not None))


def mean_error(costs: Sequence[KernelTime]) -> float | None:
    """Return the mean of the predictions' expected errors, weighted by time; None where one has none."""
    total = math.fsum(cost.prediction.seconds for cost in costs)
    errors = [cost.prediction.error for cost in costs]
    if not total or any(error is None for error in errors):
        return None
    return math.fsum(cost.prediction.seconds * (cost.prediction.error or 0.0) for cost in costs) / total


def _waiting(steps: Sequence[Sequence[KernelTime]]) -> list[str]:
    """Say for which part of the compute of a step the device waits for its host; nothing where it never does."""
    share = 0.0
    for costs in steps:
        waited = math.fsum(cost.waited for cost in costs)
        busy = math.fsum(cost.count * cost.prediction.seconds for cost in costs)
        share = max(share, waited / (waited + busy) if waited else 0.0)
    most = "" if len(steps) == 1 else "up to "
    return [f"the device waits for its host in {most}{share:.1%} of the compute of a step"] if share else []


def _of_kernels(costs: Sequence[KernelTime]) -> list[str]:
    """Return the notes of all predictions, each once, with the kernels that it is true of."""
    kernels: dict[str, dict[str, None]] = {}
    for cost in costs:
        for note in cost.prediction.notes:
            kernel, _, text = note.partition(": ")
            kernels.setdefault(text, {})[kernel] = None
    return [f"{_listed(list(names))}: {text}" for text, names in sorted(kernels.items())]


def _listed(names: Sequence[str], most: int = 4) -> str:
    """Name the first few, and say how many more there are."""
    more = len(names) - most
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:most])} and {more} more"

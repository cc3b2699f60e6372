"""What kernel calls of a transformer cost on a profiled device, and what a reader must know of many of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.compute.predict import Prediction


@dataclass(frozen=True)
class Operator:
    """One kernel call of a transformer on one NPU.

    Attributes
    ----------
    kernel : str
        A kernel of `simcore.models.compute.kernels.FORMULA_OF`.
    shape : tuple of (str, float)
        Its sizes, see `simcore.models.compute.profile.Sample`.
    dtype : str or None
        Number format; None for the model's.
    """

    kernel: str
    shape: tuple[tuple[str, float], ...]
    dtype: str | None = None


@dataclass(frozen=True)
class Cost:
    """One operator of a layer with its predicted time.

    Attributes
    ----------
    part : str
        One of `PARTS`.
    direction : str
        ``forward``, ``input gradient`` or ``weight gradient``.
    operator : Operator
        The kernel.
    prediction : Prediction
        Its time.
    """

    part: str
    direction: str
    operator: Operator
    prediction: Prediction


def mean_error(costs: Sequence[Cost]) -> float | None:
    """Return the mean of the predictions' expected errors, weighted by time; None where one has none."""
    total = math.fsum(cost.prediction.seconds for cost in costs)
    errors = [cost.prediction.error for cost in costs]
    if not total or any(error is None for error in errors):
        return None
    return math.fsum(cost.prediction.seconds * (cost.prediction.error or 0.0) for cost in costs) / total


def notes_of(costs: Sequence[Cost]) -> list[str]:
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

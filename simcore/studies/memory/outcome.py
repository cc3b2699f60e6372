"""What was counted of a model's memory."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.models.training.listing import Architecture
    from simcore.models.training.parallel.changes import Change
    from simcore.models.training.parallel.evaluation import Evaluation


@dataclass(frozen=True, kw_only=True)
class MemoryOutcome(Result, ABC):
    """What each GPU holds in a training iteration.

    Attributes
    ----------
    name, device : str
        Of the model and of the GPU.
    model : Transformer or LayeredModel
        The sizes.
    evaluation : Evaluation
        The layout, with its time and its memory by pipeline rank.
    sequence : int
        Tokens of a sequence.
    capacity : float
        What programs may use of a GPU's memory [B].
    chosen : tuple of str
        What of the layout was not given.
    timed : bool
        Whether there is a network, so that times mean something.
    remedy : Change or None
        What makes it fit; None where it fits, or nothing does.
    top : int
        How many operators are listed.
    """

    name: str
    device: str
    model: Architecture
    evaluation: Evaluation
    sequence: int
    capacity: float
    chosen: tuple[str, ...]
    timed: bool
    remedy: Change | None
    top: int

    @property
    def fits(self) -> bool:
        """Whether every GPU has what it needs."""
        return self.evaluation.worst.reserved <= self.capacity

    @property
    def first_gpu(self) -> int:
        """The first GPU of the pipeline rank that needs most, from 0: the ranks follow one another."""
        layout = self.evaluation.layout
        return self.evaluation.worst.rank * layout.gpus // layout.pp

    @property
    def operators(self) -> Mapping[str, float]:
        """Activations of the worst rank by operator, the largest first [B]."""
        kept = self.evaluation.worst.operators
        return dict(sorted(((name, size) for name, size in kept.items() if size), key=lambda one: (-one[1], one[0])))

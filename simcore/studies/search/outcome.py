"""What a search of layouts found."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.models.training.listing import Architecture
    from simcore.models.training.parallel.evaluation import Evaluation
    from simcore.models.training.parallel.search import Found
    from simcore.models.training.parallel.stack import Stack
    from simcore.studies.search.reasons import Reason


@dataclass(frozen=True, kw_only=True)
class SearchOutcome(Result, ABC):
    """Layouts of a model on so many GPUs.

    Attributes
    ----------
    name, device : str
        Of the model and of the GPU.
    model : Transformer or LayeredModel
        The sizes.
    precision : str
        Number format.
    gpus, global_batch, sequence : int
        GPUs, sequences of an iteration, and tokens of a sequence.
    found : Found
        All that was tried.
    listed : tuple of Evaluation
        The best layout and its runners-up: of each combination of TP, CP, PP and EP the fastest; empty where none fits.
    reasons : tuple of Reason
        What the best layout is with one thing changed.
    capacity : float
        What programs may use of a GPU's memory [B].
    peak : float or None
        Peak of the device in the number format of products [FLOP/s]; None where nobody says.
    collectives : str
        What collectives are taken to take; empty where they take what links allow.
    stack : Stack or None
        What software is taken to reach; None where it is all that device and network can.
    """

    name: str
    device: str
    model: Architecture
    precision: str
    gpus: int
    global_batch: int
    sequence: int
    found: Found
    listed: tuple[Evaluation, ...]
    reasons: tuple[Reason, ...]
    capacity: float
    peak: float | None
    collectives: str = ""
    stack: Stack | None = None

    @property
    def best(self) -> Evaluation | None:
        """The fastest layout that fits; None where none does."""
        return self.listed[0] if self.listed else None

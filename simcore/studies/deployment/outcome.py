"""What studies of one layout find alike: the layout, its time and memory, and whether it fits."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass

from simcore.models.training.parallel.changes import Change
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.memory import KINDS
from simcore.results import Result, Table
from simcore.studies.deployment.layouts import Deployed


@dataclass(frozen=True, kw_only=True)
class LayoutOutcome(Result, ABC):
    """A layout of a model on a machine.

    Attributes
    ----------
    deployment : Deployed
        The model on its machine.
    evaluation : Evaluation
        Time and memory of the layout.
    tried : int or None
        Layouts that were tried to settle what was left open; None where nothing was.
    capacity : float
        Memory of a GPU that programs may use [B].
    change : Change or None
        The change that helps most: what makes it fit, or the single one that makes it fastest; None where none does.
    """

    deployment: Deployed
    evaluation: Evaluation
    tried: int | None
    capacity: float
    change: Change | None

    @property
    def fits(self) -> bool:
        """Whether every rank has the memory that it needs."""
        return self.evaluation.worst.reserved <= self.capacity

    def memory_tables(self) -> Mapping[str, Table]:
        """Return what each rank holds by kind, and the activations by operator."""
        memory = Table(
            ["rank", "parameters", *KINDS, "allocated", "reserved"],
            [
                (one.rank, one.parameters, *(one.kinds[kind] for kind in KINDS), one.allocated, one.reserved)
                for one in self.evaluation.memory
            ],
            dict.fromkeys([*KINDS, "allocated", "reserved"], "B"),
        )
        rows = [(one.rank, path, size) for one in self.evaluation.memory for path, size in one.operators.items()]
        return {"memory": memory, "activations": Table(["rank", "operator", "activations"], rows, {"activations": "B"})}

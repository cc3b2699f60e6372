"""What was found when a module was verified."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.models.training.schedule import Schedule
    from simcore.real.verify.case import Ways
    from simcore.real.verify.finding import Finding
    from simcore.real.verify.launch import Verified


@dataclass(frozen=True, kw_only=True)
class VerifyOutcome(Result, ABC):
    """A module after a schedule against the module itself.

    Attributes
    ----------
    name : str
        Of the model, or the function that builds it.
    device : str
        Where it ran.
    ways : Ways
        How ranks shared it.
    schedule : Schedule
        All steps.
    verified : Verified
        Every tensor, and what each step changed.
    breaking : str
        The first step after which results differ; empty where none does.
    """

    name: str
    device: str
    ways: Ways
    schedule: Schedule
    verified: Verified
    breaking: str = ""

    @property
    def equal(self) -> bool:
        """Whether every tensor is equal but for rounding."""
        return self.verified.equal

    @property
    def first(self) -> Finding | None:
        """The first tensor that differs; None where all are equal."""
        return self.verified.first

    @property
    def difference(self) -> str:
        """What differs first, and by how much; empty where all is equal."""
        first = self.first
        if self.verified.failure:
            return f"the scheduled module fails: {self.verified.failure}"
        if first is not None:
            from simcore.real.verify.finding import TOLERANCES

            if first.shape:
                return f"{first.name} has another shape on rank {first.rank}: {first.shape}"
            return (
                f"{first.name} differs in {first.precision} by {first.relative:.2g} of its largest value on rank "
                f"{first.rank}, where {TOLERANCES[first.precision]:g} is rounding"
            )
        missing = self.verified.missing
        return f"no rank has {missing[0]}" if missing else ""

"""What came out of an elastic run, before it is told."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.real.elastic.run import StageComparison, Trained
from simcore.results import Result
from simcore.studies.elastic.request import ElasticRequest


@dataclass(frozen=True, kw_only=True)
class ElasticOutcome(Result):
    """An elastic run beside its reference.

    Attributes
    ----------
    request : ElasticRequest
        What was asked for.
    stages : tuple of StageComparison
        Each stage beside the reference.
    ours, reference : Trained
        Losses, samples, weights and buffers of both.
    """

    request: ElasticRequest
    stages: tuple[StageComparison, ...]
    ours: Trained
    reference: Trained

    @property
    def samples_equal(self) -> bool:
        """Whether every logical worker saw the same samples in the same order."""
        return self.ours.samples == self.reference.samples

    @property
    def differences(self) -> list[list[float]]:
        """Loss of each logical worker minus that of the reference, by mini-batch."""
        both = zip(self.ours.losses, self.reference.losses, strict=True)
        return [[one - other for one, other in zip(mine, theirs, strict=True)] for mine, theirs in both]

"""Inputs of ``simcore train MODEL``."""

from __future__ import annotations

from simcore.studies.deployment.parallel import ParallelRequest
from simcore.studies.request import option


class IterationRequest(ParallelRequest):
    """A training iteration of a model on GPUs."""

    study = "iteration"

    tokens: float | str | None = option(
        default=None, metavar="COUNT", help="Say how long training on so many tokens takes: 300B, 2T."
    )

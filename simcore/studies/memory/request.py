"""Inputs of ``simcore memory``."""

from __future__ import annotations

from simcore.studies.deployment.parallel import ParallelRequest
from simcore.studies.request import option


class MemoryRequest(ParallelRequest):
    """A model whose memory in training is counted on each GPU."""

    study = "memory"

    top: int = option(kw_only=True, default=10, least=1, help="How many operators are listed by their activations.")

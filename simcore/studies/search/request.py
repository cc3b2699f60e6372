"""Inputs of ``simcore search``."""

from __future__ import annotations

from simcore.studies.deployment.parallel import ParallelRequest
from simcore.studies.request import option


class SearchRequest(ParallelRequest):
    """A model on GPUs whose best layout is asked for; what is given is kept."""

    study = "search"

    top: int = option(default=10, least=1, help="How many layouts are listed.")

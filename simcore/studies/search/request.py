"""Inputs of ``simcore search``."""

from __future__ import annotations

from simcore.studies.deployment.parallel import ParallelRequest
from simcore.studies.request import option


class SearchRequest(ParallelRequest):
    """A model whose fastest layout is searched among those that fit."""

    study = "search"

    top: int = option(kw_only=True, default=10, least=1, help="How many layouts are listed, the best included.")

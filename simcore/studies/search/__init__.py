"""The study behind ``simcore search``: the fastest layout of a model on so many GPUs that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.search.request import SearchRequest
    from simcore.studies.search.result import SearchResult
    from simcore.studies.search.run import search

__getattr__, __dir__ = attach(
    __name__,
    {
        "SearchRequest": "simcore.studies.search.request",
        "SearchResult": "simcore.studies.search.result",
        "search": "simcore.studies.search.run",
    },
)

__all__ = ["SearchRequest", "SearchResult", "search"]

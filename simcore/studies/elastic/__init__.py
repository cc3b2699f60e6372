"""The study behind ``simcore elastic``: elastic training on real processes, held against DistributedDataParallel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.elastic.request import ElasticRequest
    from simcore.studies.elastic.result import ElasticResult
    from simcore.studies.elastic.run import elastic

__getattr__, __dir__ = attach(
    __name__,
    {
        "ElasticRequest": "simcore.studies.elastic.request",
        "ElasticResult": "simcore.studies.elastic.result",
        "elastic": "simcore.studies.elastic.run",
    },
)

__all__ = ["ElasticRequest", "ElasticResult", "elastic"]

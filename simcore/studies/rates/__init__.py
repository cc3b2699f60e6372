"""The study behind ``simcore rates``: step times of transformers on profiled devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.rates.request import RatesRequest
    from simcore.studies.rates.result import RatesResult
    from simcore.studies.rates.run import rates

__getattr__, __dir__ = attach(
    __name__,
    {
        "RatesRequest": "simcore.studies.rates.request",
        "RatesResult": "simcore.studies.rates.result",
        "rates": "simcore.studies.rates.run",
    },
)

__all__ = [
    "RatesRequest",
    "RatesResult",
    "rates",
]

"""The study behind ``simcore evaluate``: figures and tables of publications, made or measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.evaluate.request import EvaluateRequest
    from simcore.studies.evaluate.result import Evaluation
    from simcore.studies.evaluate.run import evaluate

__getattr__, __dir__ = attach(
    __name__,
    {
        "EvaluateRequest": "simcore.studies.evaluate.request",
        "Evaluation": "simcore.studies.evaluate.result",
        "evaluate": "simcore.studies.evaluate.run",
    },
)

__all__ = ["EvaluateRequest", "Evaluation", "evaluate"]

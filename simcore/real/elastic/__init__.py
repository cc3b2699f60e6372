"""Elastic training on real processes: logical workers that share them, and what it is held against bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.real.elastic.job import DETERMINISM, MODELS, REDUCE, Fault, Job, Place
    from simcore.real.elastic.plan import Stage, parse_stages
    from simcore.real.elastic.run import StageComparison, Trained, check, compare, train_job, train_reference
    from simcore.real.elastic.training import Training

_PLACES = {
    "simcore.real.elastic.job": ("DETERMINISM", "MODELS", "REDUCE", "Fault", "Job", "Place"),
    "simcore.real.elastic.plan": ("Stage", "parse_stages"),
    "simcore.real.elastic.run": ("StageComparison", "Trained", "check", "compare", "train_job", "train_reference"),
    "simcore.real.elastic.training": ("Training",),
}
__getattr__, __dir__ = attach(__name__, {name: module for module, names in _PLACES.items() for name in names})

__all__ = [
    "DETERMINISM", "MODELS", "REDUCE", "Fault", "Job", "Place", "Stage", "StageComparison", "Trained", "Training",
    "check", "compare", "parse_stages", "train_job", "train_reference",
]  # fmt: skip

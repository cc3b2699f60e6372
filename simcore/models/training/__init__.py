"""Parallel training: an architecture, its operators, the workload they are lowered to, and the time of an iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.training.architecture import Batch, Transformer
    from simcore.models.training.closed_form import StepModel, StepTime, compile_step, mean_step, step_time
    from simcore.models.training.layered_model import LayeredModel
    from simcore.models.training.listing import operators_of
    from simcore.models.training.lowering import lower, lower_at_rate, lower_on_profile
    from simcore.models.training.operators import Operation, Operator, OperatorList
    from simcore.models.training.passes import passes
    from simcore.models.training.pipeline import Pipeline, run_pipeline
    from simcore.models.training.program import Loop, iteration
    from simcore.models.training.simulated import IterationRun, Settings, run_iteration
    from simcore.models.training.workload import Layer, Pass, Phase, Workload
    from simcore.models.training.zero import zero3

__getattr__, __dir__ = attach(
    __name__,
    {
        "Batch": "simcore.models.training.architecture",
        "IterationRun": "simcore.models.training.simulated",
        "Layer": "simcore.models.training.workload",
        "LayeredModel": "simcore.models.training.layered_model",
        "Loop": "simcore.models.training.program",
        "Operation": "simcore.models.training.operators",
        "Operator": "simcore.models.training.operators",
        "OperatorList": "simcore.models.training.operators",
        "Pass": "simcore.models.training.workload",
        "Phase": "simcore.models.training.workload",
        "Pipeline": "simcore.models.training.pipeline",
        "Settings": "simcore.models.training.simulated",
        "StepModel": "simcore.models.training.closed_form",
        "StepTime": "simcore.models.training.closed_form",
        "Transformer": "simcore.models.training.architecture",
        "Workload": "simcore.models.training.workload",
        "compile_step": "simcore.models.training.closed_form",
        "iteration": "simcore.models.training.program",
        "lower": "simcore.models.training.lowering",
        "lower_at_rate": "simcore.models.training.lowering",
        "lower_on_profile": "simcore.models.training.lowering",
        "mean_step": "simcore.models.training.closed_form",
        "operators_of": "simcore.models.training.listing",
        "passes": "simcore.models.training.passes",
        "run_iteration": "simcore.models.training.simulated",
        "run_pipeline": "simcore.models.training.pipeline",
        "step_time": "simcore.models.training.closed_form",
        "zero3": "simcore.models.training.zero",
    },
)

__all__ = [
    "Batch",
    "IterationRun",
    "Layer",
    "LayeredModel",
    "Loop",
    "Operation",
    "Operator",
    "OperatorList",
    "Pass",
    "Phase",
    "Pipeline",
    "Settings",
    "StepModel",
    "StepTime",
    "Transformer",
    "Workload",
    "compile_step",
    "iteration",
    "lower",
    "lower_at_rate",
    "lower_on_profile",
    "mean_step",
    "operators_of",
    "passes",
    "run_iteration",
    "run_pipeline",
    "step_time",
    "zero3",
]

"""What a script needs to build models and workloads of its own: sizes, operators, layers, and the time of a step.

Examples
--------
>>> from simcore.training import Batch, Transformer, operators_of
>>> listed = operators_of(Transformer("mine", hidden=1024, blocks=24, heads=16), Batch(sequence=512, sequences=8))
>>> round(listed.parameters / 2e6)
302
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.compute.compute_model import ComputeModel, ConstantRate, KernelCall, profiled
    from simcore.models.compute.predict import Prediction
    from simcore.models.training.architecture import ALL_BIASES, Batch, Transformer
    from simcore.models.training.closed_form import StepModel, StepTime, compile_step, step_time
    from simcore.models.training.layered_model import LayeredModel
    from simcore.models.training.listing import operators_of
    from simcore.models.training.lowering import lower, lower_at_rate, lower_on_profile
    from simcore.models.training.notes import notes_on
    from simcore.models.training.operators import Operator, OperatorList
    from simcore.models.training.parallel.layout import Layout
    from simcore.models.training.parallel.memory import RankMemory, memory_of
    from simcore.models.training.passes import passes
    from simcore.models.training.program import Loop
    from simcore.models.training.schedule import Primitive, Schedule, Step
    from simcore.models.training.workload import Layer, Phase, Workload
    from simcore.readers.models import read_model
    from simcore.readers.schedules import parse_steps, read_schedule
    from simcore.readers.workloads import read_workload, read_workloads

__getattr__, __dir__ = attach(
    __name__,
    {
        "profiled": "simcore.models.compute.compute_model",
        "memory_of": "simcore.models.training.parallel.memory",
        "RankMemory": "simcore.models.training.parallel.memory",
        "Layout": "simcore.models.training.parallel.layout",
        "ALL_BIASES": "simcore.models.training.architecture",
        "Batch": "simcore.models.training.architecture",
        "ComputeModel": "simcore.models.compute.compute_model",
        "ConstantRate": "simcore.models.compute.compute_model",
        "KernelCall": "simcore.models.compute.compute_model",
        "Layer": "simcore.models.training.workload",
        "LayeredModel": "simcore.models.training.layered_model",
        "Loop": "simcore.models.training.program",
        "Operator": "simcore.models.training.operators",
        "OperatorList": "simcore.models.training.operators",
        "Phase": "simcore.models.training.workload",
        "Prediction": "simcore.models.compute.predict",
        "Primitive": "simcore.models.training.schedule",
        "Schedule": "simcore.models.training.schedule",
        "Step": "simcore.models.training.schedule",
        "StepModel": "simcore.models.training.closed_form",
        "StepTime": "simcore.models.training.closed_form",
        "Transformer": "simcore.models.training.architecture",
        "Workload": "simcore.models.training.workload",
        "compile_step": "simcore.models.training.closed_form",
        "lower": "simcore.models.training.lowering",
        "lower_at_rate": "simcore.models.training.lowering",
        "lower_on_profile": "simcore.models.training.lowering",
        "notes_on": "simcore.models.training.notes",
        "operators_of": "simcore.models.training.listing",
        "passes": "simcore.models.training.passes",
        "parse_steps": "simcore.readers.schedules",
        "read_model": "simcore.readers.models",
        "read_schedule": "simcore.readers.schedules",
        "read_workload": "simcore.readers.workloads",
        "read_workloads": "simcore.readers.workloads",
        "step_time": "simcore.models.training.closed_form",
    },
)

__all__ = [
    "ALL_BIASES",
    "Batch",
    "ComputeModel",
    "ConstantRate",
    "KernelCall",
    "Layer",
    "LayeredModel",
    "Layout",
    "Loop",
    "Operator",
    "OperatorList",
    "Phase",
    "Prediction",
    "Primitive",
    "RankMemory",
    "Schedule",
    "Step",
    "StepModel",
    "StepTime",
    "Transformer",
    "Workload",
    "compile_step",
    "lower",
    "lower_at_rate",
    "lower_on_profile",
    "memory_of",
    "notes_on",
    "operators_of",
    "parse_steps",
    "passes",
    "profiled",
    "read_model",
    "read_schedule",
    "read_workload",
    "read_workloads",
    "step_time",
]

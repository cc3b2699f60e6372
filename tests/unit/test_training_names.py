"""The public names of simcore.training."""

from __future__ import annotations

import subprocess
import sys

import pytest
import simcore.models.compute
import simcore.models.training
import simcore.training


@pytest.mark.parametrize("package", [simcore.training, simcore.models.training, simcore.models.compute])
def test_all_exports_are_there(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


def test_the_names_of_training():
    assert simcore.training.__all__ == [
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


def test_loading_the_names_costs_nothing():
    program = "import sys, simcore.training\nassert not {'numpy', 'simpy', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)

"""The public names of simcore.cluster."""

import subprocess
import sys

import pytest
import simcore.cluster
import simcore.models.cluster
import simcore.models.cluster.policies
import simcore.traces


@pytest.mark.parametrize(
    "package",
    [simcore.cluster, simcore.models.cluster, simcore.models.cluster.policies, simcore.traces],
    ids=lambda package: package.__name__,
)
def test_every_name_is_there(package):
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
    with pytest.raises(AttributeError, match="Kluster"):
        _ = package.Kluster


def test_what_a_script_needs():
    assert simcore.cluster.__all__ == [
        "CORRECTED",
        "PUBLISHED",
        "Change",
        "Cluster",
        "Decision",
        "JobClass",
        "Node",
        "Placement",
        "PlacementLog",
        "Policy",
        "Rules",
        "StepTimes",
        "SynthesiseRequest",
        "SynthesisedResult",
        "Trace",
        "View",
        "WorkUnit",
        "build_trace",
        "cluster_of_nodes",
        "read_cluster",
        "read_step_times",
        "read_trace",
        "synthesise",
    ]


def test_importing_it_costs_nothing():
    program = "import sys, simcore.cluster\nassert not {'numpy', 'simpy', 'pydantic'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

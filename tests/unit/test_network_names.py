"""The public names of simcore.network, and of the packages behind it."""

import subprocess
import sys

import pytest
import simcore.models.network
import simcore.models.network.conventions
import simcore.models.network.schedulers
import simcore.models.network.schedulers.latency_aware
import simcore.models.network.sharing
import simcore.models.network.simulation
import simcore.network


@pytest.mark.parametrize(
    "package",
    [
        simcore.network,
        simcore.models.network,
        simcore.models.network.conventions,
        simcore.models.network.schedulers,
        simcore.models.network.schedulers.latency_aware,
        simcore.models.network.sharing,
        simcore.models.network.simulation,
    ],
    ids=lambda package: package.__name__,
)
def test_every_name_is_there(package):
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
    with pytest.raises(AttributeError, match="Topologie"):
        _ = package.Topologie


def test_what_a_script_needs():
    assert set(simcore.network.__all__) == {
        *("Algorithm", "Block", "Bounds", "ChunkPlan", "Clock", "Collective", "CollectiveRun", "CollectiveView"),
        *("Convention", "CostModel", "Dimension", "GroupCollective", "Groups", "Job", "JobRun", "LevelCost"),
        *("LoggedPhase", "LoggedTransfer", "Network", "Optimization", "RanksRun", "Scheduler", "SharedRun", "Topology"),
        *("CONVENTIONS", "SCHEDULERS", "bounds", "collective_time", "convention", "cost_coefficients"),
        *("map_parallelism", "network_cost", "network_for", "parse_network", "place", "read_costs", "read_network"),
        *("scheduler", "simulate", "simulate_collective", "simulate_ranks", "traffic"),
        *("CollectiveProfile", "Span", "read_collective_profile"),
        *("Fabric", "FabricLink", "Program", "Routing", "Send", "checked", "fabric_of", "simulate_sends"),
    }


def test_importing_it_costs_nothing():
    program = "import sys, simcore.network\nassert not {'numpy', 'simpy', 'pydantic'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

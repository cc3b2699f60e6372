"""Input files, each read once: a reader takes a name of the zoo or a path, and gives value, name and hash.

``read_KIND(name_or_path, place)`` returns a `Read`. `place` is the field that gave the name, for messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.readers.applications import read_applications
    from simcore.readers.catalogue import ZooEntry
    from simcore.readers.cluster_networks import network_for
    from simcore.readers.clusters import read_cluster
    from simcore.readers.collective_profiles import read_collective_profile
    from simcore.readers.costs import read_costs
    from simcore.readers.devices import default_network, read_device
    from simcore.readers.families import read_family
    from simcore.readers.libra import read_communicators
    from simcore.readers.models import read_model
    from simcore.readers.network_string import NetworkSpec, parse_network
    from simcore.readers.networks import read_network
    from simcore.readers.profiles import read_profile
    from simcore.readers.read import InputFile, Read
    from simcore.readers.references import References, read_references
    from simcore.readers.step_times import read_step_times
    from simcore.readers.timed_models import read_timed_models
    from simcore.readers.workloads import read_workload, read_workloads

__getattr__, __dir__ = attach(
    __name__,
    {
        "InputFile": "simcore.readers.read",
        "NetworkSpec": "simcore.readers.network_string",
        "Read": "simcore.readers.read",
        "References": "simcore.readers.references",
        "ZooEntry": "simcore.readers.catalogue",
        "default_network": "simcore.readers.devices",
        "network_for": "simcore.readers.cluster_networks",
        "parse_network": "simcore.readers.network_string",
        "read_applications": "simcore.readers.applications",
        "read_cluster": "simcore.readers.clusters",
        "read_collective_profile": "simcore.readers.collective_profiles",
        "read_communicators": "simcore.readers.libra",
        "read_costs": "simcore.readers.costs",
        "read_device": "simcore.readers.devices",
        "read_family": "simcore.readers.families",
        "read_model": "simcore.readers.models",
        "read_network": "simcore.readers.networks",
        "read_profile": "simcore.readers.profiles",
        "read_references": "simcore.readers.references",
        "read_stack": "simcore.readers.stacks",
        "read_step_times": "simcore.readers.step_times",
        "read_timed_models": "simcore.readers.timed_models",
        "read_workload": "simcore.readers.workloads",
        "read_workloads": "simcore.readers.workloads",
    },
)

__all__ = [
    "InputFile",
    "NetworkSpec",
    "Read",
    "References",
    "ZooEntry",
    "default_network",
    "network_for",
    "parse_network",
    "read_applications",
    "read_cluster",
    "read_collective_profile",
    "read_communicators",
    "read_costs",
    "read_device",
    "read_family",
    "read_model",
    "read_network",
    "read_profile",
    "read_references",
    "read_stack",
    "read_step_times",
    "read_timed_models",
    "read_workload",
    "read_workloads",
]

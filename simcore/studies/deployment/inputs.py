"""What studies of a deployment share: a workload under a parallelism on a network, and its compute times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as default
from pathlib import Path
from typing import Any

from simcore.errors import InputError, field
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import Axis, Groups, check_groups, map_parallelism
from simcore.models.network.topology import Topology
from simcore.models.training.lowering import Variant
from simcore.models.training.notes import number_formats
from simcore.models.training.workload import Workload
from simcore.readers.layer_texts import Sizes
from simcore.readers.read import Read
from simcore.studies.deployment.request import DeploymentRequest


def variant_of(request: DeploymentRequest) -> Variant:
    """Return where weight gradients are summed, as readers of workloads take it."""
    return "evaluation" if request.variant == "evaluation" else "optimizer"


def sizes_of(request: DeploymentRequest) -> Sizes | None:
    """Return what the size of an all-gather is in a text, as readers of workloads take it."""
    if request.sizes is None:
        return None
    return "full" if request.sizes == "full" else "shard"


@dataclass(frozen=True)
class Parallelism:
    """What a request says of parallel groups.

    Attributes
    ----------
    tp, dp : int or None
        Degrees, where they were given.
    groups : Groups or None
        Explicit groups, in place of degrees.
    sha256 : dict of str to str
        Hash of the file of explicit groups, by its role.
    """

    tp: int | None = None
    dp: int | None = None
    groups: Groups | None = None
    sha256: dict[str, str] = default(default_factory=dict)

    @property
    def degrees(self) -> dict[str, Any]:
        """TP and DP or explicit groups, as loaders of workloads take them."""
        return {"tp": self.tp, "dp": self.dp, "groups": self.groups}

    def place(self, topology: Topology, workload: Workload) -> Groups:
        """Map a workload onto a network; what is wrong is blamed on the options given, or else on the workload."""
        if self.groups is not None:
            return self.groups
        if workload.groups is not None:
            return workload.groups
        options = ((field("tp"), self.tp), (field("dp"), self.dp))
        given = " ".join(f"{option} {degree}" for option, degree in options if degree is not None)
        return map_parallelism(topology, workload.tp, workload.dp, given or f"workload {workload.name}", ep=workload.ep)

    def cautions(self, topology: Topology) -> list[str]:
        """Say how many NPUs explicit groups leave idle."""
        if self.groups is None:
            return []
        taken = math.prod(self.groups.npus)
        if taken == topology.npus:
            return []
        return [
            f"The groups of --communicator take {taken:,} of the {topology.npus:,} NPUs of network {topology.name} "
            f"(TP {self.groups.degree(Axis.TENSOR)} x DP {self.groups.degree(Axis.DATA)}); the other "
            f"{topology.npus - taken:,} are idle."
        ]


def parallelism(request: DeploymentRequest, topology: Topology) -> Parallelism:
    """Read what a request says of parallel groups.

    Raises
    ------
    InputError
        If both degrees and explicit groups are given, or the groups do not fit the network.
    """
    from simcore.readers.libra import read_communicators

    communicator = request.communicator
    if communicator is None:
        return Parallelism(request.tp, request.dp)
    if request.tp is not None or request.dp is not None:
        found = f"{field('tp')} or {field('dp')} beside it"
        raise InputError(field("communicator"), found, "one or the other", "Leave one of them out.")
    read = read_communicators(Path(communicator))
    groups = check_groups(topology, read.value, str(communicator))
    return Parallelism(groups=groups, sha256={"communicator": read.sha256})


def compute_profile(request: DeploymentRequest) -> KernelProfile | None:
    """Return the profile that compute is predicted from; None for a constant rate.

    Raises
    ------
    InputError
        If there is no such profile, or a number format is given without one.
    """
    from simcore.readers.profiles import read_profile

    profile, dtype = request.profile, request.dtype
    if profile is None:
        if dtype is not None:
            found, expected = f"'{dtype}' without a profile", f"{field('profile')} beside it"
            raise InputError(field("dtype"), found, expected, f"Add {field('profile')}.")
        return None
    return profile if isinstance(profile, KernelProfile) else read_profile(profile, field("profile")).value


def compute_source(profile: KernelProfile | None, workloads: Sequence[Workload]) -> str:
    """Say at the end of a headline where compute is from: profile and number format; nothing at a constant rate."""
    return "" if profile is None else f"; compute of profile {profile.name} in {number_formats(workloads)}"


def place_workloads(
    request: DeploymentRequest,
    workload: str | Path,
    topology: Topology,
    degrees: Parallelism,
    profile: KernelProfile | None,
) -> tuple[Read[tuple[Workload, ...]], list[Groups]]:
    """Read a workload, or the members of a group, and say where on the network the groups of each sit."""
    from simcore.readers.workloads import read_workload, read_workloads

    variant = variant_of(request)
    sequence, batch, place = request.sequence, request.batch, field("workload")
    cut: dict[str, Any] = {**degrees.degrees, "topology": topology, "sizes": sizes_of(request)}
    cut |= {"causal": request.causal, "profile": profile, "dtype": request.dtype}
    if sequence is None and batch is None:
        workloads = read_workloads(workload, place, variant=variant, **cut)
    else:
        alone = read_workload(workload, place, variant=variant, sequence=sequence, batch=batch, **cut)
        workloads = Read((alone.value,), alone.name, alone.sha256)
    for each in workloads.value:
        if each.pipeline is not None:
            found = f"'{workload}', a text of one of {each.pipeline.stages} pipeline stages (pp in its header)"
            expected = "a workload without a pipeline, which the closed form has no term for"
            raise InputError(place, found, expected, "simcore train simulates it.")
    return workloads, [degrees.place(topology, each) for each in workloads.value]

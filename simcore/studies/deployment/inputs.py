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
from simcore.models.network.mapping import Groups, check_groups, map_parallelism
from simcore.models.network.topology import Topology
from simcore.models.training.lowering import Variant
from simcore.models.training.notes import number_formats
from simcore.models.training.workload import Workload
from simcore.readers.read import Read
from simcore.studies.deployment.request import DeploymentRequest


def variant_of(request: DeploymentRequest) -> Variant:
    """Return where weight gradients are summed, as readers of workloads take it."""
    return "evaluation" if request.variant == "evaluation" else "optimizer"


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
    def degrees(self) -> dict[str, int | None]:
        """TP and DP, as loaders of workloads take them."""
        if self.groups is None:
            return {"tp": self.tp, "dp": self.dp}
        return {"tp": math.prod(self.groups.tp), "dp": math.prod(self.groups.dp)}

    def place(self, topology: Topology, workload: Workload) -> Groups:
        """Map a workload onto a network; what is wrong is blamed on the options given, or else on the workload."""
        if self.groups is not None:
            return self.groups
        options = ((field("tp"), self.tp), (field("dp"), self.dp))
        given = " ".join(f"{option} {degree}" for option, degree in options if degree is not None)
        return map_parallelism(topology, workload.tp, workload.dp, given or f"workload {workload.name}")

    def cautions(self, topology: Topology) -> list[str]:
        """Say how many NPUs explicit groups leave idle."""
        tp, dp = self.degrees["tp"], self.degrees["dp"]
        if self.groups is None or tp is None or dp is None or tp * dp == topology.npus:
            return []
        return [
            f"The groups of --communicator take {tp * dp:,} of the {topology.npus:,} NPUs of network {topology.name} "
            f"(TP {tp} x DP {dp}); the other {topology.npus - tp * dp:,} are idle."
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
    check_groups(topology, read.value, str(communicator))
    return Parallelism(groups=read.value, sha256={"communicator": read.sha256})


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
    cut: dict[str, Any] = {**degrees.degrees, "npus": topology.npus, "profile": profile, "dtype": request.dtype}
    if sequence is None and batch is None:
        workloads = read_workloads(workload, place, variant=variant, **cut)
    else:
        alone = read_workload(workload, place, variant=variant, sequence=sequence, batch=batch, **cut)
        workloads = Read((alone.value,), alone.name, alone.sha256)
    return workloads, [degrees.place(topology, each) for each in workloads.value]

"""What a bandwidth plan is made for: a workload in groups, or a model on GPUs in any layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simcore.errors import InputError, field, written
from simcore.models.network.topology import Topology
from simcore.models.training.architecture import Batch
from simcore.models.training.closed_form import StepModel
from simcore.models.training.listing import operators_of
from simcore.models.training.parallel.evaluation import Machine
from simcore.models.training.parallel.pipelining import PLAYED
from simcore.models.training.parallel.step_model import step_model
from simcore.models.training.program import Loop
from simcore.models.training.workload import Setting, Workload
from simcore.readers.models import read_model
from simcore.readers.profiles import read_gpu
from simcore.studies.deployment.layouts import chosen, deployed_on, settled_inputs
from simcore.studies.deployment.parallel import LayoutRequest
from simcore.studies.deployment.request import DeploymentRequest
from simcore.studies.deployment.words import by_reason
from simcore.studies.optimize.request import OptimizeRequest
from simcore.studies.request import defaults, descriptions

_SHARED = ("tp", "dp", "sequence", "recompute", "causal")
"""Options of a layout that a workload in groups has too."""


@dataclass(frozen=True)
class Ran:
    """What a plan is made for.

    Attributes
    ----------
    model : StepModel
        The iteration as a function of the bandwidths.
    workloads : tuple of Workload
        What runs.
    compute, profile : str
        Where compute is from: for the headline, and the name of the profile.
    notes, cautions : tuple of str
        What a reader must know.
    sha256 : mapping of str to str
        Hashes of what was read, by role.
    settled : mapping of str to object
        Inputs that were left open, as they were settled.
    """

    model: StepModel
    workloads: tuple[Workload, ...]
    compute: str
    profile: str
    notes: tuple[str, ...]
    cautions: tuple[str, ...]
    sha256: Mapping[str, str]
    settled: Mapping[str, object]


def on_gpus(request: OptimizeRequest, topology: Topology, budget: float) -> Ran:
    """Return a model on GPUs; what is left open of its layout is chosen at an equal split of the budget.

    Raises
    ------
    InputError
        If an option of a workload in groups is given, or the order of the pipeline has no closed form.
    """
    assert request.device is not None
    _refuse(request, DeploymentRequest, "a model on a device", f"Leave it out, or {field('device')}.")
    if request.order in PLAYED:
        remedy = "simcore train plays it turn by turn."
        raise InputError(
            field("order"), request.order, "GPipe, 1F1B, looped or interleaved, which have a closed form", remedy
        )
    read, profile = read_model(request.workload, field("workload")), read_gpu(request.device, field("device"))
    dimensions = len(topology.dimensions)
    machine = Machine(profile.value, topology, (budget / dimensions,) * dimensions)
    layout_request = request.resolved(overlap=request.overlap and Loop(request.loop) is not Loop.NO_OVERLAP)
    deployment = deployed_on(layout_request, read, machine)
    evaluation, _ = chosen(deployment)
    layout = evaluation.layout
    name = f"{read.name}, sequence {deployment.sequence:,}, PP {layout.pp}, {layout.micro_batches} micro-batches"
    clock = deployment.evaluator.clock(layout)
    parameters = operators_of(deployment.model, Batch(1, 1, 1)).parameters
    each = layout.global_batch // layout.dp
    setting = Setting(
        name, parameters, each, "sequence", deployment.sequence, layout.number_format.name, None, layout.dp
    )
    return Ran(
        step_model(deployment.evaluator, layout), (Workload(name, (), layout.tp, layout.replicas, setting=setting),),
        f"; compute of profile {profile.name} in {layout.number_format.name}", profile.name,
        (*deployment.notes, *by_reason(clock.notes)), (), {"workload": read.sha256, "device": profile.sha256},
        settled_inputs(deployment, evaluation),
    )  # fmt: skip


def refuse_layouts(request: OptimizeRequest) -> None:
    """Refuse options of a layout beside a workload in groups.

    Raises
    ------
    InputError
        Naming the option.
    """
    _refuse(request, LayoutRequest, "a workload without a device", f"Add {field('device')}: WORKLOAD is a model then.")
    if request.recompute == "selective":
        raise InputError(field("recompute"), "selective without a device", "none or full", f"Add {field('device')}.")


def _refuse(request: OptimizeRequest, of: type[DeploymentRequest | LayoutRequest], beside: str, remedy: str) -> None:
    usual = defaults(of)
    for name in descriptions(of):
        value = getattr(request, name)
        if name not in _SHARED and value != usual[name]:
            raise InputError(field(name), f"{written(value)} with {beside}", "it left out", remedy)

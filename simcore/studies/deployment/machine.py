"""From a request to what a model is trained on: device, network, measured collectives, and software."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simcore.errors import InputError, field
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.ports import widened
from simcore.models.training.parallel.evaluation import Machine
from simcore.models.training.parallel.layout import FSDP, NUMBER_FORMATS, Layout, NumberFormat
from simcore.models.training.parallel.stack import Stack
from simcore.readers.devices import default_network
from simcore.readers.network_string import NetworkSpec
from simcore.readers.profiles import read_gpu
from simcore.readers.read import Read
from simcore.readers.stacks import USUAL, read_stack, stack_for
from simcore.readers.zoo import names
from simcore.studies.deployment.parallel import LayoutRequest, MachineRequest
from simcore.studies.inputs import bandwidth, resolve_network

STAND_IN = "Switch({})@25GB/s,2us"
"""A network of so many GPUs, for studies that print no time; memory depends on no network."""


@dataclass(frozen=True)
class Chosen:
    """A machine, and where it comes from.

    Attributes
    ----------
    machine : Machine
        Device, network, collectives and software.
    sha256 : dict of str to str
        Hashes of what was read, by role.
    notes : tuple of str
        What a reader must know.
    """

    machine: Machine
    sha256: dict[str, str]
    notes: tuple[str, ...]


def machine_of(request: MachineRequest, precision: str | None = None, *, stand_in: bool = False) -> Chosen:
    """Read the machine that a request names.

    Parameters
    ----------
    request : MachineRequest
        The inputs; GPUs and device are given.
    precision : str, optional
        Number format of products; by default the first usual one that the device has.
    stand_in : bool
        Whether `STAND_IN` takes the place of a network where none is given and the device has no usual one.

    Raises
    ------
    InputError
        If something is missing or does not fit together.
    """
    assert request.device is not None
    spread = request.stragglers or 0.0
    profile = read_gpu(request.device, field("device"))
    network = _network(request, profile.value.device.name, stand_in=stand_in)
    spec, network_hash = resolve_network(network, field("network"), request.gpus)
    spec = _with_nic(spec, request)
    assert spec.bandwidths is not None
    measured, stack = _collectives(request, spec, str(network)), _stack(request, profile.value, precision)
    hashes = {"device": profile.sha256, **network_hash}
    if measured is not None and measured.sha256:
        hashes["collectives"] = measured.sha256
    if stack is not None:
        hashes["stack"] = stack.sha256
    machine = Machine(
        profile.value, spec.topology, spec.bandwidths, measured, None if stack is None else stack.value,
        spread,
    )  # fmt: skip
    return Chosen(machine, hashes, (*spec.notes, *_of_another(machine)))


def _with_nic(spec: NetworkSpec, request: MachineRequest) -> NetworkSpec:
    """Return a network whose GPUs have the NIC that is asked for, on all dimensions between nodes.

    Raises
    ------
    InputError
        If it is no bandwidth, or the network has no dimension between nodes, or several with ports of their own.
    """
    if request.nic is None:
        return spec
    wanted, dimensions = bandwidth(request.nic, field("nic"), least="above 0"), spec.topology.dimensions
    outer = [d for d, each in enumerate(dimensions) if d > 0 or each.level == BETWEEN]
    if not outer:
        found = f"it on {request.gpus} GPUs of {spec.topology.name}, which are one node"
        raise InputError(field("nic"), found, "a network between nodes", f"Leave it out, or give more {field('gpus')}.")
    shared = {dimensions[d].port for d in outer}
    if len(outer) > 1 and (len(shared) > 1 or None in shared):
        found = f"it on dimensions {', '.join(str(d + 1) for d in outer)} of {spec.topology.name}"
        expected = "one dimension between nodes, or several behind one port"
        raise InputError(field("nic"), found, expected, "Write a port for them into the network's file.")
    assert spec.bandwidths is not None
    port = dimensions[outer[0]].port
    factor = wanted / (spec.bandwidths[outer[0]] if port is None else port.bandwidth)
    topology, bandwidths = widened(spec.topology, spec.bandwidths, outer, factor)
    return replace(spec, topology=topology, bandwidths=bandwidths)


BETWEEN = "Pod"
"""Level of a dimension between nodes, where it is the only one."""


def _of_another(machine: Machine) -> tuple[str, ...]:
    """Say that a stack of the zoo is of another device, whose name its own ends with."""
    stack, device = machine.stack, machine.profile.device.name
    if stack is None or stack.name == USUAL or stack.name not in names("stacks") or f"-{device}" in stack.name:
        return ()
    return (f"stack {stack.name}: measured on another device than {device}, so its interval is not known here",)


NONE = "none"
"""Word for no stack."""


def _stack(request: MachineRequest, profile: KernelProfile, precision: str | None) -> Read[Stack] | None:
    """Return the stack that is named, or that of the device; a CPU has none."""
    if request.stack == NONE or (request.stack is None and profile.device.kind != "cuda"):
        return None
    if request.stack is not None:
        return read_stack(str(request.stack), field("stack"))
    return stack_for(profile.device.name, number_format(precision, profile).products)


def as_software(base: Layout, request: LayoutRequest, stack: Stack | None) -> Layout:
    """Return a layout with what its software does where the request leaves that open."""
    beside = request.overlap_tensor
    if beside is None:
        beside = stack is not None and stack.overlap_tensor
    half = base.causal_half
    if request.causal is None:
        half = stack is not None and stack.attention is not None and base.fused_attention
    early = stack is not None and stack.stops_early
    return replace(base, overlap_tensor=beside, causal_half=half, stops_early=early)


def _network(request: MachineRequest, device: str, *, stand_in: bool) -> str:
    """Return the network that is asked for, the device's usual one, or what stands in for one."""
    if request.network is not None:
        return str(request.network)
    usual = default_network(device)
    if usual is None and stand_in:
        return STAND_IN.format(request.gpus)
    if usual is None:
        remedy = (
            f'Give one, such as {field("network")} "Switch(8)@50GB/s,2us"; simcore zoo networks lists those that ship.'
        )
        raise InputError(field("network"), "nothing", f"a network, as no usual one of {device} is known", remedy)
    return usual


def _collectives(request: MachineRequest, spec: NetworkSpec, network: str) -> CollectiveProfile | None:
    """Return what was measured of a network's collectives, where it is to be used."""
    if request.collectives == "wire":
        return None
    if request.collectives is not None and spec.collectives is None:
        found, expected = f"measured on {network}, of which nothing was", "a network whose file has collectives"
        raise InputError(field("collectives"), found, expected, "Leave it out, or give a network such as dgx-a100.")
    return spec.collectives


def number_format(precision: str | None, profile: KernelProfile, *, fsdp: bool = False) -> NumberFormat:
    """Return the number format that is asked for, or the first usual one that the device has."""
    usual = ("bf16", "fp16", "fp32")
    name = precision or next((one for one in usual if one in profile.dtypes), usual[-1])
    return replace(FSDP, name=name) if fsdp and name == "bf16" else NUMBER_FORMATS[name]

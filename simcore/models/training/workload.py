"""Training workloads: layers of compute and communication, and where the times of their compute come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from simcore.models.network.collectives import Collective

if TYPE_CHECKING:  # loops and passes are read by requests, which load nothing heavy
    from simcore.models.compute.compute_model import KernelCall
    from simcore.models.compute.predict import Prediction


class Pass(StrEnum):
    """Part of an iteration."""

    FORWARD = "forward"
    RECOMPUTE = "recompute"
    INPUT_GRADIENT = "input gradient"
    WEIGHT_GRADIENT = "weight gradient"


@dataclass(frozen=True)
class Phase:
    """One pass through a layer: compute, then a collective.

    Attributes
    ----------
    compute : float
        Compute time [s].
    collective : Collective or None
        What follows the compute, None for nothing.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    """

    compute: float
    collective: Collective | None = None
    size: float = 0.0


@dataclass(frozen=True)
class Layer:
    """A layer of a network, in three passes.

    Forward and input-gradient collectives run in the tensor-parallel group, weight-gradient ones in the data-parallel
    group.

    Attributes
    ----------
    name : str
        Label for reports.
    forward, input_gradient, weight_gradient : Phase
        The three passes.
    parameters : float or None
        Matrices and tables that one NPU of a tensor-parallel group holds [B]; None where nobody says. As in the
        published workloads, biases and norms are left out.
    activations : float or None
        What one NPU hands on to the next layer, for the whole batch [B]; None where nobody says.
    """

    name: str
    forward: Phase
    input_gradient: Phase
    weight_gradient: Phase
    parameters: float | None = None
    activations: float | None = None


@dataclass(frozen=True)
class KernelTime:
    """One kernel call of a layer with its predicted time.

    Attributes
    ----------
    layer : str
        Name of the layer, without a block's number.
    path : str
        Module path of the operator, without a block's number.
    direction : Pass
        Pass that it belongs to.
    call : KernelCall
        The kernel.
    prediction : Prediction
        Its time.
    count : int
        How often an iteration has it: once per block.
    """

    layer: str
    path: str
    direction: Pass
    call: KernelCall
    prediction: Prediction
    count: int = 1


@dataclass(frozen=True)
class Times:
    """Where the compute times of a workload come from: what `simcore.models.training.notes.notes_on` sums up.

    Attributes
    ----------
    source : str
        Name and origin of the profile: ``cpu (measured)``.
    dtype : str
        Number format that products ran in.
    costs : tuple of KernelTime
        Every kernel call, those of equal blocks once.
    cautions : tuple of str
        What was changed on the way.
    complete : bool
        Whether embedding, output layer and update are among them.
    """

    source: str
    dtype: str
    costs: tuple[KernelTime, ...]
    cautions: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Workload:
    """A training iteration as layers, with the parallelism it was cut for.

    Attributes
    ----------
    name : str
        For example ``1T``.
    layers : tuple of Layer
        In forward order.
    tp, dp : int
        Degrees of tensor and data parallelism; tp x dp = NPUs.
    source : str
        Where the numbers come from.
    checkpoints : tuple of int
        Layers (from 0) whose input is kept for the backward pass, first layer among them: blocks start here. Where
        activations are recomputed, a block's forward pass runs again before its backward pass.
    times : Times or None
        Where compute times come from a profile, what it predicted; None for a constant rate and for times that a file
        brings.
    """

    name: str
    layers: tuple[Layer, ...]
    tp: int
    dp: int
    source: str = ""
    checkpoints: tuple[int, ...] = (0,)
    times: Times | None = field(default=None, compare=False, repr=False)

"""Training workloads: layers of compute and communication, as both studies read them."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.network.collectives import Collective


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
    update : float
        Local weight update [s].
    """

    name: str
    forward: Phase
    input_gradient: Phase
    weight_gradient: Phase
    update: float = 0.0


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
    """

    name: str
    layers: tuple[Layer, ...]
    tp: int
    dp: int
    source: str = ""
    checkpoints: tuple[int, ...] = (0,)

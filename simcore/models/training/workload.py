"""Training workloads: layers of compute and communication, and where the times of their compute come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis, Groups
from simcore.units import counted, format_si

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
    group : Axis or None
        Group that the collective runs in; None for that of the pass, see `group_of`.
    """

    compute: float
    collective: Collective | None = None
    size: float = 0.0
    group: Axis | None = None


def group_of(phase: Phase, part: Pass) -> Axis:
    """Return the group that the collective of a phase runs in.

    Where the phase does not say it, weight gradients are summed in the data-parallel group, and all else runs in the
    tensor-parallel one.

    Examples
    --------
    >>> group_of(Phase(0.0), Pass.FORWARD), group_of(Phase(0.0, group=Axis.EXPERT), Pass.FORWARD)
    (<Axis.TENSOR: 'tensor-parallel'>, <Axis.EXPERT: 'expert-parallel'>)
    """
    if phase.group is not None:
        return phase.group
    return Axis.DATA if part is Pass.WEIGHT_GRADIENT else Axis.TENSOR


@dataclass(frozen=True)
class Layer:
    """A layer of a network, in three passes; `group_of` says where the collective of each runs.

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
    update : float
        What follows each of its collectives in ASTRA-sim 1.0 before it counts as done, the update of its weights [s]:
        10 ns in all published texts. Only the convention ``astra-sim`` counts it.
    """

    name: str
    forward: Phase
    input_gradient: Phase
    weight_gradient: Phase
    parameters: float | None = None
    activations: float | None = None
    update: float = 10e-9

    def phases(self) -> tuple[tuple[Pass, Phase], ...]:
        """Return the three passes with their names."""
        return (
            (Pass.FORWARD, self.forward),
            (Pass.INPUT_GRADIENT, self.input_gradient),
            (Pass.WEIGHT_GRADIENT, self.weight_gradient),
        )


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
    waited : float
        What the device waits before it for the host, in all blocks together [s].
    """

    layer: str
    path: str
    direction: Pass
    call: KernelCall
    prediction: Prediction
    count: int = 1
    waited: float = 0.0


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
class StagePipeline:
    """The pipeline that the layers of one stage were written for, each with all its micro-batches.

    Attributes
    ----------
    stages, micro_batches : int
        Stages p, and micro-batches m of an iteration.
    interleaved : int
        Model chunks v of a stage, which take turns.
    message : float
        What an NPU hands to its like in the next stage, per micro-batch and model chunk [B].
    """

    stages: int
    micro_batches: int
    interleaved: int = 1
    message: float = 0.0


@dataclass(frozen=True)
class Setting:
    """What a workload was made of a model for: what a head says of it.

    Attributes
    ----------
    model : str
        For example ``two blocks of 1T``.
    parameters : float
        Of all that is timed, over all NPUs of a tensor-parallel group [1].
    batch : int
        Sequences or samples per replica.
    noun : str
        Which of them.
    sequence : int or None
        Tokens of a sequence; None for samples.
    precision : str
        Number format, or the width of an element.
    rate : float or None
        What an NPU is taken to achieve [FLOP/s]; None where a profile says so.
    replicas : int or None
        Replicas of the model where they are not as many as NPUs of a data-parallel group.
    """

    model: str
    parameters: float
    batch: int
    noun: str
    sequence: int | None
    precision: str
    rate: float | None
    replicas: int | None = None

    def words(self, dp: int) -> str:
        """Say it, beside the batch of all replicas.

        Examples
        --------
        >>> Setting("two blocks of 1T", 14.5e9, 16, "sequence", 1024, "2 B per element", 6e13).words(8)
        '14.5 billion parameters; 16 sequences of 1,024 tokens per replica, 128 in all; 2 B per element at 60 TFLOP/s'
        """
        of = "" if self.sequence is None else f" of {self.sequence:,} tokens"
        rate = "" if self.rate is None else f" at {format_si(self.rate, 'FLOP/s')}"
        return (
            f"{parameters_words(self.parameters)}; {counted(self.batch, self.noun)}{of} per replica, "
            f"{self.batch * (self.replicas or dp):,} in all; {self.precision}{rate}"
        )


def parameters_words(count: float) -> str:
    """Write a number of parameters.

    Examples
    --------
    >>> parameters_words(6.738e9), parameters_words(23.5e6)
    ('6.738 billion parameters', '23.5 million parameters')
    """
    return f"{count / 1e9:.4g} billion parameters" if count >= 1e9 else f"{count / 1e6:.4g} million parameters"


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
        Degrees of tensor and data parallelism; tp x dp = NPUs, of one stage where there is a `pipeline`.
    source : str
        Where the numbers come from.
    checkpoints : tuple of int
        Layers (from 0) whose input is kept for the backward pass, first layer among them: blocks start here. Where
        activations are recomputed, a block's forward pass runs again before its backward pass.
    initiates : tuple of int
        Layers (from 0) before whose backward pass the forward pass of all since their checkpoint runs again; empty for
        the last layer of each block.
    times : Times or None
        Where compute times come from a profile, what it predicted; None for a constant rate and for times that a file
        brings.
    ep : int
        Degree of expert parallelism, a divisor of dp.
    groups : Groups or None
        Where its groups lie on the network, if that is no matter of the degrees alone.
    recomputes : bool
        Whether its activations are recomputed where nobody says otherwise; a file may say that they are not.
    pipeline : StagePipeline or None
        Where the layers are those of one stage, its pipeline.
    cautions : tuple of str
        What a reader of a result must know of how the file was understood.
    written : bool
        Whether its compute times are written out in its file.
    setting : Setting or None
        What it was made of a model for; None for layers that were written out.
    """

    name: str
    layers: tuple[Layer, ...]
    tp: int
    dp: int
    source: str = ""
    checkpoints: tuple[int, ...] = (0,)
    initiates: tuple[int, ...] = ()
    times: Times | None = field(default=None, compare=False, repr=False)
    ep: int = 1
    groups: Groups | None = None
    recomputes: bool = True
    pipeline: StagePipeline | None = None
    cautions: tuple[str, ...] = field(default=(), compare=False, repr=False)
    written: bool = False
    setting: Setting | None = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        """What a head calls it: its name, or how many blocks of a model it holds where these are not all."""
        return self.name if self.setting is None else self.setting.model

    @property
    def batch(self) -> int | None:
        """Sequences or samples per replica; None where nobody says."""
        return None if self.setting is None else self.setting.batch

    def axes(self) -> tuple[Axis, ...]:
        """Return the groups that its collectives run in, in the order of `Axis`; those of a group of one included."""
        used = {
            group_of(phase, part)
            for layer in self.layers
            for part, phase in layer.phases()
            if phase.collective is not None and phase.size > 0
        }
        return tuple(axis for axis in Axis if axis in used)

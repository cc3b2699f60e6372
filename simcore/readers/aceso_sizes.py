"""Models of Aceso's table: their sizes, what a row was timed with, and what an operator of them runs."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.device import DTYPES
from simcore.models.network.collectives import Collective
from simcore.models.training.operators import Operator
from simcore.models.training.passes import passes

FIRST = "encoder-embedding"
"""The first operator of a model, whose times hold warm-up effects: no fit sees it."""


@dataclass(frozen=True)
class TransformerSizes:
    """Sizes of a model of the table: one block of GPT, or one of an encoder and a decoder of T5.

    Attributes
    ----------
    hidden, heads, head_dim, feed_forward : int
        As `Transformer` has them.
    vocabulary : int
        Rows of the table of tokens, padded.
    sequence : int
        Tokens of a sequence, of an encoder where there is one.
    decoder_sequence : int or None
        Tokens of a decoder's sequence; None without a decoder.
    """

    hidden: int
    heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    sequence: int
    decoder_sequence: int | None = None


@dataclass(frozen=True)
class ConvolutionalSizes:
    """Sizes of a Wide-ResNet of the table.

    Attributes
    ----------
    blocks : tuple of int
        Bottleneck blocks of each stage.
    channels : int
        Channels of the first convolution.
    widening : int
        Channels of a 3 x 3 convolution's output over those of its input.
    """

    blocks: tuple[int, ...]
    channels: int
    widening: int


@dataclass(frozen=True)
class Setting:
    """What a row of the table was timed with.

    Attributes
    ----------
    sizes : TransformerSizes or ConvolutionalSizes
        Of the model.
    dtype : str
        Number format.
    batch : int
        Sequences or images of a micro-batch.
    tp : int
        Degree of tensor parallelism.
    rows : bool
        Whether ``tp_algo`` is 1: products that have the choice are cut along their inputs in place of their outputs.
    """

    sizes: TransformerSizes | ConvolutionalSizes
    dtype: str
    batch: int
    tp: int
    rows: bool

    @property
    def element(self) -> int:
        """Bytes per element [B]."""
        return DTYPES[self.dtype]


Collectives = tuple[tuple[Collective, float], ...]


@dataclass(frozen=True)
class Described:
    """What an operator of the table runs.

    Attributes
    ----------
    kind : str
        See `simcore.models.compute.operator_time.OperatorTime`.
    forward, backward : tuple of KernelCall
        Kernels of the two passes.
    after_forward, after_backward : tuple of (Collective, float)
        Collectives that follow them.
    weights : float or None
        Weights that it owns [B], as the table counts them; None where nobody checks them.
    """

    kind: str
    forward: tuple[KernelCall, ...]
    backward: tuple[KernelCall, ...]
    after_forward: Collectives = ()
    after_backward: Collectives = ()
    weights: float | None = None


def backward_of(one: Operator) -> tuple[KernelCall, ...]:
    """Return the kernels of both gradients."""
    made = passes(one)
    return (*made.input_gradient, *made.weight_gradient)


def moving(moved: float, kernel: str = "copy", dtype: str | None = None) -> KernelCall:
    """Return a kernel that reads and writes so many bytes [B], which no list of operators has."""
    return KernelCall(kernel, (("bytes", moved),), dtype=dtype)

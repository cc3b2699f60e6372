"""What a transformer computes element by element, between its products."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Norm(StrEnum):
    """What a norm divides by: the spread around the mean, or the root of the mean square."""

    LAYER = "layer"
    RMS = "rms"


class Activation(StrEnum):
    """What stands between the products of a feed-forward network."""

    GELU = "gelu"
    SILU = "silu"
    RELU = "relu"
    SQUARED_RELU = "relu2"

    @property
    def kernel(self) -> str:
        """The kernel whose time it takes: GELU's stands for all that are no ReLU, as few profiles measured them.

        Examples
        --------
        >>> Activation.RELU.kernel, Activation.SILU.kernel
        ('relu', 'gelu')
        """
        return "relu" if self is Activation.RELU else "gelu"

    @property
    def keeps_input(self) -> bool:
        """Whether its gradient needs its input; that of ReLU needs its output alone, which the next product keeps.

        Examples
        --------
        >>> Activation.GELU.keeps_input, Activation.RELU.keeps_input
        (True, False)
        """
        return self is not Activation.RELU


class Positions(StrEnum):
    """How a transformer knows the order of its tokens.

    A learned vector is added to each token, Q and K are turned, or learned biases are added to scores.
    """

    LEARNED = "learned"
    ROTARY = "rotary"
    RELATIVE = "relative"


@dataclass(frozen=True)
class Functions:
    """What a transformer computes element by element; it changes no product.

    Attributes
    ----------
    norm : Norm
        In all norms.
    activation : Activation
        Of the feed-forward network.
    positions : Positions
        How tokens know their places.
    types : bool
        Whether a vector of the token's type is added.
    """

    norm: Norm = Norm.LAYER
    activation: Activation = Activation.GELU
    positions: Positions = Positions.LEARNED
    types: bool = False

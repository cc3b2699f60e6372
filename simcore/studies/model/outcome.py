"""What was counted of a transformer."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.readers.models import ModelInput

PARTS = ("embedding", "attention", "feed-forward", "experts", "norms", "output", "vision tower")
"""Where parameters are."""


@dataclass(frozen=True, kw_only=True)
class ModelOutcome(Result, ABC):
    """A transformer as it was read, with its counts.

    Attributes
    ----------
    name : str
        Its name in the zoo, or the path of its file.
    source : ModelInput
        What was read.
    sequence : int
        Tokens of the sequence that its work is counted at.
    causal : str
        Whether causal attention is counted in ``full``, or ``half``.
    parts : mapping of str to int
        Parameters of each part.
    idle : int
        Parameters of experts that a token does not pass.
    block_parameters : int
        Parameters of the blocks with their biases and norms, without embedding, final norm, output and vision tower.
    flop_per_token_forward, flop_per_token_training : float
        Work of all products, forward and in all passes [FLOP].
    """

    name: str
    source: ModelInput
    sequence: int
    causal: str
    parts: Mapping[str, int]
    idle: int
    block_parameters: int
    flop_per_token_forward: float
    flop_per_token_training: float

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(self.parts.values())

    @property
    def active_parameters(self) -> int:
        """Parameters that one token passes: of the experts those that it is routed to."""
        return self.parameters - self.idle

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights in the model's own number format [B]."""
        return self.parameters * self.source.element

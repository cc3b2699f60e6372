"""What was counted of a model."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.readers.models import ModelInput
    from simcore.studies.model.count import OperatorRow


@dataclass(frozen=True, kw_only=True)
class ModelOutcome(Result, ABC):
    """A model as it was read, with its counts.

    Attributes
    ----------
    name : str
        Its name in the zoo, or the path of its file.
    source : ModelInput
        What was read.
    sequence : int or None
        Tokens of the sequence that its work is counted at; None for a model that takes no tokens.
    batch : int
        Sequences or samples that bytes and operators are counted at.
    causal : str
        Whether causal attention is counted in ``full``, or ``half``.
    parts : mapping of str to int
        Parameters of each part.
    idle : int
        Parameters of experts that a token does not pass.
    block_parameters : int
        Parameters of the blocks with their biases and norms, without embedding, final norm, output and vision tower;
        of a list of layers, those of repeated blocks.
    flop_per_sample_forward, flop_per_sample_training : float
        Work of all products for one sequence or sample, forward and in all passes [FLOP].
    bytes_forward, bytes_training : float
        Bytes that the kernels of a batch move, forward, and in all passes with the update [B].
    operators : tuple of OperatorRow or None
        Operators of the forward pass; None where they were not asked for.
    """

    name: str
    source: ModelInput
    sequence: int | None
    batch: int
    causal: str
    parts: Mapping[str, int]
    idle: int
    block_parameters: int
    flop_per_sample_forward: float
    flop_per_sample_training: float
    bytes_forward: float
    bytes_training: float
    operators: tuple[OperatorRow, ...] | None = None

    @property
    def flop_per_token_forward(self) -> float | None:
        """Work of all products forward, per token [FLOP]; None for a model that takes no tokens."""
        return None if self.sequence is None else self.flop_per_sample_forward / self.sequence

    @property
    def flop_per_token_training(self) -> float | None:
        """Work of all products in all passes, per token [FLOP]; None for a model that takes no tokens."""
        return None if self.sequence is None else self.flop_per_sample_training / self.sequence

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

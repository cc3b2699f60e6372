"""The operator list of any model: each kind of architecture has one maker."""

from __future__ import annotations

from simcore.models.training.architecture import Batch, Share, Transformer
from simcore.models.training.captured import CapturedModel, captured_operators
from simcore.models.training.layered import layered_operators
from simcore.models.training.layered_model import LayeredModel
from simcore.models.training.operators import OperatorList
from simcore.models.training.transformer import transformer_operators

Architecture = Transformer | LayeredModel | CapturedModel
"""The sizes of a model of any kind."""


def operators_of(model: Architecture, batch: Batch, tp: int = 1) -> OperatorList:
    """Return the operators of a model on one NPU.

    Parameters
    ----------
    model : Transformer, LayeredModel or CapturedModel
        The sizes.
    batch : Batch
        What a replica processes.
    tp : int
        Degree of tensor parallelism.

    Raises
    ------
    InputError
        If TP does not fit the model, or a layer does not fit its input.

    Examples
    --------
    >>> operators_of(Transformer("gpt", hidden=64, blocks=2), Batch(16, 1)).parameters / 2
    98560.0
    """
    if isinstance(model, CapturedModel):
        return captured_operators(model, batch, tp)
    if isinstance(model, LayeredModel):
        return layered_operators(model, batch, tp)
    return transformer_operators(model, batch, Share(tp))

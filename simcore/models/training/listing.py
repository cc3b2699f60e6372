"""The operator list of any model: each kind of architecture has one maker."""

from __future__ import annotations

from typing import Literal

from simcore.models.training.architecture import Batch, Share, Transformer
from simcore.models.training.captured import CapturedModel, captured_operators
from simcore.models.training.layered import layered_operators
from simcore.models.training.layered_model import LayeredModel
from simcore.models.training.operators import Operation, OperatorList
from simcore.models.training.transformer import transformer_operators

Architecture = Transformer | LayeredModel | CapturedModel
"""The sizes of a model of any kind."""

Family = Literal["transformer", "convolution", "mlp"]
"""What a model is built of: attention, else convolutions, else products alone."""


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


def family_of(model: Architecture) -> Family:
    """Return the family of a model.

    Examples
    --------
    >>> family_of(Transformer("gpt", hidden=64, blocks=2))
    'transformer'
    """
    held = {operator.operation for operator in operators_of(model, Batch(1, 1))}
    if held & {Operation.SCORES, Operation.ATTENTION}:
        return "transformer"
    return "convolution" if Operation.CONV in held else "mlp"

"""What a family of models computes element by element: its activation, norms and positions."""

from __future__ import annotations

from collections.abc import Mapping

from simcore.errors import shortened
from simcore.models.training.functions import Activation, Functions, Norm, Positions
from simcore.readers.families import Family
from simcore.readers.sizes import Sizes

ACTIVATIONS: Mapping[str, Activation] = {
    "relu": Activation.RELU, "relu2": Activation.SQUARED_RELU, "silu": Activation.SILU, "swish": Activation.SILU,
}  # fmt: skip
"""Activations by the names that configs have for them, beside GELU and its approximations."""


def activation_of(name: str) -> Activation | None:
    """Return an activation by the name that a config has for it; None where nobody knows it.

    Examples
    --------
    >>> activation_of("gelu_pytorch_tanh"), activation_of("gated-silu"), activation_of("mish")
    (<Activation.GELU: 'gelu'>, <Activation.SILU: 'silu'>, None)
    """
    word = name.lower().removeprefix("gated-")
    return Activation.GELU if "gelu" in word else ACTIVATIONS.get(word)


def functions_of(family: Family, sizes: Sizes, usual: Functions, notes: set[str]) -> Functions:
    """Return what a model of a family computes element by element.

    Parameters
    ----------
    family : Family
        Says it, in words or by fields of the config.
    sizes : Sizes
        Those of the config.
    usual : Functions
        What holds where the family does not say: it follows from the sizes.
    notes : set of str
        Gets a sentence where the config names an activation that nobody knows.
    """
    given = family.functions
    named = sizes.evaluated(given.get("activation", "None"))
    activation = usual.activation if named is None else activation_of(str(named))
    if activation is None:
        notes.add(f"the activation '{shortened(str(named), 60)}' is not known: {usual.activation.value} stands in")
    return Functions(
        norm=Norm(given.get("norm", usual.norm)),
        activation=activation or usual.activation,
        positions=Positions(given.get("positions", usual.positions)),
        types=sizes.holds(given.get("types", "false")),
    )

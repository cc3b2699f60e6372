"""Primitives by name; those of files and packages too."""

from __future__ import annotations

from simcore.errors import InputError
from simcore.models.training.schedule.primitive import Primitive
from simcore.plugins import load

GROUP = "simcore.primitives"
"""Entry points of packages that bring primitives."""

_HERE = "simcore.models.training.schedule.primitives"

PRIMITIVES = {
    "sdpa": f"{_HERE}.attention:Sdpa",
    "fuse_qkv": f"{_HERE}.attention:FuseQkv",
    "decompose": f"{_HERE}.fuse:Decompose",
    "fuse": f"{_HERE}.fuse:Fuse",
    "fuse_bias_gelu": f"{_HERE}.fuse:FuseBiasGelu",
    "fuse_bias_activation": f"{_HERE}.fuse:FuseBiasActivation",
    "fuse_bias_dropout_norm": f"{_HERE}.fuse:FuseBiasDropoutNorm",
    "checkpoint": f"{_HERE}.checkpoint:Checkpoint",
    "shard": f"{_HERE}.shard:Shard",
    "sync": f"{_HERE}.shard:Sync",
    "cut": f"{_HERE}.stages:Cut",
    "graph": f"{_HERE}.graph:Graph",
}
"""Names to ``module:class``."""


def primitive(name: str, place: str) -> Primitive:
    """Return the primitive of a name, or of ``FILE.py:CLASS``.

    Raises
    ------
    InputError
        If there is none, or it is no primitive.

    Examples
    --------
    >>> primitive("sdpa", "--steps").summary
    'attention is one kernel, which writes no scores'
    """
    made = load(name, GROUP, PRIMITIVES, place)
    if not (isinstance(made, type) and issubclass(made, Primitive)):
        raise InputError(place, f"'{name}', which is no primitive", "a class derived from simcore.training.Primitive")
    return made()

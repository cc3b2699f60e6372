"""What each primitive does to a torch module, by the primitive's name.

`simcore.models` knows no torch, so the two halves of a primitive stand in files of the same name. A primitive of a
user's file has both halves in one class: its method `module` is the second.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from simcore.errors import InputError, field
from simcore.models.training.schedule import Primitive, Value

Transform = Callable[[Any, Value], Any]
"""Takes a module that a step names and the step's value, and returns what takes its place."""

_HERE = "simcore.real.schedule"

TRANSFORMS = {
    "sdpa": f"{_HERE}.attention:sdpa",
    "fuse_qkv": f"{_HERE}.attention:fuse_qkv",
    "decompose": f"{_HERE}.fuse:decompose",
    "fuse": f"{_HERE}.fuse:fuse",
    "fuse_bias_gelu": f"{_HERE}.fuse:fuse_bias_gelu",
    "fuse_bias_activation": f"{_HERE}.fuse:fuse_bias_activation",
    "fuse_bias_dropout_norm": f"{_HERE}.fuse:fuse_bias_dropout_norm",
    "checkpoint": f"{_HERE}.checkpoint:checkpointed",
    "graph": f"{_HERE}.graph:graph",
}
"""Names to ``module:function``."""

OF_RANKS = ("shard", "sync", "cut")
"""Primitives that spread a model over ranks: they change the model as a whole."""


def transform_of(primitive: Primitive) -> Transform:
    """Return what a primitive does to a module.

    Raises
    ------
    InputError
        If its class defines no method `module`, and is derived from none that comes with simcore.

    Examples
    --------
    >>> from simcore.models.training.schedule.primitives.attention import Sdpa
    >>> transform_of(Sdpa()).__name__
    'sdpa'
    """
    if type(primitive).module is not Primitive.module:
        return primitive.module
    for kind in type(primitive).__mro__:
        place = TRANSFORMS.get(kind.__dict__.get("name", ""))
        if place is not None:
            module, _, function = place.partition(":")
            transform: Transform = getattr(import_module(module), function)
            return transform
    found = f"{primitive.name}, whose class {type(primitive).__name__} changes operator lists alone"
    raise InputError(field("steps"), found, "a primitive for modules too", "Define its method module(module, value).")

"""Modules that keep their input alone, and run again in the backward pass; importing this module needs torch."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from simcore.models.training.schedule import NotApplicable, Value


def checkpointed(module: nn.Module, value: Value) -> nn.Module:
    """Let a module run again in the backward pass (`torch.utils.checkpoint`).

    Raises
    ------
    NotApplicable
        If it does already.
    """
    if isinstance(module.__dict__.get("forward"), partial):
        raise NotApplicable("it is recomputed already")
    # an attribute of the module itself: its hooks, its path and the names of its weights stay
    object.__setattr__(module, "forward", partial(checkpoint, module.forward, use_reentrant=False))
    return module

"""Kernels that are launched together; importing this module needs torch."""

from __future__ import annotations

from torch import nn

from simcore.models.training.schedule import NotApplicable, Value


def graph(module: nn.Module, value: Value) -> nn.Module:
    """Capture a module in CUDA graphs: one launch starts its kernels.

    Raises
    ------
    NotApplicable
        If it is not on a GPU.
    """
    device = next((one.device for one in module.parameters()), None)
    if device is None or device.type != "cuda":
        raise NotApplicable("graphs capture kernels of a GPU, and the module is on a CPU")
    module.compile(mode="reduce-overhead")
    return module

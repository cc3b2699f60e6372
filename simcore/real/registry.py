"""Torch modules by the name of the zoo's model, and inputs for them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.calibrate.measure.device import require_torch
from simcore.errors import unknown_name

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RealModel:
    """Where a module is, and what it takes.

    Attributes
    ----------
    module, name : str
        Python module and class.
    shape : tuple of int
        One sample of the input.
    rows : tuple of int
        Where the input holds numbers of rows, of how many each; empty for an input of real numbers. One entry holds
        for all.
    options : mapping of str to bool
        What the class is called with.
    """

    module: str
    name: str
    shape: tuple[int, ...]
    rows: tuple[int, ...] = ()
    options: Mapping[str, bool] | None = None


MODELS: Mapping[str, RealModel] = {
    "resnet50": RealModel("convolutional", "ResNet50", (3, 224, 224)),
    "vgg19": RealModel("convolutional", "VGG19", (3, 224, 224)),
    "shufflenetv2": RealModel("convolutional", "ShuffleNetV2", (3, 224, 224)),
    "yolov3": RealModel("convolutional", "YOLOv3", (3, 416, 416)),
    "swin-t": RealModel("attention", "SwinTiny", (3, 224, 224)),
    "bert": RealModel("attention", "Bert", (384,), (30522,), {"pooler": True}),
    "electra": RealModel("attention", "Bert", (384,), (30522,), {"pooler": False}),
    "neumf": RealModel("recommendation", "NeuMF", (2,), (6040, 3706)),
}
"""The models of EasyScale's trace, in the variants of the zoo."""


def build(name: str, device: str = "cpu") -> torch.nn.Module:
    """Return a model as a torch module with random weights.

    Parameters
    ----------
    name : str
        Of the zoo, such as ``resnet50``.
    device : str
        Where its weights are; ``meta`` for shapes alone.

    Raises
    ------
    InputError
        If there is no such model.
    MissingExtraError
        If torch is not installed.

    Examples
    --------
    >>> sum(weight.numel() for weight in build("neumf", "meta").parameters())
    1602657
    """
    require_torch()
    import torch

    model = _known(name)
    made = getattr(importlib.import_module(f"simcore.real.{model.module}"), model.name)
    with torch.device(device):
        module: torch.nn.Module = made(**(model.options or {}))
    return module


def sample_input(name: str, batch: int, device: str = "cpu") -> torch.Tensor:
    """Return a batch of random input for a model.

    Parameters
    ----------
    name : str
        Of the zoo.
    batch : int
        Samples.
    device : str
        Where it is.

    Raises
    ------
    InputError
        If there is no such model.

    Examples
    --------
    >>> sample_input("bert", 2, "meta").shape
    torch.Size([2, 384])
    """
    require_torch()
    import torch

    model = _known(name)
    if not model.rows:
        return torch.randn(batch, *model.shape, device=device)
    if len(model.rows) == 1:
        return torch.randint(model.rows[0], (batch, *model.shape), device=device)
    columns = [torch.randint(rows, (batch,), device=device) for rows in model.rows]
    return torch.stack(columns, dim=1)


def _known(name: str) -> RealModel:
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name]

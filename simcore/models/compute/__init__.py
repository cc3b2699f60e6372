"""Compute models: what one NPU needs for a kernel, predicted from its profile or from a constant rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.compute.compute_model import ComputeModel, ConstantRate, KernelCall, Profiled, profiled
    from simcore.models.compute.device import Device
    from simcore.models.compute.predict import Prediction
    from simcore.models.compute.profile import Fit, KernelProfile, Sample

__getattr__, __dir__ = attach(
    __name__,
    {
        "ComputeModel": "simcore.models.compute.compute_model",
        "ConstantRate": "simcore.models.compute.compute_model",
        "Device": "simcore.models.compute.device",
        "Fit": "simcore.models.compute.profile",
        "KernelCall": "simcore.models.compute.compute_model",
        "KernelProfile": "simcore.models.compute.profile",
        "Prediction": "simcore.models.compute.predict",
        "Profiled": "simcore.models.compute.compute_model",
        "Sample": "simcore.models.compute.profile",
        "profiled": "simcore.models.compute.compute_model",
    },
)

__all__ = [
    "ComputeModel",
    "ConstantRate",
    "Device",
    "Fit",
    "KernelCall",
    "KernelProfile",
    "Prediction",
    "Profiled",
    "Sample",
    "profiled",
]

"""What kernels are timed on, and how far their outputs are from exact ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simcore.calibrate.measure.device import require_torch


def torch_dtype(name: str) -> Any:
    """Return torch's type that holds a number format."""
    torch = require_torch()
    types = {"fp64": torch.float64, "fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}
    return torch.bfloat16 if name == "bf16" else types[name]


def random_tensor(size: Iterable[int], dtype: str, device: Any, seed: int) -> Any:
    """Return normally distributed numbers, the same for the same seed: zeros would draw less power and run faster."""
    torch = require_torch()
    generator = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(tuple(size), generator=generator, device=device, dtype=torch.float32).to(torch_dtype(dtype))


def relative_error(found: Any, wanted: Any) -> float:
    """Return ``|found - wanted| / |wanted|`` in the Frobenius norm, in float64."""
    difference, scale = (found.double() - wanted.double()).norm().item(), wanted.double().norm().item()
    return float(difference / scale) if scale else float(difference)

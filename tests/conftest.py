"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# read when triton is first imported, by whichever module comes first: without a GPU its kernels run on CPU tensors
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"

# CI machines stall now and then: a slow example is no failure, and the same examples run everywhere
settings.register_profile(
    "simcore", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("simcore")


def _shared() -> Path | None:
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared"
    return None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published numbers beside the checkout; a user's machine has none."""
    path = _shared()
    if path is None:
        pytest.skip("the published numbers (../shared) are not on this machine")
    return path

"""Models of the zoo as torch modules: what operator lists are held against, and what is trained to be measured.

Beside `simcore.calibrate` only this package imports torch, and only when a module is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.real.registry import MODELS, build, sample_input

__getattr__, __dir__ = attach(
    __name__,
    {
        "MODELS": "simcore.real.registry",
        "build": "simcore.real.registry",
        "sample_input": "simcore.real.registry",
    },
)

__all__ = ["MODELS", "build", "sample_input"]

"""Training schedules applied to torch modules: what `simcore.models.training.schedule` does to operator lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.real.schedule.registry import TRANSFORMS, transform_of
    from simcore.real.schedule.steps import Applied, apply

__getattr__, __dir__ = attach(
    __name__,
    {
        "Applied": "simcore.real.schedule.steps",
        "TRANSFORMS": "simcore.real.schedule.registry",
        "apply": "simcore.real.schedule.steps",
        "transform_of": "simcore.real.schedule.registry",
    },
)

__all__ = ["TRANSFORMS", "Applied", "apply", "transform_of"]

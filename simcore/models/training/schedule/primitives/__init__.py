"""The primitives that come with simcore, one file for each kind."""

from simcore.models.training.schedule.primitives.registry import PRIMITIVES, primitive

__all__ = ["PRIMITIVES", "primitive"]

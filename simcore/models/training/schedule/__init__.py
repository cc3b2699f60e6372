"""Training schedules: ordered steps that each change how a model is trained, as transforms of its operator list.

A step names a primitive and the modules that it is for. The steps are those of Slapo (Chen et al., ASPLOS 2024).
"""

from simcore.models.training.schedule.paths import Pattern
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value
from simcore.models.training.schedule.schedule import Schedule, Step

__all__ = ["NotApplicable", "Pattern", "Primitive", "Schedule", "Setting", "Step", "Value"]

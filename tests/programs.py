"""What tests ask of the programs of iterations."""

from __future__ import annotations

from simcore.models.training.program import Issue


def sent(steps, axis):
    """Return the bytes that a program gives to each collective of a group [B]."""
    found = {}
    for step in steps:
        if isinstance(step, Issue) and step.axis is axis:
            found[step.collective] = found.get(step.collective, 0.0) + step.size
    return found

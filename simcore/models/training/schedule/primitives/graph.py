"""Kernels that are launched together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from simcore.models.training.operators import Section
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value
from simcore.models.training.schedule.primitives.fuse import BLOCKS


class Graph(Primitive):
    """Captures blocks in graphs, so that one launch starts all of their kernels."""

    name = "graph"
    summary = "one launch starts all kernels of a pass through a block"
    paths = BLOCKS

    def section(self, section: Section, inside: Collection[str], setting: Setting, value: Value) -> Section:
        """Return the blocks marked."""
        if len(inside) < len(section.operators):
            raise NotApplicable("whole blocks alone are captured")
        return replace(section, captured=True)

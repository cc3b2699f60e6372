"""Which blocks keep their input alone, and run again in the backward pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from simcore.models.training.listing import Architecture
from simcore.models.training.operators import Section
from simcore.models.training.parallel.layout import Layout, Recompute
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value
from simcore.models.training.schedule.primitives.fuse import BLOCKS

ROUNDING = ("head", "uniform")
"""Which blocks a ratio stands for, see `checkpointed_blocks`."""


class Checkpoint(Primitive):
    """Recomputes blocks in the backward pass, in place of keeping their results."""

    name = "checkpoint"
    summary = "blocks keep their input alone, and run again in the backward pass"
    paths = BLOCKS
    takes = "the share of blocks, from 0 to 1"
    options = ("rounding",)

    def checked(self, value: Value, options: Mapping[str, Value]) -> Value:
        """Return the share of blocks."""
        share = 1.0 if value is None else value
        if isinstance(share, str) or not 0 <= share <= 1:
            raise ValueError(str(self.takes))
        if options.get("rounding", ROUNDING[0]) not in ROUNDING:
            raise ValueError(f"a rounding of {' or '.join(ROUNDING)}")
        return float(share)

    def chosen(self, numbers: Sequence[int], value: Value, options: Mapping[str, Value]) -> Collection[int]:
        """Return the blocks that a share of them stands for."""
        assert isinstance(value, float)
        return checkpointed_blocks(numbers, value, str(options.get("rounding", ROUNDING[0])))

    def section(self, section: Section, inside: Collection[str], setting: Setting, value: Value) -> Section:
        """Return the blocks marked."""
        if len(inside) < len(section.operators):
            raise NotApplicable("whole blocks alone are recomputed")
        return replace(section, checkpointed=True)

    def layout(self, layout: Layout, model: Architecture, value: Value) -> Layout:
        """Return the layout with full recomputation, of marked blocks alone."""
        return replace(layout, recompute=Recompute.FULL, recompute_layers=0) if value else layout


def checkpointed_blocks(numbers: Sequence[int], share: float, rounding: str = "head") -> list[int]:
    """Return which blocks a share of them stands for.

    ``head`` takes the first ones, ``int(share x blocks)`` of them. ``uniform`` takes every n-th, with
    ``n = max(1, int(1 / share))``, as the artifact of Slapo does: shares above a half are all of them.

    Examples
    --------
    >>> checkpointed_blocks(range(8), 0.25), checkpointed_blocks(range(8), 0.25, "uniform")
    ([0, 1], [0, 4])
    >>> len(checkpointed_blocks(range(8), 0.67)), len(checkpointed_blocks(range(8), 0.67, "uniform"))
    (5, 8)
    """
    if share == 0:
        return []
    if rounding == "uniform":
        return list(numbers[:: max(1, int(1 / share))])
    return list(numbers[: int(share * len(numbers) + 1e-9)])

"""Where a model is cut into the stages of a pipeline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.training.listing import Architecture
from simcore.models.training.operators import Section
from simcore.models.training.parallel.layout import Layout, total_blocks
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value


class Cut(Primitive):
    """Cuts the model into pipeline stages: its value is the blocks of each, such as ``12+12``.

    In a module of a user's own it has no value, and a stage begins at its path.
    """

    name = "cut"
    summary = "the model is cut into the stages of a pipeline"
    paths = ("block.*", "encoder.block.*")
    takes = "the blocks of each stage, such as 12+12"

    def checked(self, value: Value, options: Mapping[str, Value]) -> Value:
        """Return the blocks of each stage."""
        words = [] if value is None else str(value).split("+")
        if not all(word.isdigit() and int(word) for word in words):
            raise ValueError(str(self.takes))
        return "+".join(words) or None

    def section(self, section: Section, inside: Collection[str], setting: Setting, value: Value) -> Section:
        """Return the section as it is: a cut changes no operator."""
        if setting.layout.pp == 1:
            raise NotApplicable("there is one pipeline stage: give --parallel pp=2")
        return section

    def layout(self, layout: Layout, model: Architecture, value: Value) -> Layout:
        """Return the layout with the blocks of each stage."""
        if value is None:
            raise InputError(field("steps"), "cut without a value", self.takes)
        stages = tuple(int(word) for word in str(value).split("+"))
        if layout.pp > 1 and (len(stages) != layout.chunks or sum(stages) != total_blocks(model)):
            found = f"cut={value}: {len(stages)} stages of {sum(stages)} blocks"
            raise InputError(field("steps"), found, f"{layout.chunks} stages of {total_blocks(model)} blocks in all")
        return replace(layout, stage_layers=stages) if layout.pp > 1 else layout

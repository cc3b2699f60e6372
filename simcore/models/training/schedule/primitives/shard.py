"""Tensor parallelism module by module: weights that are cut over GPUs, and the sums that this needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.training.listing import Architecture
from simcore.models.training.operators import Operator, Section
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.schedule.primitive import NotApplicable, Primitive, Setting, Value, replaced, silent

MODULES = ("block.*", "encoder.block.*", "embedding", "output", "encoder.embedding", "encoder.output")
"""What tensor parallelism can cut."""


class Shard(Primitive):
    """Cuts the weights of modules over the GPUs of tensor parallelism, as Megatron-LM does; it sums nothing.

    Where modules are sharded one by one, what lies between them is whole on every GPU: sequence parallelism is off.
    """

    name = "shard"
    summary = "weights are cut over the GPUs of tensor parallelism"
    paths = MODULES
    takes = "columns or rows, of a product of a module of your own"

    def checked(self, value: Value, options: Mapping[str, Value]) -> Value:
        """Return how a product of a user's module is cut; None for a model of simcore, where Megatron-LM decides."""
        if value not in (None, "columns", "rows"):
            raise ValueError(f"no value, or {self.takes}")
        return value

    def section(self, section: Section, inside: Collection[str], setting: Setting, value: Value) -> Section:
        """Return the modules' operators on one GPU, without what they send."""
        if value is not None:
            raise NotApplicable("how a product is cut is fixed here: leave the value out")
        if setting.layout.tp == 1:
            found = "shard with one GPU per tensor-parallel group"
            raise InputError(field("steps"), found, "a degree to cut by", "Choose a TP above 1, such as 8.")
        cut = {path: form for path in inside if (form := setting.cut_form(section, path)) is not None}
        made = tuple(silent(cut.get(one.path, one)) if one.path in inside else one for one in section.operators)
        if made == section.operators:
            raise NotApplicable("tensor parallelism cuts nothing here")
        return replace(section, operators=made)

    def layout(self, layout: Layout, model: Architecture, value: Value) -> Layout:
        """Return the layout without sequence parallelism."""
        return replace(layout, sequence_parallel=False)


class Sync(Primitive):
    """Adds the collectives that make the results of sharded modules those of whole ones."""

    name = "sync"
    summary = "partial results of sharded modules are summed or gathered"
    paths = MODULES

    def section(self, section: Section, inside: Collection[str], setting: Setting, value: Value) -> Section:
        """Return the modules' operators with what they send."""
        chosen = [one for one in section.operators if one.path in inside]
        made = [_sent(one, setting.cut_form(section, one.path)) for one in chosen]
        if made == chosen:
            raise NotApplicable("nothing sharded here needs a sum")
        return replaced(section, inside, made)


def _sent(one: Operator, cut: Operator | None) -> Operator:
    """Return an operator with what its cut form sends; a whole one sends nothing."""
    return cut if cut is not None and one == silent(cut) else one

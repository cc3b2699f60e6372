"""The operators of a model that is a list of layers, such as a convolutional network.

`simcore.models.training.layer_maker` makes the operators of one layer; this module walks through the layers. Weights
are whole on every NPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.training.architecture import Batch
from simcore.models.training.layer_maker import LayerMaker, Value
from simcore.models.training.layered_model import BlockEntry, LayeredModel, LayerEntry
from simcore.models.training.operator_maker import update_of
from simcore.models.training.operators import Operator, OperatorList, Section

MOST_LAYERS = 100_000
"""Layers of a model that are written out: beyond any, and little enough to hold."""

MOST_ELEMENTS = 10**15
"""Numbers of one sample that a layer hands on: beyond any, and little enough to count with."""


def layered_operators(model: LayeredModel, batch: Batch, tp: int = 1) -> OperatorList:
    """Return the operators of a model that is a list of layers, on one NPU.

    Equal blocks in a row are held once. Adam updates all weights.

    Parameters
    ----------
    model : LayeredModel
        The sizes.
    batch : Batch
        What a replica processes: its sequences are samples.
    tp : int
        Degree of tensor parallelism: 1, unless layers say how they are cut.

    Raises
    ------
    InputError
        If TP is not 1 and no layer is cut, or a layer does not fit its input, naming the layer.

    Examples
    --------
    >>> from simcore.models.training.layered_model import LayerKind
    >>> conv = LayerEntry(LayerKind.CONV, "conv", {"out": 64, "kernel": 7, "stride": 2, "padding": 3})
    >>> listed = layered_operators(LayeredModel("stem", 3, 224, 224, (conv,)), Batch(1, 8, element=4))
    >>> [(one.path, one.work / 8) for one in listed][-1], listed.parameters / 4
    (('conv', 236027904.0), 9408.0)
    """
    if tp != 1 and not model.cut:
        remedy = f"Leave {field('tp')} out, or give 1."
        raise InputError(f"workload '{model.name}', TP", str(tp), "1, as its layers are not cut", remedy)
    sections = tuple(_Builder(model, batch, tp).sections())
    # the update stands first: gradients arrive from the last operator to the first
    return OperatorList((update_of(sections, batch.element), *sections))


class _Builder:
    """Walks through the layers of one model; see `layered_operators`."""

    def __init__(self, model: LayeredModel, batch: Batch, tp: int) -> None:
        self.model, self.make, self.written, self.repetition = model, LayerMaker(batch, tp), 0, ""
        self.stacked: dict[str, int] = {}

    def sections(self) -> Iterator[Section]:
        """Yield operators that stand alone, and repeated blocks, in order."""
        alone: list[Operator] = []
        first = Value(self.model.channels, self.model.height, self.model.width, gradient=False)
        for entry, value, values in self.walk(self.model.entries, first):
            if isinstance(entry, LayerEntry) or not entry.repeats:
                out, made = self.one(entry, value, values, entry.name)
                alone += made
            else:
                if alone:
                    yield Section("", tuple(alone))
                alone, out = [], value
                for section, after in self.repeated(entry, value):
                    yield section
                    out = after
            values[entry.name] = values[""] = out
        if alone:
            yield Section("", tuple(alone))

    def walk(
        self, entries: Sequence[LayerEntry | BlockEntry], given: Value, above: str = ""
    ) -> Iterator[tuple[LayerEntry | BlockEntry, Value, dict[str, Value]]]:
        """Yield entries with their input and all named values; the reader of them puts their output there."""
        values = {"": given, "input": given}
        for entry in entries:
            yield entry, _named(values, entry.source, self.place(above + entry.name), "from"), values

    def one(
        self, entry: LayerEntry | BlockEntry, value: Value, values: Mapping[str, Value], path: str
    ) -> tuple[Value, list[Operator]]:
        """Return the output and the operators of an entry that stands there once."""
        if isinstance(entry, BlockEntry):
            return self.block(entry, value, path)
        place = self.place(path)
        other = _named(values, entry.other, place, entry.kind.value) if entry.other else None
        out, made = self.make.layer(entry, value, other, place)
        self.written += 1
        if self.written > MOST_LAYERS:
            raise InputError(f"model '{self.model.name}'", "more", f"{MOST_LAYERS:,} layers written out at most")
        if out.elements > MOST_ELEMENTS:
            raise InputError(place, "more", f"an output of {MOST_ELEMENTS:g} numbers per sample at most")
        return out, [replace(one, path=f"{path}{one.path}") for one in made]

    def block(self, entry: BlockEntry, value: Value, path: str) -> tuple[Value, list[Operator]]:
        """Return the output and the operators of a block within others, written out."""
        made: list[Operator] = []
        for number in range(entry.times):
            value, own = self.inside(entry, value, f"{path}." if entry.times == 1 else f"{path}.{number}.")
            made += own
        return value, made

    def inside(self, entry: BlockEntry, value: Value, above: str) -> tuple[Value, list[Operator]]:
        """Return the output and the operators of one repetition of a block."""
        made: list[Operator] = []
        out = value
        for each, taken, values in self.walk(entry.entries, value, above):
            out, own = self.one(each, taken, values, above + each.name)
            made += own
            values[each.name] = values[""] = out
        return out, made

    def repeated(self, entry: BlockEntry, value: Value) -> Iterator[tuple[Section, Value]]:
        """Yield the repetitions of a block in runs of equal ones, each with its output."""
        path = entry.stack or entry.name
        number = self.stacked.get(path, 0)
        end = self.stacked[path] = number + entry.times
        while number < end:
            before, self.repetition, read = value.state, f"{path}.{number}.", self.make.bytes(value)
            value, made = self.inside(entry, value, "")
            # what comes out is what went in, so that all further ones are equal
            count = end - number if value.state == before else 1
            yield Section(path, tuple(made), count, number, input=read), value
            number += count
        self.repetition = ""

    def place(self, path: str) -> str:
        """Return the place of a layer, for messages."""
        return f"model '{self.model.name}', layer {self.repetition}{path}"


def _named(values: Mapping[str, Value], name: str, place: str, key: str) -> Value:
    if name not in values:
        known = ", ".join(each for each in values if each)
        raise InputError(f"{place}, field '{key}'", f"'{name}'", f"a layer before it: {known}")
    return values[name]

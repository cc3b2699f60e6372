"""Makers of the operators of one layer: kernels, shapes, parameters and what is saved.

A value that layers hand on is a map of channels x height x width for each sample. Every layer reads its input from
memory and writes its output. Views take no time: ``flatten``, and forward ``narrow``, whose gradient is copied.

Symbols: b samples, c channels, e bytes per element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch
from simcore.models.training.layered_model import CUT, LayerCut, LayerEntry, LayerKind
from simcore.models.training.operator_maker import Shape, sizes_of
from simcore.models.training.operators import Communication, Operation, Operator, conv_output

INDEX = 8
"""Bytes of a number of a row, or of the place of a maximum [B]."""


@dataclass(eq=False)
class Value:
    """What a layer hands on.

    Attributes
    ----------
    channels, height, width : int
        The map of one sample.
    kept : bool
        Whether an operator has saved it for its backward pass.
    gradient : bool
        Whether it has a gradient; the model's input has none.
    parts : int
        GPUs that its channels are cut over; the map is that of one of them.
    """

    channels: int
    height: int = 1
    width: int = 1
    kept: bool = False
    gradient: bool = True
    parts: int = 1

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width

    @property
    def elements(self) -> int:
        """Numbers of one sample."""
        return self.channels * self.height * self.width

    @property
    def state(self) -> tuple[tuple[int, int, int], bool, bool, int]:
        """All that the operators of a following layer depend on."""
        return self.sizes, self.kept, self.gradient, self.parts


HALF = 50
"""Elements of a hundred that a layer of dropout drops, as torch's does where no rate is given."""


class LayerMaker:
    """Makes the operators of layers, with paths behind that of the layer.

    Parameters
    ----------
    batch : Batch
        What a replica processes: its sequences are samples.
    tp : int
        Degree of tensor parallelism, which cuts the layers that say how.
    """

    def __init__(self, batch: Batch, tp: int = 1) -> None:
        self.b, self.e, self.tp = batch.sequences, batch.element, tp
        self.makers: Mapping[LayerKind, Callable[[Mapping[str, int], Value, str], tuple[Value, list[Operator]]]] = {
            LayerKind.CONV: self.conv,
            LayerKind.LINEAR: self.linear,
            LayerKind.MAX_POOL: self.max_pool,
            LayerKind.AVG_POOL: self.avg_pool,
            LayerKind.GLOBAL_POOL: self.global_pool,
            LayerKind.DROPOUT: self.dropout,
            LayerKind.NARROW: self.narrow,
            LayerKind.SHUFFLE: self.shuffle,
            LayerKind.UPSAMPLE: self.upsample,
            LayerKind.SPACE_TO_DEPTH: self.space_to_depth,
            LayerKind.FLATTEN: self.flatten,
            LayerKind.EMBEDDING: self.embedding,
            LayerKind.WINDOW_ATTENTION: self.window_attention,
        }

    def layer(self, entry: LayerEntry, value: Value, other: Value | None, place: str) -> tuple[Value, list[Operator]]:
        """Return the output and the operators of a layer."""
        if other is not None:
            return self.join(entry.kind, value, other, place)
        if entry.kind in CUT and self.tp > 1:
            return self.cut(entry, value, place)
        if value.parts > 1 and entry.kind not in _ALONG:
            raise InputError(place, f"{entry.kind.value} of channels that are cut", "a layer with cut: in before it")
        maker = self.makers.get(entry.kind)
        return self.elementwise(entry.kind, value) if maker is None else maker(entry.sizes, value, place)

    def cut(self, entry: LayerEntry, value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return a product with weights on one GPU of a tensor-parallel group, with what it sends."""
        if (value.parts > 1) is not (entry.cut is LayerCut.IN):
            found = "an input whose channels are cut" if value.parts > 1 else "an input that is whole"
            raise InputError(
                place, found, "the input of a layer before it with cut: out, if and only if it has cut: in"
            )
        sizes, reads = dict(entry.sizes), value.gradient
        if entry.cut in (LayerCut.OUT, LayerCut.GATHER):
            if sizes["out"] % self.tp:
                raise InputError(
                    f"{place}, TP", str(self.tp), f"a divisor of the {sizes['out']} channels that come out"
                )
            sizes["out"] //= self.tp
        out, (made,) = self.makers[entry.kind](sizes, value, place)
        total = Communication(Collective.ALL_REDUCE, self.bytes(value))
        if entry.cut is LayerCut.IN:
            made = replace(made, after_forward=Communication(Collective.ALL_REDUCE, self.bytes(out)))
        elif entry.cut is not None:
            made = replace(made, after_input_gradient=total if reads else None)
        if entry.cut is LayerCut.GATHER:
            share, out = self.bytes(out), replace(out, channels=out.channels * self.tp)
            sent = Communication(Collective.ALL_GATHER, share)
            made = replace(made, after_forward=sent, output=self.bytes(out))
        return replace(out, parts=self.tp if entry.cut is LayerCut.OUT else 1), [made]

    def conv(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return a convolution of square kernels."""
        out, kernel, groups = sizes["out"], sizes["kernel"], sizes.get("groups", 1)
        stride, padding = sizes.get("stride", 1), sizes.get("padding", 0)
        _divides(place, "groups", groups, "the channels in and out", value.channels, out)
        made = self.window(value, kernel, stride, padding, place, out)
        of_one = value.channels // groups * kernel * kernel
        shape: Shape = (
            ("batch", self.b), ("in_channels", value.channels), ("out_channels", out), ("height", value.height),
            ("width", value.width), ("kernel_h", kernel), ("kernel_w", kernel), ("stride", stride),
            ("padding", padding), ("groups", groups),
        )  # fmt: skip
        operator = Operator(
            "conv", shape, 2.0 * self.b * made.elements * of_one, operation=Operation.CONV,
            weights=float(self.e * out * of_one), vectors=float(self.e * out * sizes.get("bias", 0)),
            saved=self.kept(value), output=self.bytes(made), input_gradient=value.gradient,
        )  # fmt: skip
        return made, [operator]

    def linear(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return a product of the channels of each position with weights."""
        out = Value(sizes["out"], value.height, value.width)
        return out, [self.product("", value, sizes["out"], bias=bool(sizes.get("bias", 1)))]

    def product(self, path: str, value: Value, columns: int, *, bias: bool) -> Operator:
        """Return a product of rows of as many numbers as there are channels."""
        rows, inputs = self.b * value.height * value.width, value.channels
        return Operator(
            "gemm", sizes_of(rows, columns, inputs), 2.0 * rows * columns * inputs, path=path,
            operation=Operation.LINEAR, weights=float(self.e * inputs * columns),
            vectors=float(self.e * columns * bias), saved=self.kept(value), output=float(self.e * rows * columns),
            input_gradient=value.gradient,
        )  # fmt: skip

    def elementwise(self, kind: LayerKind, value: Value) -> tuple[Value, list[Operator]]:
        """Return a norm, an activation or the loss, which write as much as they read."""
        out = Value(*value.sizes, parts=value.parts)
        norm = kind in (LayerKind.BATCH_NORM, LayerKind.LAYER_NORM)
        saved = self.kept(out if kind in _SAVE_OUTPUT else value)
        made = self.memory("", kind.value, value, out, Operation.NORM if norm else Operation.ELEMENTWISE, saved)
        if norm:  # a constant rate counts one FLOP per element
            vectors = float(2 * self.e * value.channels)
            made = replace(made, work=float(self.b * value.elements), vectors=vectors, vectors_held=2)
            width = value.channels if kind is LayerKind.LAYER_NORM else value.height * value.width
            made = replace(made, shape=(*made.shape, ("width", width)))
        return out, [made]

    def max_pool(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return the maximum of windows; its input and the places of the maxima are saved."""
        out = self.pooled(sizes, value, place)
        saved = self.kept(value) + INDEX * self.b * out.elements
        return out, [self.memory("", "max_pool", value, out, Operation.POOL, saved)]

    def avg_pool(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return the mean of windows."""
        out = self.pooled(sizes, value, place)
        return out, [self.memory("", "avg_pool", value, out, Operation.POOL)]

    def global_pool(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return the mean of every channel."""
        out = Value(value.channels)
        return out, [self.memory("", "avg_pool", value, out, Operation.POOL)]

    def dropout(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return dropout at torch's own rate, whose mask of a byte per element is saved."""
        elements = self.b * value.elements
        shape = (("bytes", (2 * self.e + 1) * elements), ("percent", HALF))
        made = Operator(
            "dropout", shape, operation=Operation.DROPOUT, saved=float(elements), output=self.bytes(value)
        )  # fmt: skip
        return Value(*value.sizes), [made]

    def join(self, kind: LayerKind, value: Value, other: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return a sum, a product element by element, or two maps side by side."""
        start = 1 if kind is LayerKind.CONCAT else 0
        if value.parts != other.parts:
            raise InputError(place, "a map whose channels are cut, and one that is whole", "two of one kind")
        if value.sizes[start:] != other.sizes[start:]:
            what = "height and width" if start else "channels, height and width"
            raise InputError(
                place, _shown(value.sizes[start:]), f"the {what} of the other, {_shown(other.sizes[start:])}"
            )
        if kind is LayerKind.CONCAT:
            out = Value(value.channels + other.channels, value.height, value.width)
            return out, [self.memory("", "copy", out, out, Operation.ROUTE)]
        out = Value(*value.sizes, parts=value.parts)
        saved = self.kept(value) + self.kept(other) if kind is LayerKind.MUL else 0.0
        operation = Operation.GATE if kind is LayerKind.MUL else Operation.RESIDUAL
        shape = (("bytes", 3 * self.e * self.b * out.elements),)
        return out, [Operator(kind.value, shape, operation=operation, saved=saved, output=self.bytes(out))]

    def narrow(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return some of the channels, a view, whose gradient is copied into that of all."""
        if sizes["channels"] > value.channels:
            raise InputError(place, f"{sizes['channels']} channels", f"at most those of its input, {value.channels}")
        out = Value(sizes["channels"], value.height, value.width, value.kept, value.gradient)
        made = replace(self.memory("", "copy", out, out, Operation.SPLIT), output=0.0, input_gradient=value.gradient)
        return out, [made]

    def flatten(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return all numbers of a sample as channels, a view."""
        return Value(value.elements, kept=value.kept, gradient=value.gradient), []

    def shuffle(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return the channels in another order."""
        return self.moved(value, Value(*value.sizes))

    def upsample(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return every number several times along height and width."""
        factor = sizes["factor"]
        return self.moved(value, Value(value.channels, value.height * factor, value.width * factor))

    def space_to_depth(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return neighbours in height and width as channels."""
        factor = sizes["factor"]
        _divides(place, "factor", factor, "height and width", value.height, value.width)
        out = Value(value.channels * factor**2, value.height // factor, value.width // factor)
        return self.moved(value, out)

    def embedding(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return a row of a table for each sample."""
        width, out = self.e * sizes["width"], Value(sizes["width"])
        shape = (("rows", self.b), ("width", width))
        made = Operator(
            "gather", shape, operation=Operation.LOOKUP, weights=float(width * sizes["rows"]),
            saved=float(INDEX * self.b), output=self.bytes(out),
        )  # fmt: skip
        return out, [made]

    def window_attention(self, sizes: Mapping[str, int], value: Value, place: str) -> tuple[Value, list[Operator]]:
        """Return attention within windows (Swin Transformer), with biases of relative positions, and its copies."""
        heads, side, c = sizes["heads"], sizes["window"], value.channels
        _divides(place, "heads", heads, "the channels", c)
        _divides(place, "window", side, "height and width", value.height, value.width)
        tokens, columns = side * side, c // heads
        products = self.b * (value.height // side) * (value.width // side) * heads
        scores = Value(products * tokens // self.b, tokens)
        work, moved = 2.0 * products * tokens * tokens * columns, Value(*value.sizes)
        cyclic = [self.moved(value, moved)[1][0]] if sizes.get("shifted") else []
        qkv, kept = Value(3 * c, value.height, value.width), self.bytes(value)
        biased = replace(self.add(scores), path=".bias", weights=float(self.e * (2 * side - 1) ** 2 * heads))
        softmax = self.memory(".softmax", "softmax", scores, scores)
        made = [
            *(replace(one, path=".shift") for one in cyclic),
            replace(self.moved(value, moved)[1][0], path=".partition"),
            self.product(".qkv", moved, 3 * c, bias=True),
            replace(self.moved(qkv, qkv)[1][0], path=".heads", saved=3 * kept),
            Operator("gemm", sizes_of(tokens, tokens, columns, products), work, path=".scores",
                     operation=Operation.SCORES, output=self.bytes(scores)),
            biased,
            *((replace(self.add(scores), path=".mask"),) if cyclic else ()),
            replace(softmax, shape=(*softmax.shape, ("width", tokens)), saved=self.bytes(scores)),
            Operator("gemm", sizes_of(tokens, columns, tokens, products), work, path=".context",
                     operation=Operation.CONTEXT, output=kept),
            replace(self.moved(value, moved)[1][0], path=".merge"),
            self.product(".output", Value(*value.sizes), c, bias=True),
            replace(self.moved(value, moved)[1][0], path=".reverse"),
            *(replace(one, path=".shift_back") for one in cyclic),
        ]  # fmt: skip
        return Value(*value.sizes), made

    def moved(self, value: Value, out: Value) -> tuple[Value, list[Operator]]:
        """Return a copy, whose gradient goes the same way back."""
        return out, [self.memory("", "copy", value, out, Operation.ROUTE)]

    def add(self, value: Value) -> Operator:
        """Return a sum with numbers that all samples share: its gradient is that of its input."""
        shape = (("bytes", 2 * self.e * self.b * value.elements),)
        return Operator("add", shape, operation=Operation.SUM, output=self.bytes(value))

    def memory(
        self, path: str, kernel: str, value: Value, out: Value, operation: Operation = Operation.ELEMENTWISE,
        saved: float = 0.0,
    ) -> Operator:  # fmt: skip
        """Return an operator that reads one value and writes another."""
        shape = (("bytes", self.e * self.b * (value.elements + out.elements)),)
        return Operator(kernel, shape, path=path, operation=operation, saved=saved, output=self.bytes(out))

    def bytes(self, value: Value) -> float:
        """Return the bytes of a value [B]."""
        return float(self.e * self.b * value.elements)

    def kept(self, value: Value) -> float:
        """Return the bytes that are saved of a value, 0 where it is saved already [B]."""
        if value.kept:
            return 0.0
        value.kept = True
        return self.bytes(value)

    def pooled(self, sizes: Mapping[str, int], value: Value, place: str) -> Value:
        """Return what a pool hands on."""
        kernel = sizes["kernel"]
        return self.window(value, kernel, sizes.get("stride", kernel), sizes.get("padding", 0), place, value.channels)

    def window(self, value: Value, kernel: int, stride: int, padding: int, place: str, channels: int) -> Value:
        """Return what a window that slides over height and width hands on."""
        height, width = (conv_output(size, kernel, stride, padding) for size in (value.height, value.width))
        if min(height, width) < 1:
            padded = f"its padded input of {value.height + 2 * padding} x {value.width + 2 * padding}"
            raise InputError(place, f"a kernel of {kernel} x {kernel}", f"one that fits into {padded}")
        return Value(channels, height, width)


_SAVE_OUTPUT = frozenset({LayerKind.RELU, LayerKind.SIGMOID, LayerKind.TANH})
"""Activations whose gradient follows from their output."""


_ALONG = frozenset({
    LayerKind.BATCH_NORM, LayerKind.RELU, LayerKind.GELU, LayerKind.SILU, LayerKind.SIGMOID, LayerKind.TANH,
    LayerKind.ADD, LayerKind.MUL,
})  # fmt: skip
"""Layers that work on each channel by itself, so that each GPU has its own."""


def _divides(place: str, what: str, count: int, whose: str, *sizes: int) -> None:
    if any(size % count for size in sizes):
        raise InputError(f"{place}, field '{what}'", str(count), f"a divisor of {whose}, {_shown(sizes)}")


def _shown(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) if len(sizes) != 2 else " and ".join(map(str, sizes))

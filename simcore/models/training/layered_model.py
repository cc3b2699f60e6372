"""A model that is a list of layers, such as a convolutional network: its sizes, without batch or number format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class LayerKind(StrEnum):
    """What a layer computes; `SIZES` lists what each is told."""

    CONV = "conv"
    LINEAR = "linear"
    BATCH_NORM = "batch_norm"
    LAYER_NORM = "layer_norm"
    RELU = "relu"
    GELU = "gelu"
    SILU = "silu"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    GLOBAL_POOL = "global_pool"
    DROPOUT = "dropout"
    ADD = "add"
    MUL = "mul"
    CONCAT = "concat"
    NARROW = "narrow"
    SHUFFLE = "shuffle"
    UPSAMPLE = "upsample"
    SPACE_TO_DEPTH = "space_to_depth"
    FLATTEN = "flatten"
    EMBEDDING = "embedding"
    WINDOW_ATTENTION = "window_attention"
    CROSS_ENTROPY = "cross_entropy"


SIZES: Mapping[LayerKind, Mapping[str, int | None]] = {
    LayerKind.CONV: {"out": None, "kernel": None, "stride": 1, "padding": -1, "groups": 1, "bias": 0},
    LayerKind.LINEAR: {"out": None, "bias": 1},
    LayerKind.MAX_POOL: {"kernel": None, "stride": -1, "padding": 0},
    LayerKind.AVG_POOL: {"kernel": None, "stride": -1, "padding": 0},
    LayerKind.NARROW: {"channels": None},
    LayerKind.UPSAMPLE: {"factor": None},
    LayerKind.SPACE_TO_DEPTH: {"factor": None},
    LayerKind.EMBEDDING: {"rows": None, "width": None},
    LayerKind.WINDOW_ATTENTION: {"heads": None, "window": None, "shifted": 0},
}
"""Sizes of a layer with their defaults; None for one that must be given, -1 for one that follows from the kernel."""

FLAGS = frozenset({"bias", "shifted"})
"""Sizes that are true or false, written 1 or 0."""

MOST = 10**9
"""The largest size, and the most repetitions."""


class LayerCut(StrEnum):
    """How tensor parallelism cuts the channels of a product with weights.

    ``OUT`` cuts those that come out, ``IN`` those that go in, whose partial results are summed. ``GATHER`` cuts those
    that come out too, and gathers them.
    """

    OUT = "out"
    IN = "in"
    GATHER = "gather"


CUT = frozenset({LayerKind.CONV, LayerKind.LINEAR})
"""Layers that tensor parallelism can cut."""

JOINS = frozenset({LayerKind.ADD, LayerKind.MUL, LayerKind.CONCAT})
"""Layers that take a second input by its name."""


@dataclass(frozen=True)
class LayerEntry:
    """One layer.

    Attributes
    ----------
    kind : LayerKind
        What it computes.
    name : str
        Its name in the list that it stands in.
    sizes : mapping of str to int
        As `SIZES` has them; of flags 0 or 1.
    source : str
        Name of the layer whose output it takes; empty for the one before it. ``input`` is what its list is given.
    other : str
        Name of the second input of a layer that joins two; empty elsewhere.
    cut : LayerCut or None
        How tensor parallelism cuts it; None where every GPU has all of it.
    """

    kind: LayerKind
    name: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    source: str = ""
    other: str = ""
    cut: LayerCut | None = None


@dataclass(frozen=True)
class BlockEntry:
    """Layers that stand several times in a row, each time fed with what came out the time before.

    Attributes
    ----------
    name : str
        Its name in the list that it stands in.
    entries : tuple of LayerEntry and BlockEntry
        What one of them holds; names are known inside it alone.
    times : int
        How often it stands there.
    source : str
        As that of a layer.
    stack : str
        Module path of its repetitions, which are numbered on through all blocks of one stack; empty for its name.
    """

    name: str
    entries: tuple[LayerEntry | BlockEntry, ...]
    times: int = 1
    source: str = ""
    stack: str = ""

    @property
    def repeats(self) -> bool:
        """Whether its repetitions have numbers."""
        return bool(self.stack) or self.times > 1


@dataclass(frozen=True)
class LayeredModel:
    """The sizes of a model: what `simcore.models.training.layered.layered_operators` makes its operators of.

    Attributes
    ----------
    name : str
        For example ``resnet50``.
    channels, height, width : int
        One sample of the input: an image, or as many numbers as there are channels.
    entries : tuple of LayerEntry and BlockEntry
        The layers in order.
    source : str
        Where the numbers come from.
    """

    name: str
    channels: int
    height: int
    width: int
    entries: tuple[LayerEntry | BlockEntry, ...]
    source: str = ""

    @property
    def blocks(self) -> int:
        """Repetitions of blocks that have numbers."""
        return sum(each.times for each in self.entries if isinstance(each, BlockEntry) and each.repeats)

    @property
    def cut(self) -> bool:
        """Whether tensor parallelism cuts any of its layers."""
        return _cut(self.entries)

    @property
    def skipping(self) -> tuple[str, ...]:
        """Layers and blocks whose output another one than the next takes.

        Examples
        --------
        >>> conv, add = LayerEntry(LayerKind.RELU, "relu"), LayerEntry(LayerKind.ADD, "add", other="input")
        >>> LayeredModel("toy", 1, 1, 1, (conv, add)).skipping
        ('input',)
        """
        others = [(each.source, each.other if isinstance(each, LayerEntry) else "") for each in self.entries]
        return tuple(dict.fromkeys(name for pair in others for name in pair if name))


def _cut(entries: tuple[LayerEntry | BlockEntry, ...]) -> bool:
    return any(_cut(each.entries) if isinstance(each, BlockEntry) else each.cut is not None for each in entries)

"""Small versions of a transformer: the same structure, in sizes that many numbers of ranks divide."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simcore.models.training.architecture import Embedding, Projection, Transformer
from simcore.models.training.functions import Positions

HEAD = 4
"""Columns of a head."""

MOST_INNER = 4
"""Inner width of a feed-forward network over the hidden size, at most; T5's is 16."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a small version.

    Attributes
    ----------
    blocks : int
        Blocks, and as many of an encoder.
    heads : int
        Heads of attention; twice as many of Q where heads of K and V are shared.
    sequence : int
        Tokens of a sequence; an encoder reads twice as many.
    batch : int
        Sequences.
    vocabulary : int
        Tokens that there are.
    """

    blocks: int = 4
    heads: int = 12
    sequence: int = 12
    batch: int = 12
    vocabulary: int = 144


@dataclass(frozen=True)
class WideSizes:
    """Sizes of a small Wide-ResNet.

    Attributes
    ----------
    depths : tuple of int
        Blocks of each stage.
    base : int
        Channels before the first stage.
    width : int
        Inner width of the first stage.
    classes, side : int
        Columns of the output, and height and width of an image.
    """

    depths: tuple[int, ...] = (2, 2, 2, 2)
    base: int = 12
    width: int = 24
    classes: int = 12
    side: int = 16


def resized(model: Transformer, sizes: Sizes) -> Transformer:
    """Return a small version of a transformer, all functions and biases kept.

    Examples
    --------
    >>> big = Transformer("llama", 4096, 32, 32, kv_heads=8, feed_forward=14336, vocabulary=128256, outputs=128256)
    >>> one = resized(big, Sizes(blocks=2))
    >>> one.hidden, one.blocks, one.heads, one.kv_heads, one.inner, one.outputs
    (96, 2, 24, 12, 336, 144)
    """
    grouped = model.kv_heads not in (None, model.heads)
    heads = sizes.heads * (2 if grouped else 1)
    hidden = heads * HEAD
    encoder = model.encoder
    if encoder is not None:
        longer = replace(sizes, sequence=2 * sizes.sequence)
        encoder = replace(resized(encoder, longer), sequence=longer.sequence)
    return replace(
        model, hidden=hidden, blocks=sizes.blocks, heads=heads, kv_heads=sizes.heads if model.kv_heads else None,
        head_dim=None if model.head_dim is None else max(2, model.query_width * HEAD // model.hidden),
        feed_forward=_divided(min(MOST_INNER, model.inner / model.hidden) * hidden, sizes.heads),
        vocabulary=sizes.vocabulary,
        outputs=sizes.vocabulary if model.outputs else model.outputs, encoder=encoder,
        around=_around(model, hidden, heads, sizes.sequence),
    )  # fmt: skip


def _around(model: Transformer, hidden: int, heads: int, sequence: int) -> Embedding:
    """Return what stands around the blocks in the new width."""
    around, kinds = model.around, model.kinds
    widths = {model.hidden: hidden}
    if around.width is not None and around.width != model.hidden:
        widths[around.width] = hidden // 2
    relative = kinds.positions is Positions.RELATIVE
    rows = around.added // (model.heads or 1) if relative else sequence + 2 * kinds.types
    return replace(
        around, width=None if around.width is None else widths[around.width],
        added=rows * (heads if relative else hidden) if around.added else 0, norm=hidden if around.norm else 0,
        front=tuple(_projection(one, widths) for one in around.front),
        back=tuple(_projection(one, widths) for one in around.back),
    )  # fmt: skip


def _projection(one: Projection, widths: dict[int, int]) -> Projection:
    return replace(one, inputs=widths[one.inputs], outputs=widths[one.outputs])


def _divided(size: float, step: int) -> int:
    """Return the multiple of a step that is closest to a size."""
    return max(1, round(size / step)) * step

"""The shape of a transformer: sizes of its matrices, how many there are, and how many tokens it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Transformer:
    """The shape of a transformer and how fast an NPU computes it.

    Attributes
    ----------
    name : str
        For example ``175B``.
    hidden : int
        Hidden size h.
    blocks : int
        Transformer blocks that are generated.
    sequence : int
        Tokens in a sequence, s.
    tokens : int
        Tokens that one data-parallel replica processes per iteration, n = batch x s.
    heads : int or None
        Attention heads; None where nobody said, and then no split of the heads is checked.
    kv_heads : int or None
        Heads of K and V (grouped-query attention); None for as many as `heads`.
    feed_forward : int or None
        Inner width of the feed-forward network; None for 4 h.
    gated : bool
        Whether the feed-forward network has a gate beside its first GEMM (SwiGLU and its kin).
    element : int
        Bytes per element [B].
    rate : float
        FLOP/s that an NPU achieves [FLOP/s].
    source : str
        Where the numbers come from.
    vocabulary : int or None
        Rows of the embedding table; None for a stack of blocks alone, without embedding, output and update.
    outputs : int or None
        Columns of the output layer; None for those of the vocabulary, whose weights it then shares.
    dropout : float
        Share of activations that dropout drops; 0 for none.
    """

    name: str
    hidden: int
    blocks: int
    sequence: int
    tokens: int
    heads: int | None = None
    kv_heads: int | None = None
    feed_forward: int | None = None
    gated: bool = False
    element: int = 2
    rate: float = 60 * 2.0**40
    source: str = ""
    vocabulary: int | None = None
    outputs: int | None = None
    dropout: float = 0.0

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward network."""
        return 4 * self.hidden if self.feed_forward is None else self.feed_forward

    @property
    def kv_width(self) -> int:
        """Columns of the K and of the V projection."""
        if self.heads is None or self.kv_heads is None:
            return self.hidden
        return self.hidden * self.kv_heads // self.heads

    @property
    def columns(self) -> int:
        """Columns of the output layer; 0 where there is none."""
        return (self.vocabulary or 0) if self.outputs is None else self.outputs

    @property
    def weights(self) -> int:
        """Weights of all matrices: those of the blocks, the embedding table and an output layer of its own.

        Examples
        --------
        >>> Transformer("bert-base", 768, 12, 384, 384, vocabulary=30522, outputs=2).weights
        108377088
        """
        feed_forward = (3 if self.gated else 2) * self.hidden * self.inner
        block = 2 * self.hidden * (self.hidden + self.kv_width) + feed_forward
        own = 0 if self.outputs is None else self.hidden * self.outputs
        return self.blocks * block + self.hidden * (self.vocabulary or 0) + own

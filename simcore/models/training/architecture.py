"""What a model is, and what is run of it: the sizes of a transformer, and the batch of one replica."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Transformer:
    """The sizes of a transformer: what `simcore.models.training.transformer.operators_of` makes its operators of.

    Attributes
    ----------
    name : str
        For example ``175B``.
    hidden : int
        Hidden size h.
    blocks : int
        Transformer blocks.
    heads : int or None
        Attention heads; None where nobody said, and then no split of the heads is checked.
    kv_heads : int or None
        Heads of K and V (grouped-query attention); None for as many as `heads`.
    feed_forward : int or None
        Inner width of the feed-forward network; None for 4 h.
    gated : bool
        Whether the feed-forward network has a gate beside its first GEMM (SwiGLU and its kin).
    biases : bool
        Whether products and norms add a bias (BERT, GPT-2; not Llama).
    vocabulary : int or None
        Rows of the embedding table; None for a stack of blocks alone, without embedding, output and update.
    outputs : int or None
        Columns of the output layer; None for those of the vocabulary, whose weights it then shares.
    dropout : float
        Share of activations that dropout drops; 0 for none.
    source : str
        Where the numbers come from.
    """

    name: str
    hidden: int
    blocks: int
    heads: int | None = None
    kv_heads: int | None = None
    feed_forward: int | None = None
    gated: bool = False
    biases: bool = False
    vocabulary: int | None = None
    outputs: int | None = None
    dropout: float = 0.0
    source: str = ""

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


@dataclass(frozen=True)
class Batch:
    """What one data-parallel replica processes in an iteration.

    Attributes
    ----------
    sequence : int
        Tokens in a sequence, s.
    sequences : int
        Sequences of the replica and iteration.
    element : int
        Bytes per element of weights, activations and gradients [B].
    """

    sequence: int
    sequences: int
    element: int = 2

    @property
    def tokens(self) -> int:
        """Tokens of the replica and iteration, n.

        Examples
        --------
        >>> Batch(sequence=1024, sequences=32).tokens
        32768
        """
        return self.sequence * self.sequences
